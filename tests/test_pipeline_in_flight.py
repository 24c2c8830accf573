"""Changing a pipeline while an event travels through it neither loses, repeats nor reorders anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_net import (
    ByteToMessageDecoder,
    ChannelDuplexHandler,
    ChannelFuture,
    ChannelHandlerContext,
    ReceiveBuffer,
)
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]
Script = list[Callable[[Ctx], object]]


class Passes(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Passes everything on, and does something just before or just after."""

    def __init__(self, *, before: Script | None = None, after: Script | None = None) -> None:
        self.before: Script = [] if before is None else before
        self.after: Script = [] if after is None else after

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        self._act(self.before, ctx)
        ctx.fire_channel_read(msg)
        self._act(self.after, ctx)

    def write(self, ctx: Ctx, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        self._act(self.before, ctx)
        ctx.write(msg, promise)
        self._act(self.after, ctx)

    def _act(self, script: Script, ctx: Ctx) -> None:
        if script:
            script.pop(0)(ctx)


class Stamps(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Adds its letter to each message that it passes on."""

    def __init__(self, letter: str) -> None:
        self.letter = letter

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        ctx.fire_channel_read(msg + self.letter)

    def write(self, ctx: Ctx, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        ctx.write(msg + self.letter, promise)


class HoldsBack(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Passes each message on when the next one comes, and what it still holds when it leaves, as a decoder does."""

    def __init__(self) -> None:
        self.held: list[Any] = []
        self.busy = False

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        self.held.append(msg)
        if self.busy:
            return
        self.busy = True
        while len(self.held) > (0 if ctx.is_removed else 1):
            ctx.fire_channel_read(self.held.pop(0))
        self.busy = False

    def handler_removed(self, ctx: Ctx) -> None:
        while self.held and not self.busy:
            ctx.fire_channel_read(self.held.pop(0))


class Words(ByteToMessageDecoder[bytes]):
    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        end = buffer.find(b" ")
        return None if end < 0 else buffer.take(end + 1)


def stamped(direction: str, actor: str, when: str, change: Callable[[Ctx], object]) -> tuple[EmbeddedChannel, Any]:
    """Send "" through ``first, Stamps("b"), last``, of which ``actor`` makes ``change``; what came out."""
    script: Script = [change]

    def passes(name: str) -> Passes:
        if name != actor:
            return Passes()
        return Passes(before=script) if when == "before" else Passes(after=script)

    channel = EmbeddedChannel(("first", passes("first")), ("b", Stamps("b")), ("last", passes("last")))
    if direction == "in":
        channel.write_inbound("")
        [out] = channel.inbound
    else:
        channel.write_outbound("")
        [out] = channel.outbound
    assert script == []
    return channel, out


# (the one who acts, before or after it passed the message on) → whether the message has yet to come to "b"
_READING = {("first", "before"): True, ("first", "after"): False, ("last", "before"): False, ("last", "after"): False}
_WRITING = {("last", "before"): True, ("last", "after"): False, ("first", "before"): False, ("first", "after"): False}
_MOMENTS = [("in", *moment, ahead) for moment, ahead in _READING.items()] + [
    ("out", *moment, ahead) for moment, ahead in _WRITING.items()
]


@pytest.mark.parametrize(("direction", "actor", "when", "ahead"), _MOMENTS)
def test_a_stage_that_is_removed_hears_only_what_came_before(
    direction: str, actor: str, when: str, ahead: bool
) -> None:
    channel, out = stamped(direction, actor, when, lambda ctx: ctx.pipeline.remove("b"))
    assert out == ("" if ahead else "b")
    assert channel.pipeline.names == ["first", "last"]


@pytest.mark.parametrize(("direction", "actor", "when", "ahead"), _MOMENTS)
def test_a_stage_that_is_added_hears_only_what_comes_after(direction: str, actor: str, when: str, ahead: bool) -> None:
    def add(ctx: Ctx) -> None:
        ctx.pipeline.add_before("b", Stamps("a")).add_after("b", Stamps("c"))

    channel, out = stamped(direction, actor, when, add)
    everybody = "abc" if direction == "in" else "cba"
    assert out == (everybody if ahead else "b")
    assert channel.pipeline.names == ["first", "stamps", "b", "stamps-2", "last"]


@pytest.mark.parametrize(("direction", "actor", "when", "ahead"), _MOMENTS)
def test_a_message_meets_the_old_stage_or_its_replacements_but_not_both(
    direction: str, actor: str, when: str, ahead: bool
) -> None:
    channel, out = stamped(
        direction, actor, when, lambda ctx: ctx.pipeline.replace("b", ("x", Stamps("x")), ("y", Stamps("y")))
    )
    everybody = "xy" if direction == "in" else "yx"
    assert out == (everybody if ahead else "b")
    assert channel.pipeline.names == ["first", "x", "y", "last"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("direction", ["in", "out"])
def test_a_stage_that_removes_itself_still_passes_its_message_on(direction: str, when: str) -> None:
    channel, out = stamped(direction, "first", when, lambda ctx: ctx.pipeline.remove("first"))
    assert out == "b"
    assert channel.pipeline.names == ["b", "last"]


@pytest.mark.parametrize("direction", ["in", "out"])
def test_what_a_stage_that_replaced_itself_still_forwards_goes_through_its_replacement(direction: str) -> None:
    _, out = stamped(direction, "last", "before", lambda ctx: ctx.pipeline.replace("last", Stamps("x"), Stamps("y")))
    assert out == ("bxy" if direction == "in" else "yxb")


def test_a_stage_that_was_replaced_twice_forwards_through_the_last_one() -> None:
    def twice(ctx: Ctx) -> None:
        ctx.pipeline.replace("first", ("x", Stamps("x")))
        ctx.pipeline.replace("x", ("y", Stamps("y")))

    _, out = stamped("in", "first", "before", twice)
    assert out == "yb"


def test_a_stage_that_leaves_and_comes_back_elsewhere_forwards_from_where_it_was() -> None:
    def move(ctx: Ctx) -> None:
        ctx.pipeline.remove(ctx.handler)
        ctx.pipeline.add_last(("moved", ctx.handler))

    channel, out = stamped("in", "first", "before", move)
    assert out == "b"
    assert channel.pipeline.names == ["b", "last", "moved"]


def test_every_stage_may_leave_while_one_message_travels() -> None:
    leave: Callable[[Ctx], object] = lambda ctx: ctx.pipeline.remove(ctx.handler)  # noqa: E731 - one of a list of acts
    channel = EmbeddedChannel(*(Passes(before=[leave]) for _ in range(5)))
    channel.write_inbound("x", "y")
    assert channel.inbound == ["x", "y"]
    assert channel.pipeline.names == []


# -- whatever happens -------------------------------------------------------------------------------

_MAX_STAGES = 12


def _change(ctx: Ctx, step: tuple[str, int, bool], steps: list[tuple[str, int, bool]]) -> None:
    what, which, holds = step
    pipeline = ctx.pipeline
    names = pipeline.names
    if not names:
        return
    target = names[which % len(names)]
    newcomer = HoldsBack() if holds else _scripted(steps)
    if what == "remove":
        pipeline.remove(target)
    elif len(names) > _MAX_STAGES or what == "replace":
        pipeline.replace(target, newcomer)
    elif what == "add before":
        pipeline.add_before(target, newcomer)
    elif what == "add after":
        pipeline.add_after(target, newcomer)
    else:
        pipeline.replace(target, newcomer, _scripted(steps))


def _scripted(steps: list[tuple[str, int, bool]]) -> Passes:
    """Make a stage that, at each message, takes the next of the steps that all of them share.

    A step may make a stage before this one let go what it holds.  That has to wait until this stage has passed on the
    message that it is handling, as in a decoder; or it would be the stage that reorders, and not the change.
    """

    class Scripted(Passes):
        def __init__(self) -> None:
            super().__init__()
            self.waiting: list[Any] = []
            self.busy = False

        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            self.waiting.append(msg)
            if not self.busy:
                self.busy = True
                while self.waiting:
                    super().channel_read(ctx, self.waiting.pop(0))
                self.busy = False

        def _act(self, script: Script, ctx: Ctx) -> None:
            if steps:
                _change(ctx, steps.pop(), steps)

    return Scripted()


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["remove", "replace", "replace by two", "add before", "add after"]),
        st.integers(0, 20),
        st.booleans(),
    ),
    max_size=40,
)


