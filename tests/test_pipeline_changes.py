"""ChannelPipeline: adding, removing and replacing stages, by whom and from whatever thread."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import (
    ChannelDuplexHandler,
    ChannelHandler,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOutboundHandler,
    PipelineError,
)
from pipeline_net.event_bits import mask_of
from pipeline_net.handler import INBOUND, OUTBOUND, overridden_events
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]


class Plain(ChannelHandler):
    """Hears nothing."""


class Reader(ChannelInboundHandler[Any, Any]):
    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        ctx.fire_channel_read(msg)


class Writer(ChannelOutboundHandler[Any, Any]):
    def flush(self, ctx: Ctx) -> None:
        ctx.flush()


class Both(ChannelDuplexHandler[Any, Any, Any, Any]):
    def channel_active(self, ctx: Ctx) -> None:
        ctx.fire_channel_active()

    def read(self, ctx: Ctx) -> None:
        ctx.read()


class Lives(ChannelInboundHandler[Any, Any]):
    """Writes down its coming and going, and does something then."""

    def __init__(
        self,
        log: list[str],
        name: str,
        *,
        added: Callable[[Ctx], object] | None = None,
        removed: Callable[[Ctx], object] | None = None,
    ) -> None:
        self.log = log
        self.name = name
        self.added = added
        self.removed = removed

    def handler_added(self, ctx: Ctx) -> None:
        self.log.append(f"{self.name}.added")
        if self.added is not None:
            self.added(ctx)

    def handler_removed(self, ctx: Ctx) -> None:
        self.log.append(f"{self.name}.removed")
        if self.removed is not None:
            self.removed(ctx)

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        self.log.append(f"{self.name}.read")
        ctx.fire_channel_read(msg)


class Catcher(ChannelInboundHandler[Any, Any]):
    """Keeps exceptions."""

    def __init__(self) -> None:
        self.caught: list[BaseException] = []

    def exception_caught(self, ctx: Ctx, exc: BaseException) -> None:
        self.caught.append(exc)


def fail(ctx: Ctx) -> None:
    raise ValueError("no")


# -- adding -----------------------------------------------------------------------------------------


def test_stages_are_added_in_the_order_given() -> None:
    pipeline = EmbeddedChannel(("m", Plain())).pipeline
    assert pipeline.add_first(("a", Plain()), ("b", Plain())) is pipeline
    pipeline.add_last(("y", Plain()), ("z", Plain()))
    pipeline.add_before("m", ("k", Plain()), ("l", Plain()))
    pipeline.add_after("m", ("n", Plain()), ("o", Plain()))
    assert pipeline.names == ["a", "b", "k", "l", "m", "n", "o", "y", "z"]


def test_adding_nothing_changes_nothing() -> None:
    pipeline = EmbeddedChannel(Reader()).pipeline
    pipeline.add_first().add_last().add_before("reader").add_after("reader")
    assert pipeline.names == ["reader"]


@pytest.mark.parametrize("how", ["add_first", "add_last", "add_before", "add_after"])
def test_a_failing_handler_added_removes_the_handler_again_and_is_reported(how: str) -> None:
    log: list[str] = []
    catcher = Catcher()
    pipeline = EmbeddedChannel(("here", Plain()), catcher).pipeline
    base = ["here"] if how in ("add_before", "add_after") else []
    bad = Lives(log, "bad", added=fail)
    getattr(pipeline, how)(*base, ("a", Lives(log, "a")), ("bad", bad), ("b", Lives(log, "b")))
    assert log == ["a.added", "bad.added", "bad.removed", "b.added"]
    assert "bad" not in pipeline
    assert pipeline.names.index("a") + 1 == pipeline.names.index("b")
    [error] = catcher.caught
    assert isinstance(error, PipelineError)
    assert str(error).startswith("handler_added of 'bad' raised ValueError('no'), so it was removed; it sat in\n<Chan")
    assert "  ↓  bad      Lives\n" in str(error)
    assert isinstance(error.__cause__, ValueError)
    log.clear()
    pipeline.fire_channel_read(b"x")
    assert log == ["a.read", "b.read"]
    assert bad.seats == 0


def test_when_all_newcomers_fail_everything_is_as_it_was() -> None:
    log: list[str] = []
    catcher = Catcher()
    pipeline = EmbeddedChannel(("here", Lives(log, "here")), catcher).pipeline
    pipeline.add_first(*(Lives(log, "x", added=fail) for _ in range(3)))
    pipeline.add_after("here", *(Lives(log, "x", added=fail) for _ in range(3)))
    assert pipeline.names == ["here", "catcher"]
    assert len(catcher.caught) == 6


def test_a_handler_may_take_itself_out_while_it_is_added() -> None:
    log: list[str] = []
    once = Lives(log, "once", added=lambda ctx: ctx.pipeline.remove(once))
    pipeline = EmbeddedChannel(("a", Lives(log, "a")), once, ("b", Lives(log, "b"))).pipeline
    assert log == ["a.added", "once.added", "once.removed", "b.added"]
    assert pipeline.names == ["a", "b"]


def test_an_initializing_handler_puts_stages_in_its_own_place() -> None:
    log: list[str] = []

    def initialize(ctx: Ctx) -> None:
        ctx.pipeline.add_after(ctx.name, ("one", Lives(log, "one")), ("two", Lives(log, "two")))
        ctx.pipeline.remove(ctx.name)

    channel = EmbeddedChannel(("a", Plain()), Lives([], "init", added=initialize), ("z", Lives(log, "z")))
    assert channel.pipeline.names == ["a", "one", "two", "z"]
    log.clear()
    channel.write_inbound(b"x")
    assert log == ["one.read", "two.read", "z.read"]


@pytest.mark.parametrize("how", ["add_before", "add_after"])
def test_a_newcomer_may_take_out_the_stage_beside_which_the_next_one_is_added(how: str) -> None:
    log: list[str] = []
    pipeline = EmbeddedChannel(("a", Plain()), ("base", Plain()), ("z", Plain())).pipeline
    first = Lives(log, "first", added=lambda ctx: ctx.pipeline.remove("base"))
    getattr(pipeline, how)("base", ("first", first), ("second", Lives(log, "second")))
    assert pipeline.names == ["a", "first", "second", "z"]
    pipeline.fire_channel_read(b"x")
    assert log == ["first.added", "second.added", "first.read", "second.read"]


# -- removing and replacing -------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["second", Writer, "the handler itself"])
def test_a_stage_is_removed_by_name_by_class_and_by_itself(which: Any) -> None:
    writer = Writer()
    pipeline = EmbeddedChannel(Reader(), ("second", writer), Both()).pipeline
    assert pipeline.remove(writer if which == "the handler itself" else which) is writer
    assert pipeline.names == ["reader", "both"]


def test_a_failing_handler_removed_is_reported_and_the_handler_gone() -> None:
    catcher = Catcher()
    pipeline = EmbeddedChannel(("bad", Lives([], "bad", removed=fail)), catcher).pipeline
    pipeline.remove("bad")
    assert pipeline.names == ["catcher"]
    [error] = catcher.caught
    assert isinstance(error, PipelineError)
    assert str(error) == f"handler_removed of 'bad' raised ValueError('no'); it sat in\n{pipeline!r}"
    assert isinstance(error.__cause__, ValueError)


def test_a_failing_handler_removed_keeps_no_other_from_leaving() -> None:
    log: list[str] = []
    channel = EmbeddedChannel(("a", Lives(log, "a")), ("bad", Lives(log, "bad", removed=fail)), ("c", Lives(log, "c")))
    log.clear()
    with pytest.raises(PipelineError, match="handler_removed of 'bad' raised"):
        channel.finish()
    assert log == ["c.removed", "bad.removed", "a.removed"]
    assert channel.pipeline.names == []


@pytest.mark.parametrize("name", ["old", "new"])
def test_a_stage_is_replaced_in_its_place(name: str) -> None:
    log: list[str] = []
    old = Lives(log, "old")
    pipeline = EmbeddedChannel(("a", Plain()), ("old", old), ("z", Plain())).pipeline
    log.clear()
    assert pipeline.replace("old", (name, Lives(log, "new"))) is old
    assert log == ["new.added", "old.removed"]
    assert pipeline.names == ["a", name, "z"]
    pipeline.fire_channel_read(b"x")
    assert log == ["new.added", "old.removed", "new.read"]


def test_a_nameless_stage_may_replace_another_and_take_its_name() -> None:
    pipeline = EmbeddedChannel(Reader(), Writer()).pipeline
    pipeline.replace(Reader, Reader(), Both())
    assert pipeline.names == ["reader", "both", "writer"]


def test_replacing_with_nothing_removes() -> None:
    reader = Reader()
    pipeline = EmbeddedChannel(reader, Writer()).pipeline
    assert pipeline.replace(reader) is reader
    assert pipeline.names == ["writer"]


def test_a_replacement_that_fails_to_come_leaves_a_gap_and_is_reported() -> None:
    log: list[str] = []
    catcher = Catcher()
    pipeline = EmbeddedChannel(("old", Lives(log, "old")), catcher).pipeline
    log.clear()
    pipeline.replace("old", ("bad", Lives(log, "bad", added=fail)))
    assert log == ["bad.added", "bad.removed", "old.removed"]
    assert pipeline.names == ["catcher"]
    assert len(catcher.caught) == 1


def test_a_replacement_may_take_out_its_sibling_or_the_one_it_replaces() -> None:
    log: list[str] = []
    channel = EmbeddedChannel(("a", Lives(log, "a")), ("old", Lives(log, "old")), ("z", Lives(log, "z")))
    ctx = channel.pipeline.context("old")
    assert ctx is not None
    second = Lives(log, "second", added=lambda ctx: (ctx.pipeline.remove("first"), ctx.pipeline.remove("second")))
    log.clear()
    channel.pipeline.replace("old", ("first", Lives(log, "first")), ("second", second))
    assert log == ["first.added", "second.added", "first.removed", "second.removed", "old.removed"]
    assert channel.pipeline.names == ["a", "z"]
    log.clear()
    ctx.fire_channel_read("in")
    ctx.write(b"out")
    channel.run_pending()
    assert (log, channel.read_inbound(), channel.read_outbound()) == (["z.read"], "in", b"out")
    channel.pipeline.replace("z", ("new", Lives(log, "new", added=lambda ctx: ctx.pipeline.remove("z"))))
    assert log[1:] == ["new.added", "z.removed"]
    assert channel.pipeline.names == ["a", "new"]


# -- from other threads -----------------------------------------------------------------------------


def in_another_thread(channel: EmbeddedChannel, work: Callable[[], object]) -> list[BaseException]:
    """Let another thread do ``work`` while this one, which is the loop's, keeps turning the loop; what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except (PipelineError, SystemExit) as exc:
            raised.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():
        channel.run_pending()
        thread.join(0.001)
    return raised


