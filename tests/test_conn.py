"""Conn: what a callback can do with a connection, seen through a channel whose network is the test."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import (
    Action,
    ChannelClosedError,
    ChannelHandler,
    ChannelInboundHandler,
    ChannelOptions,
    Conn,
    EncodeError,
    EventHandler,
    FrameTooLongError,
    PipelineError,
    ReceiveBuffer,
)
from pipeline_net.codecs.base import ICodec
from pipeline_net.server import RunningServer
from pipeline_net.testing import EmbeddedChannel


class Seat(ChannelHandler):
    """Seats what serve() would seat on a new connection."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server

    def handler_added(self, ctx: Any) -> None:
        ctx.pipeline.add_last(*self._server.stages_for(ctx.channel))


class Probe(EventHandler):
    """Does in ``react`` what the test says, and remembers what was called."""

    def __init__(self, react: Callable[[Conn], Any] = lambda conn: None) -> None:
        self.conn: Conn | None = None
        self.reacted = 0
        self.closed: list[BaseException | None] = []
        self._react = react

    def on_opened(self, conn: Conn) -> Any:
        self.conn = conn

    def react(self, conn: Conn) -> Any:
        self.reacted += 1
        return self._react(conn)

    def on_closed(self, conn: Conn, exc: BaseException | None) -> Action | None:
        self.closed.append(exc)
        return None

    @property
    def the_conn(self) -> Conn:
        assert self.conn is not None
        return self.conn


class Byte(ICodec[bytes]):
    """A byte says how long the frame is; 255 of them are too many."""

    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        length = buffer.data[buffer.pos]
        if len(buffer) < 1 + length:
            return None
        buffer.skip(1)
        return buffer.take(length)

    def encode(self, message: bytes) -> bytes:
        if len(message) > 254:
            raise EncodeError(f"{len(message)} bytes do not fit into a frame")
        return bytes([len(message)]) + bytes(message)


def open_channel(handler: EventHandler, codec: Any = None, options: ChannelOptions | None = None) -> EmbeddedChannel:
    server = RunningServer(handler, codec)
    server.begin()
    return EmbeddedChannel(Seat(server), options=options)


def sent(channel: EmbeddedChannel) -> bytes:
    data = b"".join(channel.outbound)
    channel.outbound.clear()
    return data


# -- reading ----------------------------------------------------------------------------------------


def test_read_gives_everything_that_has_arrived_as_it_came() -> None:
    got: list[bytes] = []
    channel = open_channel(Probe(lambda conn: got.append(conn.read())))
    chunk = b"x" * 3000
    channel.write_inbound(chunk, b"more")
    assert got == [chunk, b"more"]
    assert got[0] is chunk  # not a byte was copied


def test_what_react_leaves_is_there_the_next_time_before_what_has_arrived_since() -> None:
    handler = Probe(lambda conn: conn.next(4) if conn.buffered >= 4 else None)
    channel = open_channel(handler)
    channel.write_inbound(b"abcdef")
    assert (sent(channel), handler.the_conn.buffered) == (b"abcd", 2)
    channel.write_inbound(b"g")
    assert (sent(channel), handler.the_conn.buffered) == (b"", 3)
    channel.write_inbound(b"hi")
    assert (sent(channel), handler.the_conn.buffered) == (b"efgh", 1)
    assert handler.the_conn.read() == b"i"


@pytest.mark.parametrize("left_before", [b"", b"old "], ids=["in the chunk", "in the ring"])
def test_peek_next_and_discard_count_alike_wherever_the_bytes_lie(left_before: bytes) -> None:
    done: list[Any] = []

    def react(conn: Conn) -> None:
        if conn.buffered < 8:
            return
        if left_before:
            assert conn.next(4) == b"old "
        done.append(conn.peek(3))
        done.append(conn.next(2))
        done.append(conn.peek(2))
        done.append(conn.discard(3))
        done.append(conn.next(0))
        done.append(conn.peek(0))
        done.append(conn.buffered)
        done.append(conn.discard(0))
        done.append(conn.discard(100))
        done.append(conn.discard(1))
        done.append(conn.buffered)

    channel = open_channel(Probe(react))
    if left_before:
        channel.write_inbound(left_before)
    channel.write_inbound(b"abcdefgh")
    assert done == [b"abc", b"ab", b"cd", 3, b"", b"", 3, 0, 3, 0, 0]


@pytest.mark.parametrize("left_before", [b"", b"old"], ids=["in the chunk", "in the ring"])
@pytest.mark.parametrize("what", [Conn.peek, Conn.next])
def test_asking_for_more_than_there_is_raises_and_consumes_nothing(
    what: Callable[[Conn, int], bytes], left_before: bytes
) -> None:
    def react(conn: Conn) -> None:
        if conn.buffered >= 3 + len(left_before):
            with pytest.raises(BufferError, match="short buffer: 7 bytes are wanted"):
                what(conn, 7)
            with pytest.raises(ValueError, match="not negative"):
                what(conn, -1)

    handler = Probe(react)
    channel = open_channel(handler)
    if left_before:
        channel.write_inbound(left_before)
    channel.write_inbound(b"abc")
    assert handler.the_conn.read() == left_before + b"abc"
    with pytest.raises(BufferError, match="short buffer: 1 bytes are wanted, 0 are there"):
        what(handler.the_conn, 1)


