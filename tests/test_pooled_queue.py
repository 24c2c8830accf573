"""The queue of a stage on a pool: what a full pool may refuse, what it may not, and who steps in for it."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import (
    ChannelFuture,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOutboundHandler,
    PoolFullError,
)
from pipeline_net.testing import EmbeddedChannel

from .hand_pool import HandPool, Hears, Lives, ObligingPool

Ctx = ChannelHandlerContext[Any, Any]
Log = list[str]


# -- what is owed, and what is not ------------------------------------------------------------------


def test_a_pool_without_room_neither_refuses_a_newcomer_nor_keeps_it_from_its_end() -> None:
    pool, lives, behind = ObligingPool(), Lives(), Hears()
    pool.is_full = True
    channel = EmbeddedChannel()
    channel.pipeline.add_last(lives, executor=pool).add_last(behind)
    pool.finish(channel)
    channel.finish()
    pool.finish(channel)
    assert lives.log == ["added", "inactive", "unregistered", "removed"]
    assert behind.log == ["eof", "inactive"]
    assert channel.pipeline.names == []


def test_a_stage_that_overrides_no_goodbye_needs_no_job_for_coming_and_going() -> None:
    class Answers(ChannelInboundHandler[Any, Any]):
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            ctx.write(msg)

    pool, behind = HandPool(), Hears()
    channel = EmbeddedChannel()
    channel.pipeline.add_last(Answers(), executor=pool).add_last(behind)
    channel.fire_user_event("event")
    channel.finish()
    assert pool.jobs == []
    assert behind.log == ["event", "eof", "inactive"]
    assert channel.pipeline.names == []


def test_a_refused_message_is_told_of_once_and_the_end_of_its_batch_goes_past() -> None:
    pool, lives, behind = ObligingPool(), Lives(), Hears()
    channel = EmbeddedChannel()
    channel.pipeline.add_last(lives, executor=pool).add_last(behind)
    pool.finish(channel)
    lives.log.clear()
    pool.is_full = True
    channel.write_inbound("refused", "refused, too")
    channel.fire_user_event("refused as well")
    assert behind.log == ["PoolFullError", "PoolFullError", "complete", "PoolFullError"]
    pool.is_full = False
    channel.write_inbound("taken")
    pool.finish(channel)
    assert behind.log[4:] == ["taken", "complete"]
    assert lives.log == ["taken", "complete"]


def test_the_end_of_a_batch_is_owed_to_who_has_got_some_of_it() -> None:
    pool, lives, behind = ObligingPool(), Lives(), Hears()
    channel = EmbeddedChannel()
    channel.pipeline.add_last(lives, executor=pool).add_last(behind)
    pool.finish(channel)
    lives.log.clear()
    channel.pipeline.fire_channel_read("taken")
    pool.finish(channel)
    pool.is_full = True
    channel.pipeline.fire_channel_read("refused")
    channel.pipeline.fire_channel_read_complete()
    pool.finish(channel)
    assert lives.log == ["taken", "complete"]
    assert behind.log == ["taken", "PoolFullError", "complete"]


class Sends(ChannelOutboundHandler[Any, Any]):
    def write(self, ctx: Ctx, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        ctx.write(msg, promise)

    def flush(self, ctx: Ctx) -> None:
        ctx.flush()

    def close(self, ctx: Ctx, promise: ChannelFuture[Any] | None) -> None:
        ctx.close(promise)


def test_a_refused_write_fails_its_promise_and_closing_is_refused_never() -> None:
    pool, behind = ObligingPool(), Hears()
    channel = EmbeddedChannel()
    channel.pipeline.add_last(behind).add_last(Sends(), executor=pool)
    pool.is_full = True
    written = channel.write_and_flush(b"refused")
    assert isinstance(written.exception(), PoolFullError)
    closed = channel.close()
    pool.finish(channel)
    assert closed.result() is None
    assert behind.log == ["inactive"]


def test_a_refused_write_without_a_promise_is_told_of_once() -> None:
    pool, behind = ObligingPool(), Hears()
    channel = EmbeddedChannel()
    channel.pipeline.add_last(Sends(), executor=pool).add_last(behind)
    pool.is_full = True
    channel.pipeline.write_and_flush(b"refused")
    assert behind.log == ["PoolFullError"]


def test_what_was_accepted_is_not_refused_later_although_others_fill_the_pool_meanwhile() -> None:
    pool, lives, behind = ObligingPool(), Lives(), Hears()
    channel = EmbeddedChannel()
    channel.pipeline.add_last(lives, executor=pool).add_last(behind)
    pool.finish(channel)
    lives.log.clear()
    channel.write_inbound("one")
    pool.work()
    channel.pipeline.fire_channel_read("two")  # while the loop has not heard that the first is done
    pool.is_full = True
    pool.finish(channel)
    assert lives.log == ["one", "complete", "two"]


# -- exceptions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("answers", [False, True], ids=["the next one hears", "it hears itself"])
def test_exceptions_keep_their_place_and_the_end_of_input_waits_for_them(answers: bool) -> None:
    class Lookup(ChannelInboundHandler[str, str]):
        def channel_read(self, ctx: ChannelHandlerContext[str, Any], msg: str) -> None:
            if msg == "bad":
                raise LookupError(msg)
            ctx.fire_channel_read(msg)

    class Own(Lookup):
        def exception_caught(self, ctx: ChannelHandlerContext[str, Any], exc: BaseException) -> None:
            ctx.fire_channel_read(f"no {exc}")

    pool, behind = HandPool(), Hears()
    channel = EmbeddedChannel()
    channel.pipeline.add_last(Own() if answers else Lookup(), executor=pool).add_last(behind)
    channel.write_inbound("a", "bad", "b", "bad")
    channel.finish_input()
    pool.finish(channel)
    bad = "no bad" if answers else "LookupError"
    assert behind.log == ["a", bad, "b", bad, "complete", "eof"]


def test_an_exception_from_before_does_not_overtake_messages_of_a_stage_that_only_writes_otherwise() -> None:
    class Notes(ChannelOutboundHandler[Any, Any]):
        def exception_caught(self, ctx: Ctx, exc: BaseException) -> None:
            ctx.fire_exception_caught(exc)

    pool, behind = HandPool(), Hears()
    channel = EmbeddedChannel()
    channel.pipeline.add_last(Notes(), executor=pool).add_last(behind)
    channel.pipeline.fire_exception_caught(LookupError())
    channel.pipeline.fire_channel_read("after")
    pool.finish(channel)
    assert behind.log == ["LookupError", "after"]


def test_the_end_of_input_waits_for_what_writes_raise() -> None:
    class Encodes(ChannelOutboundHandler[Any, Any]):
        def write(self, ctx: Ctx, msg: Any, promise: ChannelFuture[Any] | None) -> None:
            if msg == "bad":
                raise ValueError("bad")
            ctx.write(msg, promise)

    class Answers(ChannelInboundHandler[Any, Any]):
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            ctx.write(msg)

        def exception_caught(self, ctx: Ctx, exc: BaseException) -> None:
            ctx.write(f"error {exc}")

    pool = HandPool()
    channel = EmbeddedChannel()
    channel.pipeline.add_last(Encodes(), executor=pool).add_last(Answers())
    channel.write_inbound("a", "bad")
    channel.finish_input()
    pool.finish(channel)
    assert channel.outbound == ["a", "error bad"]
    assert not channel.is_open