def test_a_change_from_another_thread_is_made_on_the_loop_and_done_when_it_returns() -> None:
    log: list[str] = []
    threads: list[threading.Thread] = []
    channel = EmbeddedChannel(("old", Lives(log, "old")))
    names: list[list[str]] = []

    def note(ctx: Ctx) -> None:
        threads.append(threading.current_thread())

    def change() -> None:
        pipeline = channel.pipeline
        for make in (
            lambda: pipeline.add_last(("b", Lives(log, "b", added=note, removed=note))),
            lambda: pipeline.add_first(("a", Lives(log, "a", added=note))),
            lambda: pipeline.replace("old", ("new", Lives(log, "new", added=note))),
            lambda: pipeline.remove("b"),
        ):
            make()
            names.append(pipeline.names)

    assert in_another_thread(channel, change) == []
    assert names == [["old", "b"], ["a", "old", "b"], ["a", "new", "b"], ["a", "new"]]
    assert threads == [threading.current_thread()] * 4
    assert log == ["old.added", "b.added", "a.added", "new.added", "old.removed", "b.removed"]


def test_a_wrong_change_from_another_thread_is_refused_there() -> None:
    channel = EmbeddedChannel(("a", Plain()))
    [error] = in_another_thread(channel, lambda: channel.pipeline.remove("b"))
    assert isinstance(error, PipelineError)
    assert "there is no stage 'b' in" in str(error)
    assert channel.is_open