def test_discarding_a_negative_count_is_refused() -> None:
    handler = Probe()
    open_channel(handler)
    with pytest.raises(ValueError, match="not negative"):
        handler.the_conn.discard(-1)


def test_reset_buffer_drops_what_has_arrived_now_and_before() -> None:
    handler = Probe(lambda conn: conn.reset_buffer() if conn.buffered > 3 else None)
    channel = open_channel(handler)
    channel.write_inbound(b"abc")
    assert handler.the_conn.buffered == 3
    channel.write_inbound(b"def")
    assert (handler.the_conn.buffered, handler.the_conn.read()) == (0, b"")


def test_the_default_react_keeps_nothing() -> None:
    class Sink(EventHandler):
        conn: Conn

        def on_opened(self, conn: Conn) -> None:
            self.conn = conn

    handler = Sink()
    channel = open_channel(handler)
    channel.write_inbound(b"x" * 5000)
    assert handler.conn.buffered == 0


def test_any_mix_of_arrivals_and_reads_gives_the_bytes_in_order() -> None:
    dice = random.Random(7)
    received = bytearray()

    def react(conn: Conn) -> None:
        while conn.buffered and dice.random() < 0.7:
            n = dice.randint(0, conn.buffered)
            if dice.random() < 0.2:
                expected = conn.peek(n)
                assert conn.discard(n) == n
                received.extend(expected)
            else:
                received.extend(conn.next(n) if dice.random() < 0.9 else conn.read())

    handler = Probe(react)
    channel = open_channel(handler)
    data = dice.randbytes(200_000)
    at = 0
    while at < len(data):
        step = dice.choice([1, 7, 100, 1500, 5000])
        channel.write_inbound(data[at : at + step])
        at += step
    received += handler.the_conn.read()
    assert bytes(received) == data


def test_what_waits_lies_in_a_block_of_the_loop_and_goes_back_when_it_is_read_or_the_connection_closes() -> None:
    server = RunningServer(Probe(lambda conn: conn.read() if conn.buffered > 10 else None))
    server.begin()
    channel = EmbeddedChannel(Seat(server))
    pool = server.block_pool(channel.loop)
    channel.write_inbound(b"abc")
    assert pool.held_blocks == 0
    channel.write_inbound(b"defghijklmn")
    assert pool.held_blocks == 1
    channel.write_inbound(b"abc")
    assert pool.held_blocks == 0
    channel.finish()
    assert pool.held_blocks == 1


def test_a_peer_that_sends_more_than_react_takes_is_closed_at_the_limit() -> None:
    class Patient(Probe):
        read_buffer_limit = 1000

    handler = Patient()
    channel = open_channel(handler)
    channel.write_inbound(b"x" * 1000)
    with pytest.raises(FrameTooLongError) as caught:
        channel.write_inbound(b"y")
    assert (caught.value.length, caught.value.limit) == (1001, 1000)
    assert not channel.is_open
    assert handler.closed == [caught.value]


# -- writing ----------------------------------------------------------------------------------------


def test_what_is_written_and_what_is_returned_arrive_in_that_order() -> None:
    def react(conn: Conn) -> bytes:
        conn.write(b"1")
        conn.async_write(b"2")
        conn.async_writev([b"3", b"4"])
        conn.write(bytearray(b"5"))
        conn.write(memoryview(b"6"))
        conn.reset_buffer()
        return b"7"

    channel = open_channel(Probe(react))
    channel.write_inbound(b"go")
    assert sent(channel) == b"1234567"


def test_every_way_to_write_goes_through_the_codec() -> None:
    def react(conn: Conn) -> bytes:
        conn.write(b"a")
        conn.async_write(b"b")
        conn.async_writev([b"c", b"", b"d"])
        return b"e"

    channel = open_channel(Probe(react), Byte)
    channel.write_inbound(b"\x00")
    assert sent(channel) == b"\x01a\x01b\x01c\x00\x01d\x01e"


def test_a_callback_hears_when_the_kernel_has_taken_the_last_byte_and_not_before() -> None:
    told: list[Any] = []
    handler = Probe()
    channel = open_channel(handler)
    conn = handler.the_conn
    channel.peer_window = 3
    conn.async_writev([b"ab", b"cd"], lambda which, exc: told.append((which, exc)))
    channel.run_pending()
    assert told == []
    channel.peer_window = None
    channel.run_pending()
    assert told == [(conn, None)]
    assert sent(channel) == b"abcd"


