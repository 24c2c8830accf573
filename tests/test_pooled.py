"""Handlers on a pool: their events run there, in order and one at a time, and nobody else notices."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pipeline_net import (
    ChannelDuplexHandler,
    ChannelFuture,
    ChannelHandlerContext,
    ChannelOptions,
    EventLoop,
    PipelineError,
    PoolFullError,
    WorkerPool,
)
from pipeline_net.channel import Channel
from pipeline_net.handler import INBOUND, OUTBOUND
from pipeline_net.on_pool import Executor
from pipeline_net.testing import EmbeddedChannel

from .hand_pool import HandPool

Ctx = ChannelHandlerContext[Any, Any]
Log = list[str]

_EVENTS = [*INBOUND, *OUTBOUND, "exception_caught"]
_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "channel_read": ("message",),
    "user_event_triggered": ("event",),
    "exception_caught": (ValueError("for a test"),),
    "bind": (("host", 1), None),
    "connect": (("host", 1), None),
    "write": (b"message", None),
    "shutdown_output": (None,),
    "close": (None,),
}


class Tracer(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Writes down what it hears; see ``tracer``."""


def tracer(
    name: str, log: Log, *events: str, keeps: bool = False, failures: dict[str, BaseException] | None = None
) -> Tracer:
    """Make a handler that writes down its ``events``, and then fails, or passes on."""
    failing = {} if failures is None else failures
    main = threading.current_thread()

    def record(event: str) -> Callable[..., None]:
        def method(self: Tracer, ctx: Ctx, *args: Any) -> None:
            where = "" if threading.current_thread() is main else " on a pool"
            log.append(f"{name}.{event}{where}")
            if event in failing:
                raise failing[event]
            if not keeps and not event.startswith("handler_"):
                getattr(ctx, event if event in OUTBOUND else f"fire_{event}")(*args)

        return method

    cls: type[Tracer] = type("Tracer", (Tracer,), {event: record(event) for event in events})
    return cls()


def with_pool(*handlers: tuple[str, ChannelDuplexHandler[Any, Any, Any, Any]]) -> tuple[EmbeddedChannel, HandPool]:
    """Make a channel whose stages are called as said; those whose names begin with "p" are on the pool."""
    pool = HandPool()
    channel = EmbeddedChannel()
    for name, handler in handlers:
        channel.pipeline.add_last((name, handler), executor=pool if name.startswith("p") else None)
    pool.finish(channel)
    return channel, pool


# -- where things run -------------------------------------------------------------------------------


def test_what_takes_no_jobs_is_refused_when_a_stage_is_seated() -> None:
    nothing: Any = 5
    pipeline = EmbeddedChannel().pipeline
    with pytest.raises(PipelineError, match=r"with submit\(fn, \*args\), not 5"):
        pipeline.add_last(tracer("p", []), executor=nothing)
    assert len(pipeline) == 0


@pytest.mark.parametrize("event", _EVENTS)
def test_an_event_runs_on_the_pool_and_comes_back_to_the_loop(event: str) -> None:
    log: Log = []
    ends = {name: tracer(name, log, event, keeps=True) for name in ("a", "z")}
    channel, pool = with_pool(("a", ends["a"]), ("p", tracer("p", log, event)), ("z", ends["z"]))
    source = channel.pipeline.context("z" if event in OUTBOUND else "a")
    assert source is not None
    getattr(source, event if event in OUTBOUND else f"fire_{event}")(*_ARGUMENTS.get(event, ()))
    assert log == []
    pool.finish(channel)
    assert log == [f"p.{event} on a pool", f"{'a' if event in OUTBOUND else 'z'}.{event}"]


def test_coming_and_going_happen_on_the_pool_too_before_and_after_every_event() -> None:
    log: Log = []
    pool = HandPool()
    channel = EmbeddedChannel()
    events = ("handler_added", "channel_read", "handler_removed")
    channel.pipeline.add_last(("p", tracer("p", log, *events)), executor=pool)
    channel.write_inbound("early")
    pool.finish(channel)
    channel.pipeline.remove("p")
    channel.write_inbound("late")
    pool.finish(channel)
    assert log == [f"p.{event} on a pool" for event in events]
    assert channel.inbound == ["early", "late"]


def test_a_stage_on_a_pool_is_drawn_as_such() -> None:
    channel, _ = with_pool(("a", tracer("a", [], "write")), ("p", tracer("p", [], "channel_read", "close")))
    assert repr(channel.pipeline) == (f"<ChannelPipeline of {channel!r}\n   ↑ a  Tracer\n  ↓↑ p  Tracer  on a pool\n>")


