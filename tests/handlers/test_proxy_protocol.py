"""Who is behind the balancer, whom we believe, and that the client's own bytes arrive unharmed."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net import (
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    CorruptedFrameError,
    EncodeError,
    EventLoopGroup,
    FrameTooLongError,
    ReadTimeoutError,
    ServerBootstrap,
    wire,
)
from pipeline_net.codecs import LineBasedFrameDecoder
from pipeline_net.handlers import probes
from pipeline_net.handlers.connection_limit import ConnectionLimitHandler
from pipeline_net.handlers.ip_filter import IpFilterHandler
from pipeline_net.handlers.proxy_header import ProxyHeader, encode_proxy_header
from pipeline_net.handlers.proxy_protocol import ProxyProtocolDecoder, ProxyProtocolEncoder, client_of
from pipeline_net.handlers.sniff import SniffHandler
from pipeline_net.testing import EmbeddedChannel, chunks

Ctx = ChannelHandlerContext[Any, Any]

HEADER = ProxyHeader(("192.0.2.1", 50312), ("198.51.100.7", 443), "tcp4")
V1 = encode_proxy_header(HEADER, 1)
V2 = encode_proxy_header(ProxyHeader(HEADER.source, HEADER.destination, "tcp4", tlvs=((2, b"a.example"),)), 2, True)
BALANCER = ("10.0.0.5", 40000)
STRANGER = ("203.0.113.9", 40000)


class Writes(ChannelInboundHandler[bytes]):
    """Writes down what it hears, and who is there."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    def channel_active(self, ctx: Ctx) -> None:
        self.log.append(f"active {client_of(ctx.channel)[0]}")

    def user_event_triggered(self, ctx: Ctx, event: Any) -> None:
        self.log.append(event.source)

    def channel_read(self, ctx: Ctx, msg: bytes) -> None:
        self.log.append(msg)

    def channel_read_complete(self, ctx: Ctx) -> None:
        self.log.append("complete")

    def channel_eof(self, ctx: Ctx) -> None:
        self.log.append("eof")
        ctx.fire_channel_eof()

    def channel_inactive(self, ctx: Ctx) -> None:
        self.log.append("inactive")

    def bytes(self) -> bytes:
        return b"".join(thing for thing in self.log if isinstance(thing, bytes))


def opened(
    remote: Any = BALANCER, options: ChannelOptions | None = None, **more: Any
) -> tuple[EmbeddedChannel, Writes]:
    writes = Writes()
    decoder = ProxyProtocolDecoder(["10.0.0.0/8"], **more)
    return EmbeddedChannel(wire() >> decoder >> writes, remote_address=remote, options=options), writes


@pytest.mark.parametrize("header", [V1, V2], ids=["version 1", "version 2"])
@pytest.mark.parametrize("rest", [b"", b"x", b"\r\n\r\n\0\r\nQUIT\n", V1])
def test_the_clients_bytes_arrive_unharmed_at_every_cut(header: bytes, rest: bytes) -> None:
    data = header + rest
    for cut in range(1, len(data) + 1):
        channel, writes = opened()
        for piece in (data[:cut], data[cut:]):
            if piece:
                channel.write_inbound(piece)
        assert writes.log[:2] == ["active 192.0.2.1", ("192.0.2.1", 50312)]
        assert writes.bytes() == rest
        assert writes.log[-1] == "complete"
        assert channel.pipeline.names == ["writes"]


@given(st.sampled_from([V1, V2]).flatmap(lambda header: chunks(header + b"GET / HTTP/1.1\r\n\r\n")))
def test_however_it_is_cut(pieces: list[bytes]) -> None:
    channel, writes = opened()
    for piece in pieces:
        channel.write_inbound(piece)
    assert writes.log[:2] == ["active 192.0.2.1", ("192.0.2.1", 50312)]
    assert writes.bytes() == b"GET / HTTP/1.1\r\n\r\n"


def test_stages_behind_hear_nothing_before_the_header() -> None:
    channel, writes = opened()
    channel.write_inbound(V2[:-1])
    assert writes.log == []
    channel.write_inbound(V2[-1:])
    assert channel.attrs[ProxyHeader].authority == "a.example"


def test_a_balancers_own_connection_is_its_own() -> None:
    channel, writes = opened()
    channel.write_inbound(encode_proxy_header(ProxyHeader(is_local=True)) + b"x")
    assert writes.log == ["active 10.0.0.5", None, b"x", "complete"]


