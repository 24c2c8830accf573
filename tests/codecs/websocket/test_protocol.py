"""The life of a WebSocket: messages, pings, closing from both ends, silence, and peers that misbehave."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import (
    ChannelClosedError,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    EventLoopGroup,
    ServerBootstrap,
)
from pipeline_net.codecs.websocket import (
    Close,
    Closed,
    DeflateParameters,
    Fragment,
    FrameDecoder,
    FrameEncoder,
    KeepAlive,
    Limits,
    Ping,
    Pong,
    WebSocketDecodeError,
    WebSocketHandler,
    protocol_stages,
)
from pipeline_net.errors import EncodeError
from pipeline_net.server_draining import ServerDraining
from pipeline_net.testing import EmbeddedChannel

from .conftest import make_frame

CLOSE = 8


class Diary(ChannelInboundHandler[Any]):
    """Notes what comes, and can be told to do something about it."""

    def __init__(self, act: Callable[[ChannelHandlerContext[Any, Any], Any], object] | None = None) -> None:
        self.seen: list[Any] = []
        self._act = act

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self.seen.append(msg)
        if self._act is not None:
            self._act(ctx, msg)

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        self.seen.append(event)
        ctx.fire_user_event_triggered(event)


class Wire:
    """A WebSocket of ours whose peer is the test."""

    def __init__(
        self, role: str = "server", act: Any = None, options: ChannelOptions | None = None, **more: Any
    ) -> None:
        more = {"keepalive": None, "close_timeout": 5.0} | more
        self.diary = Diary(act)
        self.channel = EmbeddedChannel(*protocol_stages(role, **more).handlers, self.diary, options=options)
        self._reader = FrameDecoder("client" if role == "server" else "server", deflate=more.get("deflate"))
        self._key = b"\x01\x02\x03\x04" if role == "server" else None

    def receive(self, *frames: bytes) -> None:
        self.channel.write_inbound(*frames)

    def frame(self, opcode: int, payload: bytes = b"", **more: Any) -> bytes:
        return make_frame(opcode, payload, **{"key": self._key} | more)

    def say(self, opcode: int, payload: bytes = b"", **more: Any) -> None:
        self.receive(self.frame(opcode, payload, **more))

    @property
    def sent(self) -> list[Any]:
        """The messages that we have sent since it was last asked."""
        data = b"".join(self.channel.outbound)
        self.channel.outbound.clear()
        return self._reader.feed(data)

    @property
    def closed(self) -> list[Closed]:
        return [event for event in self.diary.seen if isinstance(event, Closed)]


def is_open(wire: Wire) -> bool:
    return wire.channel.is_open


def code(number: int, reason: str = "") -> bytes:
    return number.to_bytes(2, "big") + reason.encode()


def test_messages_flow_both_ways() -> None:
    wire = Wire(act=lambda ctx, msg: ctx.write(msg))
    wire.receive(
        wire.frame(1, b"text") + wire.frame(2, b"bytes") + wire.frame(1, b"a", fin=False) + wire.frame(0, b"b")
    )
    assert wire.diary.seen == ["text", b"bytes", "ab"]
    assert wire.sent == ["text", b"bytes", "ab"]


def test_fragments_flow_both_ways() -> None:
    wire = Wire(messages=False, act=lambda ctx, msg: ctx.write(msg))
    wire.receive(wire.frame(1, b"a", fin=False), wire.frame(0, b"b"))
    assert wire.diary.seen == [Fragment("a", False), Fragment("b", True)]
    assert wire.sent == ["ab"]


def test_a_ping_is_answered_before_anybody_hears_of_it() -> None:
    wire = Wire()
    wire.say(9, b"42")
    wire.say(10, b"unasked")
    assert wire.sent == [Pong(b"42")]
    assert wire.diary.seen == [Ping(b"42"), Pong(b"unasked")]


def test_pings_of_a_peer_that_does_not_read_wait_as_one() -> None:
    wire = Wire("client", options=ChannelOptions(pause_reads_when_unwritable=False))
    wire.channel.peer_window = 0
    wire.channel.write("x" * 100_000)
    wire.channel.run_pending()
    pending = wire.channel.pending_write_bytes
    wire.receive(*(wire.frame(9, str(n).encode()) for n in range(1000)))
    assert wire.channel.pending_write_bytes == pending
    wire.channel.peer_window = None
    wire.channel.run_pending()
    assert wire.sent == ["x" * 100_000, Pong(b"999")]


def test_a_peer_that_does_not_read_is_not_listened_to() -> None:
    wire = Wire()
    wire.channel.peer_window = 0
    wire.channel.write("x" * 100_000)
    wire.channel.run_pending()
    wire.receive(wire.frame(1, b"later") * 3)
    assert not wire.channel.wants_to_read
    assert wire.diary.seen == []
    wire.channel.peer_window = None
    wire.channel.run_pending()
    assert wire.diary.seen == ["later"] * 3


class TestClosing:
    """The closing handshake, from both ends."""

    def test_the_peer_closes_a_server(self) -> None:
        wire = Wire()
        wire.say(CLOSE, code(1001, "tab closed"))
        assert wire.sent == [Close(1001)]
        assert wire.diary.seen == [Closed(1001, "tab closed", clean=True, by_peer=True)]
        assert not is_open(wire)

    def test_the_peer_closes_without_a_code(self) -> None:
        wire = Wire()
        wire.say(CLOSE)
        assert wire.sent == [Close(None)]
        assert wire.closed == [Closed(1005, "", clean=True, by_peer=True)]

    def test_a_client_lets_the_server_close_tcp(self) -> None:
        wire = Wire("client")
        wire.say(CLOSE, code(1000))
        assert wire.sent == [Close(1000)]
        assert wire.closed == [Closed(1000, "", clean=True, by_peer=True)]
        assert is_open(wire)
        wire.channel.finish_input()
        assert not is_open(wire)
        assert len(wire.closed) == 1

    def test_a_client_waits_for_that_only_so_long(self) -> None:
        wire = Wire("client")
        wire.say(CLOSE)
        wire.channel.advance(4.9)
        assert is_open(wire)
        wire.channel.advance(0.2)
        assert not is_open(wire)

    @pytest.mark.parametrize("role", ["server", "client"])
    def test_we_close(self, role: str) -> None:
        wire = Wire(role)
        promise = wire.channel.close()
        wire.channel.run_pending()
        assert wire.sent == [Close(1000)]
        assert is_open(wire)
        assert wire.diary.seen == []
        wire.say(1, b"too late for us")
        wire.say(CLOSE, code(1000))
        assert wire.diary.seen == [Closed(1000, "", clean=True, by_peer=False)]
        if role == "client":
            assert not promise.done()
            wire.channel.finish_input()
        assert not is_open(wire)
        assert promise.result() is None
        assert wire.sent == []

    def test_we_close_with_a_code_of_ours(self) -> None:
        wire = Wire()
        wire.channel.write_outbound(Close(4001, "enough"))
        assert wire.sent == [Close(4001, "enough")]
        wire.say(CLOSE, code(4001))
        assert wire.closed == [Closed(4001, "", clean=True, by_peer=False)]

    def test_a_peer_that_does_not_answer_our_close(self) -> None:
        wire = Wire()
        promise = wire.channel.close()
        wire.channel.advance(4.9)
        assert is_open(wire)
        wire.channel.advance(0.2)
        assert wire.closed == [Closed(1006, "", clean=False, by_peer=False)]
        assert promise.done()
        assert not is_open(wire)

    def test_a_peer_that_reads_slowly_is_given_the_time(self) -> None:
        wire = Wire()
        wire.channel.peer_window = 0
        wire.channel.write(b"x" * 100_000)
        wire.channel.close()
        for _ in range(5):
            wire.channel.peer_window = 10_000
            wire.channel.advance(4.0)
        assert is_open(wire)
        wire.channel.advance(10.0)
        assert not is_open(wire)
        assert wire.channel.is_aborted
        assert wire.closed == [Closed(1006, "", clean=False, by_peer=False)]

    def test_writing_to_what_is_closing_fails_and_breaks_nothing(self) -> None:
        wire = Wire()
        wire.channel.close()
        with pytest.raises(ChannelClosedError, match="the WebSocket to 'test' is closing"):
            wire.channel.write_outbound("late")
        wire.channel.broadcast("late, and nobody asks")
        wire.channel.run_pending()
        assert wire.sent == [Close(1000)]

    def test_closing_twice_is_closing_once(self) -> None:
        wire = Wire()
        promises = [wire.channel.close(), wire.channel.close()]
        wire.say(CLOSE, code(1000))
        promises.append(wire.channel.close())
        wire.channel.run_pending()
        assert wire.sent == [Close(1000)]
        assert all(promise.done() for promise in promises)
        assert len(wire.closed) == 1

    def test_both_close_at_once(self) -> None:
        wire = Wire(act=lambda ctx, msg: ctx.close())
        wire.receive(wire.frame(1, b"x") + wire.frame(CLOSE, code(1000)))
        assert wire.sent == [Close(1000)]
        assert wire.closed == [Closed(1000, "", clean=True, by_peer=False)]

    def test_a_peer_that_goes_without_a_word(self) -> None:
        wire = Wire()
        wire.channel.finish_input()
        assert wire.diary.seen == [Closed(1006, "", clean=False, by_peer=True)]
        assert wire.sent == []
        assert not is_open(wire)

    @pytest.mark.parametrize(
        "half", [b"\x81", b"\x81\xfe\x01", b"\x81\x85\x01\x02\x03\x04a", b"\x01\x81\x00\x00\x00\x00a"]
    )
    def test_a_peer_that_goes_in_the_middle_of_a_frame(self, half: bytes) -> None:
        wire = Wire()
        wire.receive(half)
        wire.channel.finish_input()
        assert wire.diary.seen == [Closed(1006, "", clean=False, by_peer=True)]
        assert wire.sent == []

    def test_a_connection_that_breaks(self) -> None:
        wire = Wire()
        wire.channel.abort()
        wire.channel.run_pending()
        assert wire.diary.seen == [Closed(1006, "", clean=False, by_peer=True)]

    def test_a_handler_that_raises_makes_it_1011(self) -> None:
        def fail(ctx: Any, msg: Any) -> None:
            raise RuntimeError("a bug in the application")

        wire = Wire(act=fail)
        with pytest.raises(RuntimeError, match="a bug in the application"):
            wire.say(1, b"x")
        assert wire.sent == [Close(1011)]
        wire.say(CLOSE, code(1011))
        assert wire.closed == [Closed(1011, "", clean=True, by_peer=False)]

    def test_a_server_that_ends_goes_away(self) -> None:
        wire = Wire()
        wire.channel.fire_user_event(ServerDraining(5.0))
        wire.channel.fire_user_event(ServerDraining(5.0))
        wire.channel.run_pending()
        assert wire.sent == [Close(1001)]

    def test_an_upgraded_connection_closes_as_one_that_was_there_from_the_beginning(self) -> None:
        channel = EmbeddedChannel()
        for stage in protocol_stages("server", keepalive=KeepAlive(interval=1, timeout=1)).handlers:
            channel.pipeline.add_last(stage)
        channel.advance(1.0)
        assert channel.read_outbound() == b"\x89\x00"


BROKEN: dict[str, tuple[bytes, int]] = {
    "a reserved bit": (make_frame(1, b"x", rsv=1), 1002),
    "no UTF-8": (make_frame(1, b"\xff"), 1007),
    "too long": (make_frame(2, b"x" * 101), 1009),
    "too many fragments": (make_frame(2, fin=False) + make_frame(0, fin=False) * 3, 1008),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_peer_that_breaks_the_rules_is_told_and_left(name: str, caplog: pytest.LogCaptureFixture) -> None:
    data, number = BROKEN[name]
    wire = Wire(limits=Limits(max_message=100, max_fragments=3))
    with caplog.at_level(logging.INFO, "pipeline_net.websocket"):
        wire.receive(wire.frame(1, b"fine") + data + wire.frame(1, b"late"))
    (close,) = wire.sent
    assert close.code == number
    assert wire.diary.seen == ["fine", Closed(number, close.reason, clean=False, by_peer=False)]
    assert not is_open(wire)
    assert f"test was refused: {close.reason}" in caplog.text


def test_a_peer_that_breaks_the_rules_while_we_close_gets_no_second_close() -> None:
    wire = Wire()
    wire.channel.close()
    wire.say(3, b"x")
    assert wire.channel.outbound == [b"\x88\x02\x03\xe8"]
    assert [closed.code for closed in wire.closed] == [1002]
    assert not is_open(wire)


def test_a_long_reason_is_cut_to_what_a_frame_holds() -> None:
    wire = Wire()
    wire.channel.pipeline.fire_exception_caught(WebSocketDecodeError(1008, "ä" * 100))
    wire.channel.run_pending()
    assert wire.sent == [Close(1008, "ä" * 61)]


def test_what_cannot_be_encoded_fails_alone() -> None:
    wire = Wire()
    with pytest.raises(EncodeError):
        wire.channel.write_outbound("\ud800")
    assert is_open(wire)
    wire.channel.write_outbound("fine")
    assert wire.sent == ["fine"]


class TestKeepAlive:
    """A peer that is silent is asked, and left if it says nothing."""

    def test_it_is_asked_and_lives_on_if_it_answers(self) -> None:
        wire = Wire(keepalive=KeepAlive(interval=10, timeout=5))
        for _ in range(4):
            wire.channel.advance(10)
            assert wire.sent == [Ping()]
            wire.channel.advance(3)
            wire.say(10)
            wire.channel.advance(2)
        assert is_open(wire)

    def test_it_is_left_if_it_does_not(self) -> None:
        wire = Wire(keepalive=KeepAlive(interval=10, timeout=5))
        wire.channel.advance(14.9)
        assert wire.sent == [Ping()]
        assert is_open(wire)
        wire.channel.advance(0.2)
        assert wire.sent == [Close(1011, "nothing has come for 5 s after a Ping")]
        assert wire.closed == [Closed(1011, "nothing has come for 5 s after a Ping", clean=False, by_peer=False)]
        assert not is_open(wire)

    def test_whoever_talks_is_not_asked(self) -> None:
        wire = Wire(keepalive=KeepAlive(interval=10, timeout=5))
        for _ in range(20):
            wire.channel.advance(4)
            wire.say(1, b"x")
        assert wire.sent == []

    def test_half_a_frame_counts_as_talking_and_whole_silence_does_not(self) -> None:
        wire = Wire(keepalive=KeepAlive(interval=10, timeout=5))
        for byte in make_frame(2, b"x" * 20)[:-1]:
            wire.channel.advance(6)
            wire.receive(bytes([byte]))
        assert wire.sent == []
        wire.channel.advance(30)
        assert not is_open(wire)

    def test_a_peer_that_takes_nothing_is_left_and_one_that_takes_a_little_is_not(self) -> None:
        wire = Wire(keepalive=KeepAlive(interval=10, timeout=5))
        wire.channel.peer_window = 0
        wire.channel.write(b"x" * 200_000)
        for _ in range(10):
            wire.channel.peer_window = 1000
            wire.channel.advance(5)
        assert is_open(wire)
        wire.channel.advance(10)
        assert not wire.channel.is_active

    def test_whoever_is_not_listened_to_is_not_blamed(self) -> None:
        wire = Wire(keepalive=KeepAlive(interval=10, timeout=5))
        wire.channel.hold_reads()
        wire.channel.advance(100)
        assert is_open(wire)

    def test_no_message_touches_a_timer(self) -> None:
        wire = Wire(keepalive=KeepAlive(interval=10, timeout=5))
        loop: Any = wire.channel.loop
        before = loop.next_deadline()
        for _ in range(100):
            wire.channel.advance(0.01)
            wire.say(1, b"x")
            wire.channel.write_outbound("y")
        assert loop.next_deadline() == before

    def test_no_timer_is_left_behind(self) -> None:
        wire = Wire(keepalive=KeepAlive(interval=10, timeout=5))
        wire.channel.abort()
        wire.channel.run_pending()
        loop: Any = wire.channel.loop
        assert loop.next_deadline() is None


def test_both_ends_of_ours_understand_each_other() -> None:
    agreed = DeflateParameters(threshold=0)
    server = Wire("server", deflate=agreed, act=lambda ctx, msg: ctx.write(msg))
    client = Wire("client", deflate=agreed)
    messages = ["text " * 100, b"\x00" * 70_000, "", Ping(b"?"), Fragment("a", False), Fragment("b", True)]
    client.channel.write_outbound(*messages)
    server.receive(*map(bytes, client.channel.outbound))
    client.receive(*map(bytes, server.channel.outbound))
    assert client.diary.seen == ["text " * 100, b"\x00" * 70_000, "", Pong(b"?"), "ab"]
    server.channel.outbound.clear()


@pytest.mark.parametrize("high", [65536, 3000])  # with the low one, many are written while there is no room
def test_messages_of_all_sizes_that_came_together_are_answered_in_order(high: int) -> None:
    """Over TCP, where what is written together is joined when it leaves."""
    sizes = [1, 600, 0, 511, 512, 8192, 125, 1024, 9000, 126, 1024, 2000]
    frames = [(opcode, bytes([65 + at]) * size) for at, size in enumerate(sizes) for opcode in (1, 2)]
    answer = b"".join(make_frame(opcode, payload, key=None) for opcode, payload in frames)
    initializer = lambda channel: [  # noqa: E731 - as in a program
        *protocol_stages("server").handlers,
        Diary(lambda ctx, msg: ctx.write(msg)),
    ]
    options = ChannelOptions(write_buffer_high=high, write_buffer_low=high // 2)
    with (
        EventLoopGroup(1) as loops,
        ServerBootstrap(loops, initializer=initializer, options=options).bind("tcp://127.0.0.1:0") as server,
        socket.create_connection(("127.0.0.1", int(server.addresses[0].rpartition(":")[2])), timeout=20) as peer,
        peer.makefile("rb") as answers,
    ):
        peer.sendall(b"".join(make_frame(opcode, payload) for opcode, payload in frames))
        assert answers.read(len(answer)) == answer


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_time_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="close_timeout must be more than 0 seconds"):
        protocol_stages("server", close_timeout=seconds)


def test_the_stack_shows_what_is_in_it() -> None:
    assert repr(protocol_stages("server")) == "wire() >> FrameDecoder >> WebSocketHandler"
    assert WebSocketHandler(FrameDecoder("client"), FrameEncoder("client"), closes_tcp=False).state == 0