@pytest.mark.parametrize("make", [lambda: WorkerPool(4), lambda: ThreadPoolExecutor(4)], ids=["ours", "futures"])
def test_events_keep_their_order_and_never_overlap_whatever_thread_is_free(make: Callable[[], Any]) -> None:
    got: list[Any] = []
    at_work = threading.Lock()

    class Works(ChannelDuplexHandler[Any, Any, Any, Any]):
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            assert at_work.acquire(blocking=False), "two events at once"
            got.append(msg)
            ctx.fire_channel_read(msg)
            ctx.write(b"%d " % msg)
            at_work.release()

    pool: Executor = make()
    try:
        channel = EmbeddedChannel()
        channel.pipeline.add_last(Works(), executor=pool)
        for start in range(0, 500, 10):
            channel.write_inbound(*range(start, start + 10))
        deadline = time.monotonic() + 30
        while len(channel.outbound) < 500 and time.monotonic() < deadline:
            channel.run_pending()
        assert got == list(range(500))
        assert channel.inbound == got
        assert b"".join(channel.outbound) == b"".join(b"%d " % number for number in got)
    finally:
        pool.release() if isinstance(pool, WorkerPool) else pool.shutdown()  # type: ignore[attr-defined]  # of futures


def test_a_handler_may_write_from_the_pool_and_wait_for_nothing() -> None:
    futures: list[ChannelFuture[Any]] = []

    class Answers(ChannelDuplexHandler[Any, Any, Any, Any]):
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            promise = ctx.new_promise()
            futures.extend([promise, ctx.channel.write(b"second")])
            ctx.write_and_flush(b"first", promise)
            ctx.close()

    channel, pool = with_pool(("p", Answers()))
    channel.write_inbound("x")
    pool.finish(channel)
    assert sorted(channel.outbound) == [b"first", b"second"]
    assert [future.result() for future in futures] == [None, None]
    assert not channel.is_open


# -- exceptions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [ValueError("no"), SystemExit(1)], ids=repr)
@pytest.mark.parametrize("event", ["channel_read", "channel_read_complete", "flush", "read"])
def test_what_it_raises_goes_to_its_own_exception_caught_and_then_tailward(event: str, failure: BaseException) -> None:
    log: Log = []
    channel, pool = with_pool(
        ("a", tracer("a", log, "exception_caught")),
        ("p", tracer("p", log, event, "exception_caught", failures={event: failure})),
        ("z", tracer("z", log, "exception_caught", keeps=True)),
    )
    if event in OUTBOUND:
        getattr(channel.pipeline, event)()
    else:
        channel.write_inbound("x")
    pool.finish(channel)
    assert log == [f"p.{event} on a pool", "p.exception_caught on a pool", "z.exception_caught"]
    assert channel.is_open


def test_a_write_that_raises_fails_its_promise_only() -> None:
    log: Log = []
    failure = ValueError("no")
    channel, pool = with_pool(("p", tracer("p", log, "write", "exception_caught", failures={"write": failure})))
    future = channel.write(b"x")
    pool.finish(channel)
    assert future.exception() is failure
    assert log == ["p.write on a pool"]


def test_a_stage_that_fails_to_close_does_not_keep_the_channel_open() -> None:
    log: Log = []
    channel, pool = with_pool(
        ("a", tracer("a", log, "close")), ("p", tracer("p", log, "close", failures={"close": ValueError("no")}))
    )
    channel.pipeline.close()
    with pytest.raises(ValueError, match="no"):
        pool.finish(channel)
    assert log == ["p.close on a pool", "a.close"]
    assert not channel.is_open


def test_an_exception_inside_exception_caught_is_logged_and_ends_there(caplog: pytest.LogCaptureFixture) -> None:
    log: Log = []
    events: dict[str, BaseException] = {"channel_read": ValueError("once"), "exception_caught": ValueError("twice")}
    channel, pool = with_pool(
        ("p", tracer("p", log, *events, failures=events)), ("z", tracer("z", log, "exception_caught", keeps=True))
    )
    channel.write_inbound("x")
    pool.finish(channel)
    assert log == ["p.channel_read on a pool", "p.exception_caught on a pool"]
    assert "exception_caught of 'p' raised" in caplog.text


