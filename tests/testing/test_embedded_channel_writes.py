"""EmbeddedChannel's outbound side: when what was written is sent, and a peer that takes only so much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline_net import (
    ChannelClosedError,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    FileRegion,
    WriteBufferOverflowError,
)
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]


class WaterMarks(ChannelInboundHandler[Any, Any]):
    """Writes down when the channel becomes writable, and when it ceases to be."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def channel_writability_changed(self, ctx: Ctx) -> None:
        self.heard.append("writable" if ctx.channel.is_writable else "not writable")


def test_without_auto_flush_only_a_flush_sends() -> None:
    channel = EmbeddedChannel(options=ChannelOptions(auto_flush=False))
    assert channel.write_outbound(b"abc") is False
    channel.run_pending()
    assert (channel.outbound, channel.pending_write_bytes) == ([], 3)
    channel.flush()
    assert (channel.outbound, channel.pending_write_bytes) == ([b"abc"], 0)


def test_a_flush_inside_an_event_sends_there_and_then() -> None:
    seen: list[list[Any]] = []

    class Writes(ChannelInboundHandler[Any]):
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            ctx.write(b"1")
            seen.append(list(channel.outbound))
            ctx.flush()
            seen.append(list(channel.outbound))

    channel = EmbeddedChannel(Writes())
    channel.write_inbound(b"go")
    assert seen == [[], [b"1"]]


def test_a_peer_that_takes_nothing_leaves_bytes_pending_and_moves_the_water_marks() -> None:
    marks = WaterMarks()
    channel = EmbeddedChannel(marks, options=ChannelOptions(write_buffer_high=10, write_buffer_low=5))
    channel.peer_window = 0
    first = channel.write(b"x" * 10)
    channel.run_pending()
    assert channel.is_writable
    second = channel.write(b"y")
    assert (channel.is_writable, channel.pending_write_bytes, channel.wants_to_read) == (False, 11, False)
    channel.peer_window = 6
    channel.run_pending()
    assert (channel.is_writable, channel.pending_write_bytes) == (False, 5)
    assert (channel.outbound, channel.peer_window) == ([b"x" * 6], 0)
    channel.peer_window = None
    channel.run_pending()
    assert (channel.is_writable, channel.pending_write_bytes, channel.wants_to_read) == (True, 0, True)
    assert channel.outbound == [b"x" * 6, b"x" * 4, b"y"]
    assert first.done()
    assert second.done()
    assert marks.heard == ["not writable", "writable"]


def test_a_window_counts_down_and_holds_objects_at_nothing() -> None:
    channel = EmbeddedChannel()
    channel.peer_window = 3
    channel.write_outbound(b"ab", "object", b"c", "another")
    assert (channel.outbound, channel.peer_window) == ([b"ab", "object", b"c"], 0)
    channel.peer_window = 1
    channel.run_pending()
    assert channel.outbound[-1] == "another"


def test_bytes_likes_and_regions_are_counted_exactly_and_cut_where_the_window_ends(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    channel = EmbeddedChannel()
    channel.peer_window = 0
    with path.open("rb") as file:
        channel.write_outbound(bytearray(b"ab"), memoryview(b"abcd").cast("H"), FileRegion(file, 2, 5), object())
        assert channel.pending_write_bytes == 2 + 4 + 5
        channel.peer_window = 2 + 3 + 0
        channel.run_pending()
        assert channel.outbound == [b"ab", b"abc"]
        channel.peer_window = 1 + 2
        channel.run_pending()
        region = channel.outbound[-1]
        assert (region.offset, region.count) == (2, 2)
        channel.peer_window = None
        channel.run_pending()
        rest = channel.outbound[-2]
        assert (rest.offset, rest.count) == (4, 3)
        assert channel.pending_write_bytes == 0


def test_the_hard_cap_fails_the_write_and_closes() -> None:
    channel = EmbeddedChannel(
        options=ChannelOptions(write_buffer_high=2, write_buffer_low=1, write_buffer_limit=4),
    )
    channel.peer_window = 0
    with pytest.raises(WriteBufferOverflowError):
        channel.write_outbound(b"1234", b"5")
    assert not channel.is_open
    assert [type(exc) for exc in channel.exceptions].count(WriteBufferOverflowError) == 1


def test_closing_sends_what_was_written_and_waits_for_a_slow_peer() -> None:
    channel = EmbeddedChannel(options=ChannelOptions(close_timeout=3))
    channel.peer_window = 2
    channel.write(b"abcd")
    closing = channel.close()
    channel.run_pending()
    assert (channel.is_open, closing.done(), channel.outbound) == (False, False, [b"ab"])
    channel.peer_window = None
    channel.run_pending()
    assert closing.done()
    assert channel.outbound == [b"ab", b"cd"]


def test_closing_waits_no_longer_than_it_may() -> None:
    channel = EmbeddedChannel(options=ChannelOptions(close_timeout=3))
    channel.peer_window = 0
    write = channel.write(b"abcd")
    closing = channel.close()
    channel.advance(2.9)
    assert not closing.done()
    channel.advance(0.1)
    assert closing.done()
    assert isinstance(write.exception(), ChannelClosedError)


def test_closing_sends_objects_too() -> None:
    channel = EmbeddedChannel(options=ChannelOptions(auto_flush=False))
    channel.write("object")
    channel.finish()
    assert channel.outbound == ["object"]


def test_shutting_the_output_down_sends_first_and_leaves_the_input_open() -> None:
    channel = EmbeddedChannel(options=ChannelOptions(auto_flush=False))
    channel.write("object")
    channel.write(b"abc")
    channel.write("last")
    promise = channel.shutdown_output()
    channel.run_pending()
    assert promise.done()
    assert not channel.output_open
    assert channel.outbound == ["object", b"abc", "last"]
    assert channel.write_inbound(b"still here") is True