def test_a_callback_hears_why_nothing_was_sent() -> None:
    told: list[BaseException | None] = []
    handler = Probe()
    channel = open_channel(handler, Byte)
    conn = handler.the_conn
    conn.async_write(b"x" * 300, lambda _, exc: told.append(exc))
    channel.run_pending()
    assert isinstance(told.pop(), EncodeError)
    assert channel.is_open  # somebody has been told, and may know what to do
    channel.finish()
    conn.async_write(b"late", lambda _, exc: told.append(exc))
    channel.run_pending()
    assert isinstance(told.pop(), ChannelClosedError)


def test_what_cannot_be_encoded_closes_the_connection_when_nobody_else_is_told() -> None:
    handler = Probe()
    channel = open_channel(handler, Byte)
    handler.the_conn.async_writev([b"one", b"x" * 300])
    with pytest.raises(EncodeError):
        channel.run_pending()
    assert sent(channel) == b"\x03one"
    assert [type(exc) for exc in handler.closed] == [EncodeError]


def test_a_callback_of_async_write_that_raises_costs_its_connection() -> None:
    def fail(conn: Conn, exc: BaseException | None) -> None:
        raise ZeroDivisionError("in the callback")

    handler = Probe()
    channel = open_channel(handler)
    handler.the_conn.async_write(b"x", fail)
    with pytest.raises(ZeroDivisionError):
        channel.run_pending()
    assert [type(exc) for exc in handler.closed] == [ZeroDivisionError]


def test_writing_after_close_raises_and_async_writing_does_not() -> None:
    def react(conn: Conn) -> None:
        conn.reset_buffer()
        conn.write(b"before")
        conn.close()
        with pytest.raises(ChannelClosedError):
            conn.write(b"after")
        conn.async_write(b"after")

    handler = Probe(react)
    channel = open_channel(handler)
    channel.write_inbound(b"go")
    assert sent(channel) == b"before"
    assert handler.closed == [None]


def test_writing_from_a_foreign_thread_says_what_to_use_instead() -> None:
    handler = Probe()
    open_channel(handler)
    raised: list[Exception] = []

    def foreign() -> None:
        try:
            handler.the_conn.write(b"x")
        except Exception as exc:  # noqa: BLE001 - the test looks at it
            raised.append(exc)

    thread = threading.Thread(target=foreign)
    thread.start()
    thread.join()
    assert isinstance(raised[0], PipelineError)
    assert "use async_write()" in str(raised[0])


# -- waking, closing, looking -----------------------------------------------------------------------


@pytest.mark.parametrize("codec", [None, Byte])
def test_wake_runs_react_as_a_task_of_its_own_with_whatever_is_there(codec: Any) -> None:
    seen: list[int] = []

    def react(conn: Conn) -> bytes | None:
        seen.append(conn.buffered)
        if len(seen) == 1:
            conn.wake()
            assert seen == [2]
        return b"awake" if len(seen) == 2 else None

    channel = open_channel(Probe(react), codec)
    channel.write_inbound(b"ab" if codec is None else b"\x02ab")
    assert seen == ([2, 2] if codec is None else [2, 0])  # a frame is for one call only, bytes stay
    assert sent(channel) == (b"awake" if codec is None else b"\x05awake")


def test_waking_a_connection_that_is_closed_does_nothing() -> None:
    handler = Probe()
    channel = open_channel(handler)
    channel.finish()
    handler.the_conn.wake()
    channel.run_pending()
    assert handler.reacted == 0


def test_what_a_woken_react_raises_costs_its_connection() -> None:
    handler = Probe(lambda conn: 1 / 0)
    channel = open_channel(handler)
    handler.the_conn.wake()
    with pytest.raises(ZeroDivisionError):
        channel.run_pending()
    assert [type(exc) for exc in handler.closed] == [ZeroDivisionError]


def test_events_of_others_pass_the_stage() -> None:
    heard: list[object] = []

    class Listener(ChannelInboundHandler[Any]):
        def user_event_triggered(self, ctx: Any, event: Any) -> None:
            heard.append(event)

    channel = open_channel(Probe())
    channel.pipeline.add_last(Listener())
    channel.fire_user_event("idle")
    assert heard == ["idle"]


def test_a_connection_knows_its_ends_its_server_and_what_the_application_remembers() -> None:
    handler = Probe()
    channel = open_channel(handler)
    conn = handler.the_conn
    assert conn.context is None
    conn.context = {"name": "me"}
    channel.finish()
    assert (conn.local_address, conn.remote_address, conn.context) == ("embedded", "test", {"name": "me"})
    assert conn.server.handler is handler
    assert conn.channel is channel
    assert "'test'" in repr(conn)


def test_the_drawn_pipeline_says_how_much_is_unread() -> None:
    channel = open_channel(Probe())
    channel.write_inbound(b"abcd")
    assert "4 bytes unread" in repr(channel.pipeline)