def test_a_handler_that_fails_to_be_added_hears_nothing_and_what_came_meanwhile_goes_on() -> None:
    log: Log = []
    pool = HandPool()
    channel = EmbeddedChannel(("z", tracer("z", log, "exception_caught", keeps=True)))
    events = ("handler_added", "channel_read", "write", "handler_removed")
    bad = tracer("p", log, *events, failures={"handler_added": ValueError("no")})
    channel.pipeline.add_first(("p", bad), executor=pool)
    channel.write_inbound("x", "y")
    future = channel.write(b"x")
    pool.finish(channel)
    assert log == ["p.handler_added on a pool", "p.handler_removed on a pool", "z.exception_caught"]
    assert channel.pipeline.names == ["z"]
    assert channel.inbound == ["x", "y"]
    assert channel.outbound == [b"x"]
    assert future.result() is None


# -- bounds -----------------------------------------------------------------------------------------


def test_reading_pauses_while_too_much_waits_for_the_pool() -> None:
    channel, pool = with_pool(("p", tracer("p", [], "channel_read", keeps=True)))
    channel.write_inbound(*range(63))  # and the end of the batch
    reads = [channel.wants_to_read]
    channel.write_inbound("one too many")
    reads.append(channel.wants_to_read)
    pool.work()  # all done, but the loop has not heard of it
    reads.append(channel.wants_to_read)
    channel.run_pending()
    reads.append(channel.wants_to_read)
    assert reads == [True, False, False, True]


def test_reading_goes_on_after_a_stage_left_that_had_paused_it() -> None:
    channel, pool = with_pool(("p", tracer("p", [], "channel_read", keeps=True)))
    channel.write_inbound(*range(65))
    channel.pipeline.remove("p")
    pool.finish(channel)
    assert channel.wants_to_read


def test_a_pool_without_room_fails_what_came_and_the_next_stage_hears_of_it() -> None:
    log: Log = []
    channel, pool = with_pool(
        ("p", tracer("p", log, "channel_read", "write", "exception_caught")),
        ("z", tracer("z", log, "exception_caught", keeps=True)),
    )
    pool.is_full = True
    channel.write_inbound("x")
    future = channel.write(b"x")
    pool.finish(channel)
    assert log == ["z.exception_caught"]  # of the message; the end of its batch carries nothing
    assert isinstance(future.exception(), PoolFullError)
    pool.is_full = False
    channel.write_inbound("y")
    pool.finish(channel)
    assert log[1:] == ["p.channel_read on a pool"]


def test_a_pool_without_room_closes_the_channel_unless_a_stage_handles_it() -> None:
    channel, pool = with_pool(("p", tracer("p", [], "channel_read")))
    pool.is_full = True
    with pytest.raises(PoolFullError, match="no room"):
        channel.write_inbound("x")
    assert not channel.is_open


def test_a_pool_that_fills_up_while_events_wait_fails_them_all() -> None:
    log: Log = []
    channel, pool = with_pool(
        ("p", tracer("p", log, "channel_read", "write")), ("z", tracer("z", log, "exception_caught", keeps=True))
    )
    channel.write_inbound("being worked on")
    fn, args = pool.jobs.pop()
    thread = threading.Thread(target=fn, args=args)
    thread.start()
    thread.join(10)
    promise = channel.new_promise()
    channel.pipeline.write(b"waits", promise)
    pool.is_full = True
    channel.run_pending()
    assert isinstance(promise.exception(), PoolFullError)
    assert log == ["p.channel_read on a pool"]  # who wrote has been told


def test_reading_goes_on_when_the_pool_refuses_those_for_whose_sake_it_paused() -> None:
    begun, released = threading.Event(), threading.Event()

    class Slow(ChannelDuplexHandler[Any, Any, Any, Any]):
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            begun.set()
            released.wait(10)

    channel, pool = with_pool(("p", Slow()), ("z", tracer("z", [], "exception_caught", keeps=True)))
    channel.write_inbound("being worked on")
    fn, args = pool.jobs.pop()
    thread = threading.Thread(target=fn, args=args)
    thread.start()
    begun.wait(10)
    channel.write_inbound(*range(100))
    assert not channel.wants_to_read
    pool.is_full = True
    released.set()
    thread.join(10)
    channel.run_pending()
    assert channel.is_open
    assert channel.wants_to_read


# -- leaving ----------------------------------------------------------------------------------------


