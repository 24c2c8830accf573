"""Writing to a channel: when a promise is kept, and what the water marks count."""

from __future__ import annotations

import io
from typing import Any

import pytest

from pipeline_net import (
    ChannelClosedError,
    ChannelDuplexHandler,
    ChannelFuture,
    ChannelHandlerContext,
    ChannelOptions,
    FileRegion,
    MessageToByteEncoder,
)
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]


class Listens(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Writes down when the channel becomes writable or stops being so."""

    def __init__(self) -> None:
        self.log: list[bool] = []

    def channel_writability_changed(self, ctx: Ctx) -> None:
        self.log.append(ctx.channel.is_writable)


def connected(window: int | None = None, **options: Any) -> tuple[EmbeddedChannel, Listens]:
    """Make a channel whose peer takes ``window`` bytes, or all."""
    listens = Listens()
    channel = EmbeddedChannel(listens, options=ChannelOptions(**options))
    channel.peer_window = window
    return channel, listens


def peer_takes(channel: EmbeddedChannel, count: int) -> None:
    channel.peer_window = (channel.peer_window or 0) + count
    channel.run_pending()


def taken(channel: EmbeddedChannel) -> bytes:
    return b"".join(channel.outbound)


def outcome(future: ChannelFuture[Any]) -> Any:
    """What became of it: "pending", its exception's class, or its result."""
    if not future.done():
        return "pending"
    return type(future.exception()) if future.exception() is not None else future.result()


# -- promises of writes -----------------------------------------------------------------------------


def test_a_write_is_done_when_its_last_byte_is_taken() -> None:
    channel, _ = connected(window=0)
    futures = [channel.write(data) for data in (b"123", b"", b"4567", b"")]
    channel.flush()
    states = []
    for _ in range(7):
        peer_takes(channel, 1)
        states.append([future.done() for future in futures])
    assert states == [[False] * 4] * 2 + [[True, True, False, False]] * 4 + [[True] * 4]
    assert taken(channel) == b"1234567"


def test_an_empty_write_is_done_at_once_when_nothing_is_before_it() -> None:
    channel, _ = connected()
    assert outcome(channel.write(b"")) is None


class Nothing(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Makes no bytes at all of a message, and passes on what has bytes."""

    def write(self, ctx: Ctx, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if msg is None:
            ctx.write_all([], promise)
        else:
            ctx.write(msg, promise)


def test_a_message_that_comes_to_nothing_is_done_in_its_turn() -> None:
    channel = EmbeddedChannel(Nothing())
    assert outcome(channel.write(None)) is None
    channel.peer_window = 0
    futures = [channel.write(data) for data in (b"12", None, b"3", None)]
    channel.run_pending()
    states = [[future.done() for future in futures]]
    for _ in range(3):
        peer_takes(channel, 1)
        states.append([future.done() for future in futures])
    assert states == [[False] * 4] * 2 + [[True, True, False, False], [True] * 4]
    assert taken(channel) == b"123"


@pytest.mark.parametrize("ends", ["close", "shutdown_output"])
def test_a_message_that_comes_to_nothing_fails_when_it_comes_too_late(ends: str) -> None:
    channel = EmbeddedChannel(Nothing())
    channel.peer_window = 0
    channel.write(b"pending")
    channel.run_pending()
    getattr(channel, ends)()
    assert outcome(channel.write(None)) is ChannelClosedError


def test_a_message_that_comes_to_nothing_can_be_cancelled_in_time_only() -> None:
    channel = EmbeddedChannel(Nothing())
    channel.peer_window = 0
    channel.write(b"pending")
    early, late = channel.new_promise(), channel.new_promise()
    early.cancel()
    channel.pipeline.write(None, early)
    channel.pipeline.write(None, late)
    assert not late.cancel()
    peer_takes(channel, 7)
    assert early.cancelled()
    assert outcome(late) is None


def test_a_write_that_was_cancelled_before_it_reached_the_head_is_not_sent() -> None:
    channel, _ = connected()
    promise = channel.new_promise()
    promise.cancel()
    channel.pipeline.write(b"no", promise)
    channel.pipeline.write_and_flush(b"yes")
    assert taken(channel) == b"yes"
    assert (channel.written, channel.sent) == (3, 3)


class Pieces(MessageToByteEncoder[int]):
    """Makes so many pieces of a message."""

    def encode(self, msg: int) -> list[bytes]:
        return [b"%d" % number for number in range(msg)]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_nothing_is_sent_of_a_message_of_several_pieces_that_was_cancelled_in_time(count: int) -> None:
    channel = EmbeddedChannel(Pieces())
    promise = channel.new_promise()
    promise.cancel()
    channel.pipeline.write(count, promise)
    channel.run_pending()
    assert channel.outbound == []
    late = channel.new_promise()
    channel.pipeline.write(count, late)
    assert not late.cancel()
    channel.run_pending()
    assert taken(channel) == b"".join(Pieces().encode(count))
    assert outcome(late) is None


def test_a_write_that_reached_the_head_cannot_be_cancelled() -> None:
    channel, _ = connected()
    promise = channel.new_promise()
    channel.pipeline.write(b"yes", promise)
    assert not promise.cancel()
    channel.flush()
    assert outcome(promise) is None


# -- water marks ------------------------------------------------------------------------------------


def test_writability_counts_bytes_exactly() -> None:
    channel, listens = connected(window=0, write_buffer_high=10, write_buffer_low=5)
    channel.write(b"x" * 10)
    assert (channel.is_writable, channel.pending_write_bytes) == (True, 10)  # not more than high
    channel.write(b"x")
    assert (channel.is_writable, channel.pending_write_bytes) == (False, 11)
    channel.write(b"x")
    assert listens.log == [False]  # once
    peer_takes(channel, 7)
    assert (channel.is_writable, channel.pending_write_bytes) == (False, 5)  # not less than low
    peer_takes(channel, 1)
    assert (channel.is_writable, channel.pending_write_bytes) == (True, 4)
    peer_takes(channel, 4)
    assert listens.log == [False, True]


def test_a_low_mark_of_zero_is_reached_when_nothing_is_pending() -> None:
    channel, listens = connected(window=0, write_buffer_high=0, write_buffer_low=0)
    channel.write(b"xy")
    peer_takes(channel, 1)
    assert not channel.is_writable
    peer_takes(channel, 1)
    assert listens.log == [False, True]


def test_one_write_may_pass_both_marks_again_and_again() -> None:
    channel, listens = connected(write_buffer_high=3, write_buffer_low=2)
    for _ in range(3):
        channel.write_and_flush(b"12345678")
    assert listens.log == [False, True] * 3


@pytest.mark.parametrize(
    ("message", "size"),
    [
        (b"12345", 5),
        (bytearray(b"12345"), 5),
        (memoryview(b"12345"), 5),
        (memoryview(bytes(40)).cast("Q"), 40),
        (FileRegion(io.BytesIO(b"1234567"), 2, 4), 4),
    ],
    ids=["bytes", "bytearray", "memoryview", "memoryview of words", "file region"],
)
def test_everything_that_can_be_sent_is_counted_by_its_bytes(message: Any, size: int) -> None:
    channel, listens = connected(window=0, write_buffer_high=size - 1, write_buffer_low=0)
    channel.write(message)
    assert channel.pending_write_bytes == size
    assert listens.log == [False]


def test_reading_pauses_while_the_peer_does_not_take_what_is_sent() -> None:
    reads: dict[bool, list[bool]] = {}
    for pauses in (True, False):
        channel, _ = connected(0, write_buffer_high=3, write_buffer_low=2, pause_reads_when_unwritable=pauses)
        channel.write_and_flush(b"1234")
        reads[pauses] = [channel.wants_to_read]
        for _ in range(4):
            peer_takes(channel, 1)
            reads[pauses].append(channel.wants_to_read)
    assert reads == {True: [False, False, False, True, True], False: [True] * 5}


def test_a_stage_may_write_while_it_hears_that_it_must_not() -> None:
    class Stubborn(ChannelDuplexHandler[Any, Any, Any, Any]):
        def channel_writability_changed(self, ctx: Ctx) -> None:
            if len(taken(channel)) + channel.pending_write_bytes < 30:
                ctx.write(b"0123456789")
            ctx.fire_channel_writability_changed()

    channel, listens = connected(window=0, write_buffer_high=8, write_buffer_low=4)
    channel.pipeline.add_first(Stubborn())
    first = channel.write(b"abcdefghij")
    assert channel.pending_write_bytes == 20
    peer_takes(channel, 30)
    assert taken(channel) == b"abcdefghij01234567890123456789"
    assert outcome(first) is None
    # When it became writable the first stage filled it up again, so the next one learned of that, twice, and no more.
    assert listens.log == [False, False, False, True]


class InPieces(ChannelDuplexHandler[Any, Any, Any, Any]):
    """A message leaves as three pieces."""

    def write(self, ctx: Ctx, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        ctx.write_all([b"<", msg, b">"], promise)


class Hasty(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Says something when it hears that it should not."""

    def channel_writability_changed(self, ctx: Ctx) -> None:
        if not ctx.channel.is_writable:
            ctx.write(b"stop")


@pytest.mark.parametrize("high", [1, 4, 6, 10])
def test_who_writes_when_it_hears_of_the_writability_gets_in_between_no_pieces(high: int) -> None:
    channel = EmbeddedChannel(InPieces(), Hasty(), options=ChannelOptions(write_buffer_high=high, write_buffer_low=0))
    promise = channel.write(b"hello")
    channel.write(b"world")
    channel.run_pending()
    said = taken(channel)
    assert sorted(said.replace(b">", b"> ").split()) == sorted([b"<hello>", b"<world>", b"<stop>"])
    assert outcome(promise) is None


def test_pieces_of_pieces_are_no_exception() -> None:
    channel = EmbeddedChannel(
        InPieces(), InPieces(), Hasty(), options=ChannelOptions(write_buffer_high=2, write_buffer_low=1)
    )
    channel.write(b"hello")
    channel.run_pending()
    # The outer message is three messages to the inner stage.
    assert taken(channel) == b"<<><hello><>>" + b"<<><stop><>>"


# -- a slow peer, and many small writes -------------------------------------------------------------


def test_many_small_pieces_that_wait_take_hardly_more_memory_than_their_bytes() -> None:
    channel, _ = connected(window=0, write_buffer_high=100, write_buffer_low=50)
    channel.joins_small = True
    promises = [channel.write(b"%04d" % number) for number in range(10_000)]
    channel.run_pending()
    assert len(channel.unsent) < 10_000 / 20
    peer_takes(channel, 4 * 5_000)
    assert [outcome(promise) for promise in promises] == [None] * 5_000 + ["pending"] * 5_000
    peer_takes(channel, 4 * 5_000)
    assert taken(channel) == b"".join(b"%04d" % number for number in range(10_000))
    assert outcome(promises[-1]) is None


def test_large_pieces_that_wait_are_not_copied() -> None:
    channel, _ = connected(window=0, write_buffer_high=100, write_buffer_low=50)
    channel.joins_small = True
    large = [bytes(1000) for _ in range(1000)]
    for piece in large:
        channel.write(piece)
    channel.run_pending()
    assert [id(piece) for piece in channel.unsent] == [id(piece) for piece in large]


def test_pieces_that_may_change_are_not_joined() -> None:
    channel, _ = connected(window=0, write_buffer_high=100, write_buffer_low=50)
    channel.joins_small = True
    mutable = bytearray(b"....")
    for number in range(1000):
        channel.write(mutable if number == 999 else b"%04d" % number)
    channel.run_pending()
    mutable[:] = b"last"
    peer_takes(channel, 4000)
    assert taken(channel).endswith(b"0998last")


def test_where_messages_have_borders_nothing_is_joined() -> None:
    channel, _ = connected(window=0, write_buffer_high=100, write_buffer_low=50)
    for _ in range(1000):
        channel.write(b"datagram")
    peer_takes(channel, 8000)
    assert channel.outbound == [b"datagram"] * 1000


def test_what_stages_hold_back_counts_at_the_water_marks() -> None:
    channel, listens = connected(write_buffer_high=10, write_buffer_low=5)
    channel.hold_bytes(10)
    assert (channel.is_writable, channel.pending_write_bytes) == (True, 10)
    channel.hold_bytes(1)
    assert (channel.is_writable, channel.pending_write_bytes) == (False, 11)
    channel.hold_bytes(-6)
    assert (channel.is_writable, channel.pending_write_bytes) == (False, 5)
    channel.hold_bytes(-1)
    assert (channel.is_writable, channel.pending_write_bytes) == (True, 4)
    channel.write(b"1234567")
    assert (channel.is_writable, channel.pending_write_bytes) == (False, 11)
    channel.run_pending()
    assert (channel.is_writable, channel.pending_write_bytes) == (True, 4)
    assert listens.log == [False, True, False, True]
    channel.hold_bytes(-4)
    assert channel.pending_write_bytes == 0
