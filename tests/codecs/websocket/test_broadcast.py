"""The same to many: encoded once, and nobody's slowness costs more than its own queue."""

from __future__ import annotations

import random
import socket
import string
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import ChannelInboundHandler, ChannelOptions, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import websocket
from pipeline_net.testing import EmbeddedChannel

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def _channel() -> EmbeddedChannel:
    return EmbeddedChannel(websocket.protocol_stages("server", keepalive=None))


def test_a_thousand_receivers_get_the_same_bytes() -> None:
    channels = [_channel() for _ in range(1000)]
    group = websocket.BroadcastGroup(channels)
    group.write_and_flush("x" * 100_000)
    frames = [b"".join(channel.outbound) for channel in channels]
    assert set(frames) == {b"\x81\x7f" + (100_000).to_bytes(8, "big") + b"x" * 100_000}
    first = [id(piece) for piece in channels[0].outbound]
    assert all([id(piece) for piece in channel.outbound] == first for channel in channels), "one copy for all"


def test_messages_that_are_prepared_already() -> None:
    channel = _channel()
    group = websocket.BroadcastGroup([channel])
    group.write_and_flush(websocket.PreparedMessage(b"a"))
    group.write_and_flush(b"b")
    assert b"".join(channel.outbound) == b"\x82\x01a\x82\x01b"


def test_messages_in_a_row_are_sent_when_the_turn_ends() -> None:
    channel = _channel()
    channel.outbound.clear()
    group = websocket.BroadcastGroup([channel])
    group.write("a")
    group.write(b"b")
    assert list(channel.outbound) == []
    channel.run_pending()
    assert b"".join(channel.outbound) == b"\x81\x01a\x82\x01b"


def test_who_has_closed_is_not_written_to() -> None:
    channel, other = _channel(), _channel()
    group = websocket.BroadcastGroup([channel, other])
    channel.abort()
    channel.run_pending()
    group.write_and_flush("a")
    assert list(channel.outbound) == []
    assert len(group) == 1
    assert repr(group) == "<BroadcastGroup of 1 channels, slow='skip', skipped=0>"


@pytest.mark.parametrize(("slow", "stays"), [("skip", True), ("close", False)])
def test_who_is_too_slow_is_left_out_or_leaves(slow: Any, stays: bool) -> None:
    options = ChannelOptions(write_buffer_high=10, write_buffer_low=5)
    channel = EmbeddedChannel(websocket.protocol_stages("server", keepalive=None), options=options)
    group = websocket.BroadcastGroup([channel], slow=slow)
    channel.peer_window = 0  # it reads nothing
    group.write_and_flush("x" * 20)
    group.write_and_flush("y" * 20)
    assert group.skipped == 1
    assert (channel in group) is stays
    assert channel.is_open


def test_a_policy_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="slow is 'skip' or 'close', not 'wait'"):
        websocket.BroadcastGroup(slow="wait")  # type: ignore[arg-type]  # the mistake that is tested


class _Join(ChannelInboundHandler[Any, Any, Any]):
    def __init__(self, group: websocket.BroadcastGroup, count: int, complete: threading.Event) -> None:
        self._group = group
        self._count = count
        self._complete = complete

    def user_event_triggered(self, ctx: Any, event: Any) -> None:
        if isinstance(event, websocket.HandshakeComplete):
            self._group.add(ctx.channel)
            if len(self._group) == self._count:
                self._complete.set()


@pytest.mark.parametrize("slow", ["skip", "close"])
@pytest.mark.parametrize("deflate", [None, websocket.Deflate(server_no_context_takeover=True)])
def test_one_that_never_reads_costs_the_others_nothing(
    slow: Any, deflate: websocket.Deflate | None, dial: Callable[[str], socket.socket]
) -> None:
    group = websocket.BroadcastGroup(slow=slow)
    complete = threading.Event()
    picture = "".join(random.Random(1).choices(string.printable, k=50_000))  # compressed, it is still large
    extension = b"" if deflate is None else b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
    with EventLoopGroup(2) as loops:
        stack = lambda channel: websocket.server_stack(deflate=deflate, close_timeout=0.2) >> _Join(group, 3, complete)  # noqa: E731 - as short as in a program
        with ServerBootstrap(loops, initializer=stack).bind("tcp://127.0.0.1:0") as server:
            readers = [dial(server.addresses[0]) for _ in range(2)]
            sleeper = dial(server.addresses[0])
            for client in (*readers, sleeper):
                client.sendall(HANDSHAKE + extension + b"\r\n")
            assert complete.wait(10)
            sizes = [_read_head(client) for client in readers]
            rounds = 0
            while group.skipped == 0 and rounds < 1000:  # until the kernel's buffers are full of what nobody reads
                rounds += 1
                group.write_and_flush(picture)
                sizes = [size + len(_read_frame(client)) for size, client in zip(sizes, readers, strict=True)]
            assert group.skipped > 0
            assert sizes[0] == sizes[1] > 0
            waiting = max(channel.pending_write_bytes for channel in server.channels)
            assert waiting < 65536 + 60_000, "no more than the high mark and one message"
            if slow == "close":
                while len(server.channels) > 2:  # its Close cannot leave, so it is cut off
                    threading.Event().wait(0.01)
            assert len(group) == (2 if slow == "close" else 3)


def _read_head(client: socket.socket) -> int:
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += client.recv(1)
    return 0


def _read_frame(client: socket.socket) -> bytes:
    head = _read(client, 2)
    size = head[1]
    if size >= 126:
        size = int.from_bytes(_read(client, 2 if size == 126 else 8), "big")
    return _read(client, size)


def _read(client: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = client.recv(size - len(data))
        assert piece, "the server has closed"
        data += piece
    return bytes(data)


@pytest.mark.parametrize(("slow", "skipped"), [("skip", 36), ("close", 1)])
def test_a_loop_that_does_not_come_to_its_work_is_left_out(slow: Any, skipped: int) -> None:
    group = websocket.BroadcastGroup(slow=slow)
    complete, busy, go_on = threading.Event(), threading.Event(), threading.Event()
    with EventLoopGroup(1) as loops:
        initializer = lambda channel: websocket.server_stack() >> _Join(group, 1, complete)  # noqa: E731 - likewise
        with ServerBootstrap(loops, initializer=initializer).bind("local://broadcast") as server:
            client = websocket.connect(loops, "ws://a/", address=server.addresses[0]).result(10)
            assert complete.wait(10)

            def block() -> None:
                busy.set()
                go_on.wait(10)

            client.channel.loop.execute(block)
            assert busy.wait(10)
            for number in range(100):
                group.write_and_flush(str(number))
            assert group.skipped == skipped
            go_on.set()
            assert [client.receive().result(10) for _ in range(64)] == [str(number) for number in range(64)]
            if slow == "close":  # or it would go on with a gap
                with pytest.raises(websocket.WebSocketClosedError, match=r"1013.*too slow"):
                    client.receive().result(10)
                assert len(group) == 0
            client.close().result(10)