def test_what_a_replaced_stage_has_not_begun_with_goes_through_its_replacement() -> None:
    log: Log = []
    channel, pool = with_pool(("p", tracer("p", log, "channel_read", "write")))
    channel.write_inbound("x")
    channel.write(b"x")
    channel.pipeline.replace("p", ("new", tracer("new", log, "channel_read", "write")))
    channel.write_inbound("y")
    channel.write(b"y")
    assert channel.pipeline.names == ["new"]
    pool.finish(channel)
    # It had begun with nothing, so it hears nothing more; what came before the change goes before what came after.
    assert log == ["new.write", "new.channel_read", "new.write", "new.channel_read"]
    assert (channel.inbound, channel.outbound) == (["x", "y"], [b"x", b"y"])


def test_a_channel_that_closes_says_goodbye_on_the_pool_in_order() -> None:
    log: Log = []
    events = ("channel_read", "channel_inactive", "channel_unregistered", "handler_removed")
    channel, pool = with_pool(("p", tracer("p", log, *events, keeps=True)))
    channel.write_inbound("x")
    channel.finish()
    pool.finish(channel)
    assert log == [f"p.{event} on a pool" for event in events]


class Bare(Channel):
    """A channel without a transport, on a real loop."""

    def reading_changed(self) -> None:
        """Nobody reads."""

    def release_transport(self) -> None:
        """Nothing to give back."""


@pytest.mark.parametrize("failure", [None, ValueError("no")], ids=["fine", "failing"])
def test_a_handler_at_work_while_its_loop_stops_still_gets_its_goodbye(
    failure: BaseException | None, caplog: pytest.LogCaptureFixture
) -> None:
    log: Log = []
    at_work, may_go_on = threading.Event(), threading.Event()

    class Works(ChannelDuplexHandler[Any, Any, Any, Any]):
        def user_event_triggered(self, ctx: Ctx, event: Any) -> None:
            at_work.set()
            may_go_on.wait(10)

        def channel_inactive(self, ctx: Ctx) -> None:
            log.append("inactive")
            ctx.fire_channel_inactive()

        def handler_removed(self, ctx: Ctx) -> None:
            log.append("removed")
            if failure is not None:
                raise failure

    class Next(ChannelDuplexHandler[Any, Any, Any, Any]):
        def channel_inactive(self, ctx: Ctx) -> None:
            log.append("the next one is gone too")

    with ThreadPoolExecutor(1) as pool:
        loop = EventLoop()
        loop.start()
        channel = Bare(loop, ChannelOptions())
        loop.adopt(channel)

        def open_it() -> None:
            channel.pipeline.add_last(Works(), executor=pool).add_last(Next())
            channel.register()
            channel.activate()
            channel.fire_user_event("work")

        loop.execute(open_it)
        assert at_work.wait(10)
        loop.stop()
        assert log == []
        may_go_on.set()
    assert log == ["inactive", "the next one is gone too", "removed"]
    assert ("handler_removed of 'works' raised ValueError('no')" in caplog.text) is (failure is not None)
    assert caplog.text.count("ERROR") == (failure is not None)


class TellingPool(ThreadPoolExecutor):
    """Says when it has done its first job."""

    def __init__(self) -> None:
        super().__init__(1)
        self.has_done_one = threading.Event()

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(lambda _: self.has_done_one.set())
        return future


def test_a_handler_that_gets_done_in_the_middle_of_the_end_of_its_loop_still_gets_its_goodbye() -> None:
    log: Log = []
    at_work, may_go_on = threading.Event(), threading.Event()

    class Works(ChannelDuplexHandler[Any, Any, Any, Any]):
        def handler_added(self, ctx: Ctx) -> None:
            at_work.set()
            may_go_on.wait(10)

        def channel_inactive(self, ctx: Ctx) -> None:
            log.append("inactive")

        def handler_removed(self, ctx: Ctx) -> None:
            log.append("removed")

    class WaitsForIt(ChannelDuplexHandler[Any, Any, Any, Any]):
        def channel_inactive(self, ctx: Ctx) -> None:
            may_go_on.set()
            pool.has_done_one.wait(10)  # and with that, it has told the loop, which is stopping
            ctx.fire_channel_inactive()

    with TellingPool() as pool:
        loop = EventLoop()
        loop.start()
        channel = Bare(loop, ChannelOptions())
        loop.adopt(channel)

        def open_it() -> None:
            channel.pipeline.add_last(WaitsForIt()).add_last(Works(), executor=pool)
            channel.register()
            channel.activate()

        loop.execute(open_it)
        assert at_work.wait(10)
        loop.stop()
    assert log == ["inactive", "removed"]
