"""What a stage holds back stays in order, is counted, and is never forgotten."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest

from pipeline_net import (
    ChannelClosedError,
    ChannelHandlerContext,
    ChannelOptions,
    ChannelOutboundHandler,
    FileRegion,
    WriteBufferOverflowError,
)
from pipeline_net.handlers.held_writes import CLOSE, FLUSH, SHUTDOWN, WRITE, HeldWrites, size_of
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]


class Holds(ChannelOutboundHandler[Any, Any]):
    """Holds everything until it is told to let go."""

    def __init__(self) -> None:
        self.held = HeldWrites()
        self.ctx: Any = None

    def handler_added(self, ctx: Ctx) -> None:
        self.ctx = ctx

    def handler_removed(self, ctx: Ctx) -> None:
        self.held.drop(ctx)

    def write(self, ctx: Ctx, msg: Any, promise: Any) -> None:
        self.held.hold(ctx, WRITE, msg, promise)

    def flush(self, ctx: Ctx) -> None:
        self.held.hold(ctx, FLUSH, None, None)

    def shutdown_output(self, ctx: Ctx, promise: Any) -> None:
        self.held.hold(ctx, SHUTDOWN, None, promise)

    def close(self, ctx: Ctx, promise: Any) -> None:
        self.held.hold(ctx, CLOSE, None, promise)

    def let_go(self) -> None:
        while self.held.queue:
            self.held.let_out(self.ctx)


def opened(**options: Any) -> tuple[EmbeddedChannel, Holds]:
    holds = Holds()
    return EmbeddedChannel(holds, options=ChannelOptions(**options)), holds


def test_everything_goes_on_in_order() -> None:
    channel, holds = opened()
    one, two = channel.write(b"one"), channel.write(b"two")
    channel.flush()
    channel.flush()
    ended = channel.shutdown_output()
    assert [held.operation for held in holds.held.queue] == [WRITE, WRITE, FLUSH, SHUTDOWN]
    channel.run_pending()
    assert channel.outbound == []
    holds.let_go()
    channel.run_pending()
    assert channel.outbound == [b"one", b"two"]
    assert [future.done() for future in (one, two, ended)] == [True] * 3
    assert not channel.output_open


def test_a_message_that_is_not_made_of_bytes_counts_as_what_its_stage_says() -> None:
    channel, holds = opened(write_buffer_high=4, write_buffer_low=2)
    holds.held.hold(holds.ctx, WRITE, "a body", None, 5)
    assert (channel.pending_write_bytes, channel.is_writable, holds.held.bytes) == (5, False, 5)
    holds.held.release(holds.ctx, holds.held.queue.popleft().size)
    assert (channel.pending_write_bytes, channel.is_writable) == (0, True)


def test_what_is_held_counts_as_pending() -> None:
    channel, holds = opened(write_buffer_high=4, write_buffer_low=2)
    channel.write(b"12345")
    assert (channel.pending_write_bytes, channel.is_writable, holds.held.bytes) == (5, False, 5)
    holds.let_go()
    channel.run_pending()
    assert (channel.pending_write_bytes, channel.is_writable, holds.held.bytes) == (0, True, 0)


def test_the_hard_cap_holds_for_it() -> None:
    channel, _ = opened(write_buffer_high=4, write_buffer_low=2, write_buffer_limit=8)
    written = [channel.write(b"12345") for _ in range(3)]
    with pytest.raises(WriteBufferOverflowError, match="10 bytes wait to be sent to 'test', the limit is 8"):
        channel.run_pending()
    assert [type(future.exception()) for future in written] == [WriteBufferOverflowError] * 3


def test_nothing_is_written_after_the_end() -> None:
    channel, holds = opened()
    channel.write(b"one")
    channel.shutdown_output()
    late = channel.write(b"two")
    assert isinstance(late.exception(), ChannelClosedError)
    channel.pipeline.write(b"three")
    holds.let_go()
    channel.run_pending()
    assert channel.outbound == [b"one"]


def test_closing_takes_no_longer_than_close_timeout() -> None:
    channel, _ = opened(close_timeout=3.0)
    written = channel.write(b"one")
    closed = channel.close()
    channel.advance(2.9)
    assert not closed.done()
    channel.advance(0.1)
    assert closed.done()
    assert isinstance(written.exception(), ChannelClosedError)


def test_closing_in_time_leaves_no_timer() -> None:
    channel, holds = opened()
    channel.write(b"one")
    channel.close()
    holds.let_go()
    channel.run_pending()
    assert channel.outbound == [b"one"]
    assert channel.close_future.done()
    assert channel.loop.next_deadline() is None  # type: ignore[attr-defined]  # the embedded loop's own


def test_what_is_dropped_says_why() -> None:
    channel, holds = opened()
    written, ended = channel.write(b"one"), channel.shutdown_output()
    channel.pipeline.write(b"nobody waits for this")
    channel.abort(TimeoutError("too slow"))
    with pytest.raises(TimeoutError):
        channel.run_pending()
    assert [type(future.exception()) for future in (written, ended)] == [TimeoutError] * 2
    assert type(channel.write(b"late").exception()) is TimeoutError
    assert holds.held.bytes == 0


@pytest.mark.parametrize(
    ("msg", "size"),
    [(b"abc", 3), (bytearray(b"ab"), 2), (memoryview(b"abcd"), 4), (FileRegion(BytesIO(b"12345"), 2), 3), ("text", 0)],
)
def test_sizes(msg: Any, size: int) -> None:
    assert size_of(msg) == size