def test_who_waits_for_a_change_is_told_of_it_whatever_was_raised() -> None:
    class Shy(Plain):
        def __repr__(self) -> str:
            raise SystemExit(3)

    channel = EmbeddedChannel()
    [error] = in_another_thread(channel, lambda: channel.pipeline.remove(Shy()))
    assert isinstance(error, SystemExit)
    assert channel.is_open


def test_no_event_reaches_a_handler_before_it_was_added_by_another_thread() -> None:
    log: list[str] = []
    channel = EmbeddedChannel()
    # What arrives while handler_added runs goes past; what arrives later does not.
    late = Lives(log, "late", added=lambda ctx: ctx.pipeline.fire_channel_read("during"))
    assert in_another_thread(channel, lambda: channel.pipeline.add_last(late)) == []
    channel.write_inbound("after")
    assert log == ["late.added", "late.read"]
    assert channel.inbound == ["during", "after"]


def test_two_loops_do_not_share_what_they_know_of_handlers() -> None:
    first, second = EmbeddedChannel(Reader()), EmbeddedChannel(Reader())
    assert first.loop.stage_facts is not second.loop.stage_facts
    assert set(first.loop.stage_facts) == {Reader}


LINKED = ("channel_read", "channel_read_complete", "read", "write", "flush")


