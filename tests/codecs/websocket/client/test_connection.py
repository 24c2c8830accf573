"""A WebSocket for a program that is no stage: from threads and from asyncio, to its end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from pipeline_net import ChannelClosedError, ChannelInboundHandler, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import websocket
from pipeline_net.codecs.http import Headers
from pipeline_net.codecs.websocket import Close, HandshakeComplete, WebSocket, WebSocketClosedError
from pipeline_net.codecs.websocket.client.connection import WebSocketKeeper
from pipeline_net.codecs.websocket.inbox import Inbox
from pipeline_net.testing import EmbeddedChannel


class Server(ChannelInboundHandler[Any, Any, Any]):
    """Does what it is told: counts, closes, breaks off."""

    def channel_read(self, ctx: Any, msg: Any) -> None:
        what, _, count = msg.partition(" ")
        if what == "count":
            for number in range(int(count)):
                ctx.write(str(number))
        elif what == "blow":
            for _ in range(int(count)):
                ctx.write(bytes(10_000))
        elif what == "close":
            ctx.write(Close(int(count), "as you like"))
        elif what == "abort":
            ctx.channel.abort()

    def user_event_triggered(self, ctx: Any, event: Any) -> None:
        if isinstance(event, HandshakeComplete):
            ctx.write("welcome")


@pytest.fixture
def loops() -> Iterator[EventLoopGroup]:
    with EventLoopGroup(2) as group:
        yield group


@pytest.fixture
def ws(loops: EventLoopGroup) -> Iterator[WebSocket]:
    stack = lambda channel: websocket.server_stack() >> Server()  # noqa: E731 - as short as in a program
    with ServerBootstrap(loops, initializer=stack).bind("tcp://127.0.0.1:0") as server:
        connection = websocket.connect(loops, server.addresses[0].replace("tcp", "ws")).result(10)
        yield connection
        connection.channel.abort()


def test_messages_come_in_order(ws: WebSocket) -> None:
    ws.send("count 100")
    assert [ws.receive().result(10) for _ in range(101)] == ["welcome", *map(str, range(100))]


def test_an_iteration_that_is_interrupted_takes_no_message_along(ws: WebSocket) -> None:
    class Interrupt(BaseException):
        pass

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupt

    assert next(ws) == "welcome"
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Interrupt):
            next(ws)
    finally:
        signal.signal(signal.SIGALRM, before)
    ws.send("count 1")
    assert ws.receive().result(10) == "0"


def test_an_iteration_ends_when_the_peer_closes(ws: WebSocket) -> None:
    ws.send("count 3")
    ws.send("close 4321")
    assert list(ws) == ["welcome", "0", "1", "2"]
    assert ws.closed is not None
    assert (ws.closed.code, ws.closed.reason, ws.closed.clean) == (4321, "as you like", True)
    assert list(ws) == []
    error = ws.receive().exception(10)
    assert isinstance(error, WebSocketClosedError)
    assert isinstance(ws.send("late").exception(10), Exception)


def test_an_iteration_raises_when_the_connection_is_lost(ws: WebSocket) -> None:
    ws.send("abort")
    assert next(ws) == "welcome"
    with pytest.raises(WebSocketClosedError, match="closed with 1006"):
        next(ws)


def test_asyncio(ws: WebSocket) -> None:
    async def main() -> None:
        await ws.send("count 2")
        assert await ws.receive() == "welcome"
        assert [await anext(ws), await anext(ws)] == ["0", "1"]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(ws), 0.01)
        await ws.send("count 1")
        assert await anext(ws) == "0", "who has stopped waiting takes nothing along"
        await ws.send("abort")
        with pytest.raises(WebSocketClosedError):
            await anext(ws)

    asyncio.run(main())


def test_who_waits_first_is_served_first(ws: WebSocket) -> None:
    waiting = [ws.receive() for _ in range(4)]
    given_up = waiting.pop(2)
    assert given_up.cancel()
    ws.send("count 2")
    assert [future.result(10) for future in waiting] == ["welcome", "0", "1"]


def test_who_gave_up_waiting_is_not_kept_until_a_message_comes() -> None:
    channel = EmbeddedChannel()
    ws = WebSocket(channel, HandshakeComplete("/", Headers()), Inbox())
    for _ in range(10):
        given_up = ws.receive()
        channel.run_pending()
        assert given_up.cancel()
    waits = ws.receive()
    channel.run_pending()
    assert len(ws._getters) == 1
    ws.deliver("a")
    assert waits.result(0) == "a"


def test_who_gives_up_before_it_was_served_takes_nothing_along() -> None:
    channel = EmbeddedChannel()
    ws = WebSocket(channel, HandshakeComplete("/", Headers()), Inbox())
    ws.deliver("a")
    given_up, other = ws.receive(), ws.receive()
    assert given_up.cancel()
    channel.run_pending()
    assert other.result(0) == "a"


def test_a_handshake_for_which_nobody_waits_any_more() -> None:
    channel = EmbeddedChannel()
    promise = channel.new_promise()
    channel.pipeline.add_last(WebSocketKeeper(promise))
    assert promise.cancel()
    channel.pipeline.fire_user_event_triggered(HandshakeComplete("/", Headers()))
    channel.run_pending()
    assert not channel.is_open


def test_who_does_not_receive_slows_the_server_down(ws: WebSocket) -> None:
    ws.send("blow 3000")  # 30 MB: more than fits between two sockets
    assert ws.receive().result(10) == "welcome"
    total = 0
    for _ in range(3000):
        assert len(ws._inbox) < 10  # 64 KiB, and one message
        message = ws.receive().result(10)
        assert isinstance(message, bytes)
        total += len(message)
    assert total == 30_000_000


def test_closing_does_not_wait_for_what_nobody_reads(ws: WebSocket) -> None:
    ws.send("blow 3000")
    assert ws.receive().result(10) == "welcome"
    ws.close(4000, "enough").result(10)
    assert ws.closed is not None
    assert ws.closed.code == 4000
    ws.close().result(10)


def test_closing_after_everything_has_ended() -> None:
    with EventLoopGroup(1) as loops:
        stack = lambda channel: websocket.server_stack() >> Server()  # noqa: E731 - as short as in a program
        ServerBootstrap(loops, initializer=stack).bind("local://ended")
        ws = websocket.connect(loops, "ws://a/", address="local://ended").result(10)
    ws.close().result(10)
    assert isinstance(ws.receive().exception(10), ChannelClosedError)
    assert isinstance(ws.send("late").exception(10), ChannelClosedError)


def test_codes_that_must_not_travel(ws: WebSocket) -> None:
    with pytest.raises(ValueError, match="1006"):
        ws.close(1006)


def test_a_block_closes_it(loops: EventLoopGroup) -> None:
    stack = lambda channel: websocket.server_stack() >> Server()  # noqa: E731 - as short as in a program
    with ServerBootstrap(loops, initializer=stack).bind("local://block") as server:
        with websocket.connect(loops, "ws://a/", address=server.addresses[0]).result(10) as ws:
            assert "open" in repr(ws)
        assert ws.closed is not None
        assert ws.closed.clean
        assert "Closed(1000" in repr(ws)