def test_a_stranger_is_not_believed() -> None:
    channel, writes = opened(STRANGER)
    channel.write_inbound(V1 + b"x")
    assert writes.log == ["active 203.0.113.9", V1 + b"x", "complete"]
    assert ProxyHeader not in channel.attrs


def test_a_header_is_believed_once() -> None:
    channel, writes = opened()
    lie = encode_proxy_header(ProxyHeader(("127.0.0.1", 1), ("127.0.0.1", 2), "tcp4"))
    channel.write_inbound(V1 + lie)
    assert client_of(channel) == ("192.0.2.1", 50312)
    assert writes.bytes() == lie


@pytest.mark.parametrize("remote", ["", "/run/balancer"])
def test_unix_sockets_are_trusted(remote: str) -> None:
    channel, writes = opened(remote)
    channel.write_inbound(V1)
    assert writes.log[0] == "active 192.0.2.1"


class TestWithoutAHeader:
    def test_a_trusted_peer_is_refused(self) -> None:
        channel, writes = opened()
        with pytest.raises(CorruptedFrameError, match="no PROXY header begins with b'GET / HTTP/1'"):
            channel.write_inbound(b"GET / HTTP/1.1\r\n", b"more")
        assert channel.close_future.done()
        assert writes.log == []

    def test_where_none_is_required_everything_goes_on(self) -> None:
        for data in (b"GET / HTTP/1.1\r\n", b"P", b"PROXIES", b"\r\n\r\n"):
            for cut in range(1, len(data) + 1):
                channel, writes = opened(required=False)
                channel.write_inbound(data[:cut], data[cut:])
                channel.finish_input()
                assert writes.bytes() == data
                assert writes.log[0] == "active 10.0.0.5"
                assert [thing for thing in writes.log if not isinstance(thing, bytes)][1:3] == ["complete", "eof"]

    def test_where_none_is_required_one_is_believed_all_the_same(self) -> None:
        channel, writes = opened(required=False)
        channel.write_inbound(V2)
        assert writes.log[0] == "active 192.0.2.1"

    def test_half_of_one_is_truncated(self) -> None:
        channel, _ = opened()
        channel.write_inbound(V1[:20])
        with pytest.raises(CorruptedFrameError, match="the input ended within a PROXY header"):
            channel.finish_input()

    def test_a_peer_that_connects_and_goes_is_no_error(self) -> None:
        channel, writes = opened()
        channel.finish_input()
        assert channel.close_future.done()
        assert writes.log == ["eof"]

    def test_a_peer_that_says_nothing_is_closed(self) -> None:
        channel, writes = opened(timeout=3)
        channel.write_inbound(b"PROXY ")
        with pytest.raises(ReadTimeoutError, match=r"has sent b'PROXY ' in 3 s, and no whole PROXY header"):
            channel.advance(3)
        assert channel.close_future.done()
        assert writes.log == []


def test_only_the_versions_that_are_wanted() -> None:
    channel, _ = opened(versions=(2,))
    with pytest.raises(CorruptedFrameError, match="of version 1 came, which is not taken here"):
        channel.write_inbound(V1)
    channel, writes = opened(versions=(1,))
    channel.write_inbound(V1)
    assert writes.log[0] == "active 192.0.2.1"


def test_no_more_is_held_than_the_limit() -> None:
    channel, _ = opened(max_length=40)
    with pytest.raises(FrameTooLongError):
        channel.write_inbound(V2)


def test_nothing_is_left_behind() -> None:
    for how in ("header", "closed", "removed"):
        channel, _ = opened()
        if how == "header":
            channel.write_inbound(V1)
        elif how == "closed":
            channel.abort()
        else:
            channel.pipeline.remove(ProxyProtocolDecoder)
        channel.run_pending()
        assert channel.loop.next_deadline() is None  # type: ignore[attr-defined]  # the embedded loop's own


def test_who_takes_it_out_gets_what_it_holds() -> None:
    channel, writes = opened()
    channel.write_inbound(V1[:9])
    channel.pipeline.remove(ProxyProtocolDecoder)
    assert writes.log == ["active 10.0.0.5", V1[:9], "complete"]


def test_without_auto_read_it_asks_for_what_it_needs_and_no_more() -> None:
    channel, writes = opened(options=ChannelOptions(auto_read=False))
    assert channel.reads_requested == 1
    channel.write_inbound(V1[:9])
    assert channel.reads_requested == 2
    channel.write_inbound(V1[9:])
    assert channel.reads_requested == 2
    assert writes.log == ["active 192.0.2.1", ("192.0.2.1", 50312), "complete"]


