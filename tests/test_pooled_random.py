"""The same random script of events, through a stage on a pool and without: every neighbour must observe the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_net import (
    ChannelDuplexHandler,
    ChannelFuture,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOutboundHandler,
    PoolFullError,
)
from pipeline_net.handler import INBOUND, OUTBOUND
from pipeline_net.testing import EmbeddedChannel

from .hand_pool import HandPool, ObligingPool

Ctx = ChannelHandlerContext[Any, Any]
Log = list[str]
Step = tuple[str, str]

_BASES: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    "inbound": (ChannelInboundHandler, INBOUND),
    "outbound": (ChannelOutboundHandler, OUTBOUND),
    "duplex": (ChannelDuplexHandler, (*INBOUND, *OUTBOUND)),
}
_GREETINGS = ("handler_added", "handler_removed")


def _stage(name: str, base: type[Any], events: frozenset[str], log: Log, failing: frozenset[str]) -> Any:
    """Make a stage that overrides ``events``: it writes them down, and passes them on, or fails."""

    def record(event: str) -> Callable[..., None]:
        def method(self: Any, ctx: Ctx, *args: Any) -> None:
            what = " ".join([repr(arg) for arg in args if not isinstance(arg, ChannelFuture)])
            log.append(f"{name}.{event} {what}")
            if event in failing or ("bad" in args and name != "below"):
                raise LookupError(f"{event} {what}")
            if event == "exception_caught" and "worse" in str(args[0]):
                raise ValueError("once more")
            if event not in _GREETINGS:
                getattr(ctx, event if event in OUTBOUND else f"fire_{event}")(*args)

        return method

    return type(name, (base,), {event: record(event) for event in events})()


class Above(ChannelInboundHandler[Any, Any]):
    """The last stage: keeps everything, so that neither an exception nor the end of input closes the channel."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        self.log.append(f"read {msg}")

    def channel_read_complete(self, ctx: Ctx) -> None:
        self.log.append("read complete")

    def channel_eof(self, ctx: Ctx) -> None:
        self.log.append("eof")

    def channel_writability_changed(self, ctx: Ctx) -> None:
        self.log.append("writability changed")

    def user_event_triggered(self, ctx: Ctx, event: Any) -> None:
        self.log.append(f"event {event}")

    def exception_caught(self, ctx: Ctx, exc: BaseException) -> None:
        self.log.append(f"exception {type(exc).__name__} {str(exc).splitlines()[0]}")

    def channel_inactive(self, ctx: Ctx) -> None:
        self.log.append("inactive")

    def channel_unregistered(self, ctx: Ctx) -> None:
        self.log.append("unregistered")

    def handler_removed(self, ctx: Ctx) -> None:
        self.log.append("removed")


_WORDS = st.sampled_from(["a", "b", "c", "bad", "worse"])
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["read", "read", "write", "promised write", "event", "exception"]), _WORDS),
        st.tuples(st.sampled_from(["complete", "flush", "ask", "writability", "work", "turn", "work"]), st.just("")),
    ),
    max_size=30,
)


@st.composite
def _stages(draw: st.DrawFn) -> tuple[type[Any], frozenset[str], frozenset[str]]:
    """Draw a base, the events that are overridden, and those that always fail."""
    base, events = draw(st.sampled_from(list(_BASES.values())))
    overridden = draw(st.frozensets(st.sampled_from([*events, *_GREETINGS, "exception_caught"])))
    may_fail = sorted(overridden & {*events})
    failing = draw(st.frozensets(st.sampled_from(may_fail), max_size=2)) if may_fail else frozenset()
    return base, overridden, failing


