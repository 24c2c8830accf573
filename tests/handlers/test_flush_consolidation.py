"""Flushes inside a batch become one, and none is forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, ChannelOptions, ChannelOutboundHandler
from pipeline_net.handlers.flush_consolidation import FlushConsolidationHandler
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]


class Counts(ChannelOutboundHandler[Any, Any]):
    """Writes down what reaches it."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def flush(self, ctx: Ctx) -> None:
        self.log.append("flush")
        ctx.flush()

    def close(self, ctx: Ctx, promise: Any) -> None:
        self.log.append("close")
        ctx.close(promise)

    def shutdown_output(self, ctx: Ctx, promise: Any) -> None:
        self.log.append("shutdown")
        ctx.shutdown_output(promise)


class Echo(ChannelInboundHandler[Any]):
    """Answers and flushes each message, and flushes once more when they are all answered."""

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        if msg == b"close":
            ctx.close()
        elif msg == b"shutdown":
            ctx.shutdown_output()
        elif msg == b"raise":
            raise ValueError
        elif msg == b"remove":
            ctx.pipeline.remove(FlushConsolidationHandler)
        else:
            ctx.write_and_flush(msg)

    def channel_read_complete(self, ctx: Ctx) -> None:
        ctx.flush()

    def exception_caught(self, ctx: Ctx, exc: BaseException) -> None:
        """Goes on."""


def opened(most: int = 256, **options: Any) -> tuple[EmbeddedChannel, Counts]:
    counts = Counts()
    options.setdefault("auto_flush", False)
    channel = EmbeddedChannel(counts, FlushConsolidationHandler(most), Echo(), options=ChannelOptions(**options))
    return channel, counts


def test_a_batch_costs_one_flush() -> None:
    channel, counts = opened()
    channel.write_inbound(*[b"x"] * 100)
    assert counts.log == ["flush"]
    assert channel.outbound == [b"x"] * 100


def test_a_long_batch_is_flushed_now_and_then() -> None:
    channel, counts = opened(most=10)
    channel.write_inbound(*[b"x"] * 25)
    assert counts.log == ["flush"] * 3


def test_outside_a_batch_a_flush_goes_through() -> None:
    channel, counts = opened()
    channel.write_and_flush(b"x")
    channel.write_and_flush(b"y")
    assert counts.log == ["flush"] * 2


@pytest.mark.parametrize("ends", ["close", "shutdown"])
def test_what_was_to_be_flushed_goes_before_the_end(ends: str) -> None:
    channel, counts = opened()
    channel.write_inbound(b"x", ends.encode())
    assert counts.log[:2] == ["flush", ends]
    assert channel.outbound == [b"x"]


def test_an_exception_lets_go_what_waits() -> None:
    channel, counts = opened()
    channel.pipeline.fire_channel_read(b"x")
    assert counts.log == []
    channel.pipeline.fire_exception_caught(ValueError())
    assert counts.log == ["flush"]


def test_a_full_channel_lets_go_what_waits() -> None:
    channel, counts = opened(write_buffer_high=4, write_buffer_low=2)
    channel.pipeline.fire_channel_read(b"12345")
    channel.pipeline.fire_channel_read(b"6")
    channel.pipeline.fire_channel_read(b"7")
    assert counts.log == ["flush"] * 0 + ["flush"] * len(counts.log)
    channel.pipeline.fire_channel_read_complete()
    assert b"".join(channel.outbound) == b"1234567"


def test_taken_out_in_a_batch_it_lets_go_what_waits() -> None:
    channel, counts = opened()
    channel.write_inbound(b"x", b"remove", b"y")
    assert counts.log == ["flush", "flush", "flush"]
    assert channel.outbound == [b"x", b"y"]


def test_added_in_a_running_pipeline_it_works_from_then_on() -> None:
    counts = Counts()
    channel = EmbeddedChannel(counts, Echo())
    channel.pipeline.add_after(counts, FlushConsolidationHandler())
    channel.write_inbound(b"x", b"y")
    assert counts.log == ["flush"]


def test_a_count_below_1_is_refused() -> None:
    with pytest.raises(ValueError, match="most must be at least 1, not 0"):
        FlushConsolidationHandler(0)


def test_a_flush_before_anything_was_read_passes_at_once() -> None:
    class Greets(ChannelInboundHandler[Any]):
        def channel_active(self, ctx: Ctx) -> None:
            ctx.write_and_flush(b"hello")
            ctx.fire_channel_active()

    channel = EmbeddedChannel(FlushConsolidationHandler(), Greets(), options=ChannelOptions(auto_flush=False))
    assert channel.outbound == [b"hello"]


def test_a_flush_after_a_batch_passes_at_once() -> None:
    channel, counts = opened()
    channel.write_inbound(b"a", b"b")
    before = len(counts.log)
    channel.write(b"later")
    channel.flush()
    assert counts.log[before:] == ["flush"]
    assert channel.outbound[-1] == b"later"