def target(event: str, seat: Ctx) -> Ctx:
    """Ask a seat where an event goes from it."""
    if event in LINKED:
        linked: Ctx = getattr(seat, f"to_{event}")
        return linked
    bit = mask_of(frozenset([event]))
    return seat.prev_with(bit) if event in OUTBOUND else seat.next_with(bit)


def next_that_overrides(event: str, seat: Ctx) -> Ctx:
    """Find where an event should go from a seat, by asking the handlers."""
    seat = seat.prev if event in OUTBOUND else seat.next
    while event not in overridden_events(type(seat.handler)) and not seat.is_ends:
        seat = seat.prev if event in OUTBOUND else seat.next
    return seat


@pytest.mark.parametrize("seed", range(20))
def test_after_any_changes_every_event_goes_to_the_next_stage_that_overrides_it(seed: int) -> None:
    choose = random.Random(seed)
    pipeline = EmbeddedChannel().pipeline
    for _ in range(30):
        new = choose.choice([Plain, Reader, Writer, Both])()
        if len(pipeline) < 2 or choose.random() < 0.5:
            seated = list(pipeline)
            if seated and choose.random() < 0.5:
                pipeline.add_after(choose.choice(seated), new)
            else:
                choose.choice([pipeline.add_first, pipeline.add_last])(new)
        elif choose.random() < 0.5:
            pipeline.remove(choose.choice(list(pipeline)))
        else:
            pipeline.replace(choose.choice(list(pipeline)), new, Both())
        seats = [seat for handler in pipeline if (seat := pipeline.context(handler)) is not None]
        assert len(seats) == len(pipeline)
        for seat in [pipeline.ends, *seats]:
            for event in (*INBOUND, "exception_caught", *OUTBOUND):
                assert target(event, seat) is next_that_overrides(event, seat), (event, pipeline)


class Hears(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Writes down what it hears, and passes it on."""

    def __init__(self, name: str, heard: list[str]) -> None:
        self.name = name
        self.heard = heard

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        self.heard.append(f"{self.name} reads {msg}")
        ctx.fire_channel_read(msg)

    def user_event_triggered(self, ctx: Ctx, event: Any) -> None:
        self.heard.append(f"{self.name} hears {event}")
        ctx.fire_user_event_triggered(event)

    def write(self, ctx: Ctx, msg: Any, promise: Any) -> None:
        self.heard.append(f"{self.name} writes {msg!r}")
        ctx.write(msg, promise)


class Newcomer(Hears):
    """Makes something happen while it is greeted."""

    def handler_added(self, ctx: Ctx) -> None:
        ctx.pipeline.fire_channel_read(f"{self.name}'s")
        ctx.pipeline.fire_user_event_triggered(f"{self.name}'s")
        ctx.write(self.name.encode())


def test_who_is_replaced_hears_others_until_the_first_newcomer_has_been_greeted() -> None:
    heard: list[str] = []
    channel = EmbeddedChannel(Hears("before", heard), ("old", Hears("old", heard)), Hears("behind", heard))
    channel.pipeline.replace("old", Newcomer("a", heard), Newcomer("b", heard))
    greeting_a = ["before reads a's", "old reads a's", "behind reads a's"]
    greeting_a += ["before hears a's", "old hears a's", "behind hears a's", "before writes b'a'"]
    greeting_b = ["before reads b's", "a reads b's", "behind reads b's"]
    greeting_b += ["before hears b's", "a hears b's", "behind hears b's", "a writes b'b'", "before writes b'b'"]
    assert heard == greeting_a + greeting_b


def test_stages_that_are_not_greeted_are_linked_before_the_next_one_is() -> None:
    heard: list[str] = []
    channel = EmbeddedChannel(Hears("first", heard))
    channel.pipeline.add_last(Hears("a", heard), Hears("b", heard), Newcomer("c", heard), Hears("d", heard))
    expected = [f"{name} reads c's" for name in ("first", "a", "b")]
    expected += [f"{name} hears c's" for name in ("first", "a", "b")]
    expected += [f"{name} writes b'c'" for name in ("b", "a", "first")]
    assert heard == expected
    heard.clear()
    channel.pipeline.fire_channel_read("later")
    channel.pipeline.write(b"late")
    assert heard == [f"{name} reads later" for name in ("first", "a", "b", "c", "d")] + [
        f"{name} writes b'late'" for name in ("d", "c", "b", "a", "first")
    ]