@given(steps=_STEPS, batches=st.lists(st.integers(1, 4), max_size=8))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_random_changes_neither_lose_nor_repeat_nor_reorder_what_is_read(
    steps: list[tuple[str, int, bool]], batches: list[int]
) -> None:
    channel = EmbeddedChannel(_scripted(steps), HoldsBack(), _scripted(steps))
    sent: list[int] = []
    for count in batches:
        batch = list(range(len(sent), len(sent) + count))
        channel.write_inbound(*batch)
        sent += batch
    channel.finish()
    assert channel.inbound == sent


@given(steps=_STEPS, count=st.integers(0, 20))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_random_changes_neither_lose_nor_repeat_nor_reorder_what_is_written(
    steps: list[tuple[str, int, bool]], count: int
) -> None:
    channel = EmbeddedChannel(_scripted(steps), _scripted(steps), _scripted(steps))
    futures = [channel.write(number) for number in range(count)]
    channel.run_pending()
    assert channel.outbound == list(range(count))
    assert all(future.result() is None for future in futures)


class SwapsDecoders(ChannelDuplexHandler[bytes, bytes, bytes, bytes]):
    """After some words, has their decoder replaced by another, or by nothing."""

    def __init__(self, plan: list[int]) -> None:
        self.plan = plan

    def channel_read(self, ctx: Ctx, msg: bytes) -> None:
        ctx.fire_channel_read(msg)
        if self.plan:
            self.plan[0] -= 1
            if self.plan[0] <= 0:
                self.plan.pop(0)
                newcomers = [Words()] if self.plan else []
                if Words in ctx.pipeline:
                    ctx.pipeline.replace(Words, *newcomers)


@given(
    data=st.lists(st.sampled_from([b"a", b"bc", b" ", b"def "])).map(b"".join),
    cuts=st.lists(st.integers(0, 60)),
    plan=st.lists(st.integers(1, 4), max_size=5),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_a_decoder_that_is_exchanged_in_the_middle_of_a_batch_loses_no_byte(
    data: bytes, cuts: list[int], plan: list[int]
) -> None:
    channel = EmbeddedChannel(Words(), SwapsDecoders(plan))
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    start = 0
    for end in ends:
        if end > start:
            channel.write_inbound(data[start:end])
        start = end
    words = b"".join(channel.inbound)
    decoder = channel.pipeline.get(Words)
    unread = decoder.unread_bytes if decoder is not None else 0
    assert words == data[: len(data) - unread]
    if decoder is not None:
        assert all(word.endswith(b" ") and word.count(b" ") == 1 for word in channel.inbound)