def _play(
    steps: list[Step], end: str, make: tuple[type[Any], frozenset[str], frozenset[str]], pool: HandPool | None
) -> dict[str, Any]:
    """Play a script; what the stage itself and its neighbours have observed."""
    here: Log = []
    above: Log = []
    below: Log = []
    outcomes: list[ChannelFuture[Any]] = []
    channel = EmbeddedChannel(_stage("below", ChannelOutboundHandler, frozenset(OUTBOUND), below, frozenset()))
    base, events, failing = make
    channel.pipeline.add_last(Above(above))
    channel.pipeline.add_before(Above, _stage("here", base, events, here, failing), executor=pool)
    pipeline = channel.pipeline
    for what, word in steps:
        if what == "read":
            pipeline.fire_channel_read(word)
        elif what == "event":
            pipeline.fire_user_event_triggered(word)
        elif what == "exception":
            pipeline.fire_exception_caught(KeyError(word))
        elif what == "complete":
            pipeline.fire_channel_read_complete()
        elif what == "writability":
            pipeline.fire_channel_writability_changed()
        elif what == "flush":
            pipeline.flush()
        elif what == "ask":
            pipeline.read()
        elif what == "write":
            pipeline.write(word)
        elif what == "turn":
            channel.run_pending()
        elif what == "work":
            if pool is not None:
                pool.work()
        else:
            outcomes.append(channel.write(word))
    if end == "eof":
        channel.finish_input()
        pipeline.shutdown_output()
    elif end == "close":
        pipeline.close()
    else:
        channel.abort()
    if pool is not None:
        pool.finish(channel)
    channel.run_pending()
    observed: dict[str, Any] = {"here": here, "above": above}
    if not events & {*INBOUND, "exception_caught"}:
        # What comes goes past a stage that only writes, without waiting for it, and so past what its writes raise.
        observed["above"] = [what for what in above if not what.startswith("exception")]
        observed["exceptions"] = sorted([what for what in above if what.startswith("exception")])
    if end != "abort":  # which lets go of what is on its way out, and on a pool there is more of that
        observed["below"] = below
        observed["outcomes"] = [repr(outcome.exception()) if outcome.done() else "pending" for outcome in outcomes]
        observed["outbound"] = channel.outbound
    if channel.is_open:
        channel.abort()
    if pool is not None:
        pool.finish(channel)
    channel.run_pending()
    assert pipeline.names == []
    return observed


@given(steps=_STEPS, end=st.sampled_from(["eof", "close", "abort"]), make=_stages())
@settings(max_examples=300, deadline=None)
def test_a_stage_on_a_pool_observes_and_passes_on_what_it_would_without_one(
    steps: list[Step], end: str, make: tuple[type[Any], frozenset[str], frozenset[str]]
) -> None:
    assert _play(steps, end, make, HandPool()) == _play(steps, end, make, None)


_FULL_STEPS = st.lists(
    st.sampled_from(["read", "read", "event", "write", "complete", "full", "free", "work", "turn"]), max_size=40
)


@pytest.mark.parametrize("kind", [ObligingPool, HandPool])
@given(steps=_FULL_STEPS)
@settings(max_examples=150, deadline=None)
def test_a_pool_that_is_full_now_and_then_tells_of_each_message_that_it_refuses_and_loses_nothing_else(
    kind: type[HandPool], steps: list[str]
) -> None:
    heard: Log = []
    above: Log = []
    pool = kind()
    channel = EmbeddedChannel()
    pipeline = channel.pipeline
    stage = _stage("p", ChannelDuplexHandler, frozenset([*INBOUND, *OUTBOUND, *_GREETINGS]), heard, frozenset())
    pipeline.add_last(stage, executor=pool).add_last(Above(above))
    sent: dict[str, int] = {"read": 0, "event": 0, "write": 0}
    written: list[ChannelFuture[Any]] = []
    for step in steps:
        if step in sent:
            sent[step] += 1
        if step == "read":
            pipeline.fire_channel_read(sent[step])
        elif step == "event":
            pipeline.fire_user_event_triggered(sent[step])
        elif step == "write":
            written.append(channel.write(sent[step]))
        elif step == "complete":
            pipeline.fire_channel_read_complete()
        elif step == "work":
            pool.work()
        elif step == "turn":
            channel.run_pending()
        else:
            pool.is_full = step == "full"
    channel.abort()
    pool.finish(channel)
    channel.run_pending()
    refused = sum(what.startswith("exception PoolFullError") for what in above)
    passed = sum(what.startswith(("read ", "event ")) and what != "read complete" for what in above)
    assert passed + refused == sent["read"] + sent["event"]
    unwritten = sum(isinstance(promise.exception(), PoolFullError) for promise in written)
    assert sum(what.startswith("p.write") for what in heard) + unwritten == sent["write"]
    for event in ("handler_added", "channel_inactive", "channel_unregistered", "handler_removed"):
        assert [what.strip() for what in heard].count(f"p.{event}") == 1
    assert [what.strip() for what in heard][-3:] == [
        "p.channel_inactive",
        "p.channel_unregistered",
        "p.handler_removed",
    ]
    assert above[-3:] == ["inactive", "unregistered", "removed"]
    for kind_of in ("read", "event"):
        numbers = [int(what.split()[1]) for what in above if what.startswith(f"{kind_of} ") and what != "read complete"]
        assert numbers == sorted(numbers)