@pytest.mark.parametrize(
    "wrong", [{"versions": ()}, {"versions": (3,)}, {"timeout": 0}, {"trusted": "10.0.0.0/8"}, {"trusted": ["x"]}]
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"versions are|timeout must|several|does not appear"):
        ProxyProtocolDecoder(**{"trusted": ["10.0.0.0/8"], **wrong})


class TestOthersLookAtTheClient:
    def test_a_filter(self) -> None:
        for denied, is_open in (("192.0.2.0/24", False), ("10.0.0.0/8", True)):
            writes = Writes()
            channel = EmbeddedChannel(
                ProxyProtocolDecoder(["10.0.0.0/8"]),
                IpFilterHandler(deny=[denied], proxied=True),
                writes,
                remote_address=BALANCER,
            )
            assert channel.is_open
            channel.write_inbound(V1 + b"x")
            assert channel.is_open is is_open
            assert ("active 192.0.2.1" in writes.log) is is_open

    def test_a_limit(self) -> None:
        limit = ConnectionLimitHandler(per_address=1, proxied=True)

        def connect(host: str) -> bool:
            decoder = ProxyProtocolDecoder(["10.0.0.0/8"])
            channel = EmbeddedChannel(decoder, limit, remote_address=BALANCER)
            channel.write_inbound(encode_proxy_header(ProxyHeader((host, 1), ("198.51.100.7", 1), "tcp4")))
            return channel.is_open

        assert [connect("192.0.2.1"), connect("192.0.2.2"), connect("192.0.2.1")] == [True, True, False]


def test_what_follows_may_be_looked_at_too() -> None:
    data = V2 + b"*1\r\n$4\r\nPING\r\n"
    for cut in range(1, len(data) + 1):
        sniff = SniffHandler((probes.tls, lambda _: []), (probes.resp, lambda _: [Writes()]))
        channel = EmbeddedChannel(ProxyProtocolDecoder(["10.0.0.0/8"]), sniff, remote_address=BALANCER)
        for piece in (data[:cut], data[cut:]):
            if piece:
                channel.write_inbound(piece)
        writes: Writes = channel.pipeline.get(Writes)
        assert writes.log[0] == "active 192.0.2.1"
        assert writes.bytes() == data[len(V2) :]


class TestWriting:
    @pytest.mark.parametrize("version", [1, 2])
    def test_a_header_becomes_bytes_and_all_else_stays(self, version: int) -> None:
        channel = EmbeddedChannel(ProxyProtocolEncoder(version))
        channel.write_outbound(HEADER, b"x")
        assert channel.outbound == [encode_proxy_header(HEADER, version), b"x"]

    def test_what_cannot_be_said_fails_its_write(self) -> None:
        channel = EmbeddedChannel(ProxyProtocolEncoder(1))
        written = channel.write(ProxyHeader("/a", "/b", "unix-stream"))
        assert isinstance(written.exception(), EncodeError)
        channel.write_outbound(b"x")
        assert channel.outbound == [b"x"]

    def test_with_a_checksum(self) -> None:
        channel = EmbeddedChannel(ProxyProtocolEncoder(checksum=True))
        channel.write_outbound(HEADER)
        assert channel.outbound == [encode_proxy_header(HEADER, 2, True)]

    @pytest.mark.parametrize("wrong", [{"version": 3}, {"version": 1, "checksum": True}])
    def test_what_makes_no_sense_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="version"):
            ProxyProtocolEncoder(**wrong)


def test_a_real_server_behind_a_real_socket() -> None:
    class Tells(ChannelInboundHandler[bytes]):
        def channel_read(self, ctx: Ctx, msg: bytes) -> None:
            host, port = client_of(ctx.channel)
            ctx.write(f"{host} {port} says {msg.decode()}\n".encode())

    def stages(_: Any) -> Any:
        return wire() >> ProxyProtocolDecoder(["127.0.0.1"]) >> LineBasedFrameDecoder(80) >> Tells()

    with (
        EventLoopGroup(1) as loops,
        ServerBootstrap(loops, initializer=stages).bind("tcp://127.0.0.1:0") as server,
        socket.create_connection(("127.0.0.1", int(server.addresses[0].rpartition(":")[2])), timeout=10) as client,
    ):
        for piece in (V2[:20], V2[20:] + b"he", b"llo\n"):
            client.sendall(piece)
        assert client.recv(100) == b"192.0.2.1 50312 says hello\n"
