"""Seats: where events start, whom they skip, what becomes of exceptions, and how a removed seat still forwards."""

from __future__ import annotations

import dis
import logging
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import (
    COMPILED,
    ChannelDuplexHandler,
    ChannelFuture,
    ChannelHandlerContext,
    ChannelPipeline,
    PipelineError,
    TransparentHandler,
)
from pipeline_net.handler import INBOUND, OUTBOUND
from pipeline_net.testing import EmbeddedChannel

Log = list[str]

_WITH_PROMISE = [event for event in OUTBOUND if event not in ("read", "flush")]
_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "channel_read": (b"message",),
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

    failure: BaseException | None = None


def tracer(name: str, log: Log, *events: str, keeps: bool = False) -> Tracer:
    """Make a handler that overrides ``events``: it writes each down, and raises ``failure`` or passes on."""

    def record(event: str) -> Callable[..., None]:
        def method(self: Tracer, ctx: ChannelHandlerContext[Any, Any], *args: Any) -> None:
            log.append(f"{name}.{event}")
            if self.failure is not None and event != "exception_caught":
                raise self.failure
            if not keeps:
                send(ctx, event, *args)

        return method

    cls: type[Tracer] = type("Tracer", (Tracer,), {event: record(event) for event in events})
    return cls()


def send(ctx: ChannelHandlerContext[Any, Any] | ChannelPipeline, event: str, *args: Any) -> None:
    """Fire or ask for ``event`` from ``ctx``."""
    getattr(ctx, event if event in OUTBOUND else f"fire_{event}")(*args)


def seat(channel: EmbeddedChannel, which: str) -> ChannelHandlerContext[Any, Any]:
    found = channel.pipeline.context(which)
    assert found is not None
    return found


def three(log: Log, *, b: tuple[str, ...] = ()) -> EmbeddedChannel:
    """A channel with ``a``, ``b`` and ``c``; a and c hear everything, what they keep goes no further."""
    every = (*INBOUND, *OUTBOUND, "exception_caught")
    ends = {"a": tracer("a", log, *every, keeps=True), "c": tracer("c", log, *every, keeps=True)}
    channel = EmbeddedChannel(("a", ends["a"]), ("b", tracer("b", log, *b)), ("c", ends["c"]))
    log.clear()
    return channel


# -- what a seat knows ------------------------------------------------------------------------------


def test_a_seat_knows_its_surroundings() -> None:
    handler = tracer("a", [])
    channel = EmbeddedChannel(("a", handler))
    ctx = seat(channel, "a")
    assert ctx.channel is channel
    assert ctx.pipeline is channel.pipeline
    assert ctx.loop is channel.loop
    assert ctx.handler is handler
    assert ctx.name == "a"
    assert not ctx.is_removed
    assert repr(ctx) == "<a: Tracer>"


def test_a_seat_that_was_removed_says_so() -> None:
    channel = EmbeddedChannel(("a", tracer("a", [])))
    ctx = seat(channel, "a")
    channel.pipeline.remove("a")
    assert ctx.is_removed
    assert repr(ctx) == "<a (removed)>"
    assert not isinstance(ctx.handler, Tracer), "it has let go of it, for many handlers keep their context"


def test_a_seat_reads_from_the_wire_if_only_transparent_stages_are_before_it() -> None:
    pipeline = EmbeddedChannel(TransparentHandler(), TransparentHandler(), Tracer(), Tracer()).pipeline
    seats = [pipeline.context(name) for name in pipeline.names]
    assert [seat.is_next_to_wire for seat in seats if seat is not None] == [True, True, True, False]


def test_a_seat_makes_promises_of_its_loop() -> None:
    channel = EmbeddedChannel(("a", tracer("a", [])))
    promise = seat(channel, "a").new_promise()
    assert promise.loop is channel.loop
    assert not promise.done()


# -- where events go --------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [*INBOUND, "exception_caught"])
def test_an_inbound_event_starts_at_the_next_stage_that_overrides_it(event: str) -> None:
    log: Log = []
    send(seat(three(log), "a"), event, *_ARGUMENTS.get(event, ()))
    assert log == [f"c.{event}"]


@pytest.mark.parametrize("event", [*INBOUND, "exception_caught"])
def test_an_inbound_event_passes_every_stage_that_overrides_it(event: str) -> None:
    log: Log = []
    send(seat(three(log, b=(event,)), "a"), event, *_ARGUMENTS.get(event, ()))
    assert log == [f"b.{event}", f"c.{event}"]


@pytest.mark.parametrize("event", OUTBOUND)
def test_an_outbound_operation_starts_at_the_stage_before_that_overrides_it(event: str) -> None:
    log: Log = []
    send(seat(three(log), "c"), event, *_ARGUMENTS.get(event, ()))
    assert log == [f"a.{event}"]


@pytest.mark.parametrize("event", OUTBOUND)
def test_an_outbound_operation_passes_every_stage_that_overrides_it(event: str) -> None:
    log: Log = []
    send(seat(three(log, b=(event,)), "c"), event, *_ARGUMENTS.get(event, ()))
    assert log == [f"b.{event}", f"a.{event}"]


@pytest.mark.parametrize("event", [*INBOUND, "exception_caught"])
def test_an_inbound_event_of_the_pipeline_starts_at_the_head(event: str) -> None:
    log: Log = []
    getattr(three(log).pipeline, f"fire_{event}")(*_ARGUMENTS.get(event, ()))
    assert log == [f"a.{event}"]


@pytest.mark.parametrize("event", OUTBOUND)
def test_an_outbound_operation_of_the_pipeline_starts_at_the_tail(event: str) -> None:
    log: Log = []
    getattr(three(log).pipeline, event)(*_ARGUMENTS.get(event, ()))
    assert log == [f"c.{event}"]


def test_write_and_flush_are_two_operations_for_the_stages() -> None:
    log: Log = []
    seat(three(log), "c").write_and_flush(b"x")
    assert log == ["a.write", "a.flush"]


def test_what_the_arguments_were_arrives_as_it_is() -> None:
    got: list[Any] = []

    class Keeps(ChannelDuplexHandler[Any, Any, Any, Any]):
        def channel_read(self, ctx: ChannelHandlerContext, msg: Any) -> None:
            got.append(msg)

        def user_event_triggered(self, ctx: ChannelHandlerContext, event: Any) -> None:
            got.append(event)

        def write(self, ctx: ChannelHandlerContext, msg: Any, promise: ChannelFuture[Any] | None) -> None:
            got.append((msg, promise))

        def connect(self, ctx: ChannelHandlerContext, address: Any, promise: ChannelFuture[Any] | None) -> None:
            got.append((address, promise))

    channel = EmbeddedChannel(Keeps())
    promise = channel.new_promise()
    message, event = object(), object()
    channel.pipeline.fire_channel_read(message)
    channel.pipeline.fire_user_event_triggered(event)
    channel.pipeline.write(message, promise)
    channel.pipeline.write(message)
    channel.pipeline.connect(("host", 1), promise)
    assert got == [message, event, (message, promise), (message, None), (("host", 1), promise)]


@pytest.mark.parametrize(("operation", "verb"), [("bind", "bound"), ("connect", "connected")], ids=["bind", "connect"])
def test_a_channel_that_has_no_use_for_an_address_fails_the_promise(operation: str, verb: str) -> None:
    channel = EmbeddedChannel()
    promise = channel.new_promise()
    getattr(channel.pipeline, operation)("somewhere", promise)
    with pytest.raises(PipelineError, match=f"cannot be {verb} to 'somewhere'"):
        promise.result()


# -- exceptions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", INBOUND)
def test_an_inbound_event_that_raises_goes_to_its_own_handler_first_and_then_tailward(event: str) -> None:
    log: Log = []
    channel = EmbeddedChannel(
        ("a", tracer("a", log, "exception_caught")),
        ("b", tracer("b", log, event, "exception_caught")),
        ("c", tracer("c", log, event, "exception_caught", keeps=True)),
    )
    log.clear()
    channel.pipeline.get("b").failure = ValueError("no")
    getattr(channel.pipeline, f"fire_{event}")(*_ARGUMENTS.get(event, ()))
    assert log == [f"b.{event}", "b.exception_caught", "c.exception_caught"]


@pytest.mark.parametrize("event", _WITH_PROMISE)
def test_an_outbound_operation_that_raises_fails_its_promise_and_nothing_else(event: str) -> None:
    log: Log = []
    channel = three(log)
    failure = channel.pipeline.get("a").failure = ValueError("no")
    promise = channel.new_promise()
    arguments = _ARGUMENTS[event][:-1]
    send(seat(channel, "c"), event, *arguments, promise)
    assert promise.exception() is failure
    assert log == [f"a.{event}"]
    assert channel.is_open


@pytest.mark.parametrize("event", OUTBOUND)
def test_an_outbound_operation_without_a_promise_that_raises_goes_to_exception_caught(event: str) -> None:
    log: Log = []
    channel = EmbeddedChannel(
        ("a", tracer("a", log, "exception_caught")),
        ("b", tracer("b", log, event, "exception_caught")),
        ("c", tracer("c", log, "exception_caught", keeps=True)),
    )
    channel.pipeline.get("b").failure = ValueError("no")
    getattr(channel.pipeline, event)(*_ARGUMENTS.get(event, ()))
    assert log == [f"b.{event}", "b.exception_caught", "c.exception_caught"]


def test_a_stage_that_fails_to_close_does_not_keep_the_channel_open(caplog: pytest.LogCaptureFixture) -> None:
    log: Log = []
    channel = EmbeddedChannel(("a", tracer("a", log, "close")), ("b", tracer("b", log, "close")))
    channel.pipeline.get("b").failure = ValueError("cannot close")
    channel.pipeline.fire_exception_caught(ValueError("the first"))
    assert log == ["b.close", "a.close"]
    assert not channel.is_open
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["the first", "cannot close"]


def test_a_stage_that_fails_to_close_while_another_takes_its_time_is_asked_once() -> None:
    log: Log = []
    channel = EmbeddedChannel(("a", tracer("a", log, "close", keeps=True)), ("b", tracer("b", log, "close")))
    channel.pipeline.get("b").failure = ValueError("cannot close")
    channel.pipeline.fire_exception_caught(ValueError("the first"))
    assert log == ["b.close", "a.close"]


@pytest.mark.parametrize("how", ["completed", "cancelled"])
def test_an_exception_that_comes_after_the_promise_has_its_outcome_is_not_lost(how: str) -> None:
    log: Log = []

    class CompletesAndRaises(ChannelDuplexHandler[Any, Any, Any, Any]):
        def write(self, ctx: ChannelHandlerContext, msg: Any, promise: ChannelFuture[Any] | None) -> None:
            assert promise is not None
            if how == "completed":
                promise.set_result(None)
            else:
                promise.cancel()
            raise ValueError("after all")

    channel = EmbeddedChannel(CompletesAndRaises(), tracer("c", log, "exception_caught", keeps=True))
    channel.write(b"x")
    assert log == ["c.exception_caught"]


def test_flushing_goes_on_after_a_write_that_failed() -> None:
    log: Log = []
    channel = three(log)
    channel.pipeline.get("c").failure = ValueError("no")
    promise = channel.new_promise()
    channel.pipeline.write_and_flush(b"x", promise)
    assert log == ["c.write", "c.flush", "c.exception_caught"]
    assert isinstance(promise.exception(), ValueError)


class Circle(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Every operation of the pipeline comes back here, and begins anew; ``rounds`` counts."""

    rounds = 0

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        ctx.pipeline.fire_user_event_triggered(event)

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        if isinstance(exc, RecursionError):
            ctx.fire_exception_caught(exc)
        else:
            ctx.pipeline.fire_exception_caught(exc)

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: Any) -> None:
        ctx.pipeline.write(msg)

    def flush(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        ctx.pipeline.flush()

    def close(self, ctx: ChannelHandlerContext[Any, Any], promise: Any) -> None:
        self.rounds += 1
        if self.rounds > 100_000:
            raise KeyboardInterrupt("this would never end")
        ctx.pipeline.close()


@pytest.mark.parametrize("event", ["user_event_triggered", "exception_caught", "write", "flush", "close"])
def test_a_stage_that_goes_in_circles_costs_its_channel_and_not_the_loop(event: str) -> None:
    channel = EmbeddedChannel(("circle", Circle()))
    channel.loop.execute(send, channel.pipeline, event, *_ARGUMENTS.get(event, ()))
    with pytest.raises(RecursionError):
        channel.run_pending()
    assert not channel.is_open
    assert isinstance(channel.close_reason, RecursionError)


@pytest.mark.parametrize("raised", [ValueError("twice"), SystemExit(1), GeneratorExit()], ids=lambda exc: repr(exc))
def test_an_exception_inside_exception_caught_is_logged_and_ends_there(
    raised: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    class Fails(ChannelDuplexHandler[Any, Any, Any, Any]):
        def exception_caught(self, ctx: ChannelHandlerContext, exc: BaseException) -> None:
            raise raised

    log: Log = []
    channel = EmbeddedChannel(("fails", Fails()), tracer("c", log, "exception_caught"))
    channel.pipeline.fire_exception_caught(ValueError("once"))
    assert log == []
    assert channel.is_open
    [record] = caplog.records
    assert record.name == "pipeline_net.pipeline"
    assert record.levelno == logging.ERROR
    assert record.getMessage() == f"{channel}: exception_caught of 'fails' raised"
    assert record.exc_info is not None
    assert record.exc_info[1] is raised


@pytest.mark.parametrize("event", [*INBOUND, *OUTBOUND])
def test_a_system_exit_is_an_exception_like_any_other(event: str) -> None:
    log: Log = []
    channel = EmbeddedChannel(tracer("b", log, event), tracer("c", log, "exception_caught", keeps=True))
    log.clear()
    channel.pipeline.get(Tracer).failure = SystemExit(1)
    start = getattr(channel.pipeline, event if event in OUTBOUND else f"fire_{event}")
    start(*_ARGUMENTS.get(event, ()))
    assert log == [f"b.{event}", "c.exception_caught"]


@pytest.mark.parametrize("event", [*INBOUND, *OUTBOUND, "exception_caught"])
def test_a_keyboard_interrupt_passes_through_to_whoever_runs_the_loop(event: str) -> None:
    class Interrupted(ChannelDuplexHandler[Any, Any, Any, Any]):
        pass

    def interrupt(self: Any, ctx: Any, *args: Any) -> None:
        if armed:
            raise KeyboardInterrupt

    armed = False
    log: Log = []
    cls = type("Interrupted", (Interrupted,), {event: interrupt})
    channel = EmbeddedChannel(
        ("a", tracer("a", log, event)), ("b", cls()), ("c", tracer("c", log, event, "exception_caught"))
    )
    log.clear()
    armed = True
    first = "c" if event in OUTBOUND else "a"
    start = getattr(channel.pipeline, event if event in OUTBOUND else f"fire_{event}")
    with pytest.raises(KeyboardInterrupt):
        start(*_ARGUMENTS.get(event, ()))
    assert log == [f"{first}.{event}"]
    armed = False


def test_an_unhandled_exception_is_logged_with_the_drawn_pipeline_and_closes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    channel = EmbeddedChannel(("only", tracer("only", [])))
    caplog.clear()
    description, drawing = str(channel), repr(channel.pipeline)
    error = ValueError("nobody wants me")
    channel.pipeline.fire_exception_caught(error)
    assert not channel.is_open
    [record] = caplog.records
    assert record.name == "pipeline_net.channel"
    assert record.levelno == logging.ERROR
    assert record.getMessage() == (  # also for who reads it only now
        f"{description}: an exception reached the end of the pipeline, so the channel is closed\n{drawing}"
    )
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    with pytest.raises(ValueError, match="nobody wants me"):
        channel.run_pending()


# -- removed seats ----------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [*INBOUND, "exception_caught"])
def test_a_removed_seat_still_fires_at_the_stage_that_came_next(event: str) -> None:
    log: Log = []
    channel = three(log)
    ctx = seat(channel, "b")
    channel.pipeline.remove("b")
    send(ctx, event, *_ARGUMENTS.get(event, ()))
    assert log == [f"c.{event}"]


@pytest.mark.parametrize("event", OUTBOUND)
def test_a_removed_seat_still_writes_to_the_stage_that_came_before(event: str) -> None:
    log: Log = []
    channel = three(log)
    ctx = seat(channel, "b")
    channel.pipeline.remove("b")
    send(ctx, event, *_ARGUMENTS.get(event, ()))
    assert log == [f"a.{event}"]


def test_a_removed_seat_finds_those_who_live_next_door_now() -> None:
    log: Log = []
    every = ("channel_read", "write")
    channel = EmbeddedChannel(
        ("a", tracer("a", log, *every)),
        ("b", tracer("b", log, *every)),
        ("c", tracer("c", log, *every)),
        ("d", tracer("d", log, *every)),
        ("e", tracer("e", log, *every)),
    )
    ctx = seat(channel, "c")
    for name in ("c", "b", "d"):
        channel.pipeline.remove(name)
    ctx.fire_channel_read(b"in")
    ctx.write(b"out")
    assert log == ["e.channel_read", "a.write"]
    channel.pipeline.replace("e", ("f", tracer("f", log, *every)), ("g", tracer("g", log, *every)))
    channel.pipeline.replace("a", ("h", tracer("h", log, *every)), ("i", tracer("i", log, *every)))
    log.clear()
    ctx.fire_channel_read(b"in")
    ctx.write(b"out")
    assert log == ["f.channel_read", "g.channel_read", "i.write", "h.write"]


def test_a_removed_seat_in_an_empty_pipeline_reaches_both_ends() -> None:
    channel = EmbeddedChannel(("a", tracer("a", [])), ("b", tracer("b", [])))
    ctx = seat(channel, "a")
    channel.pipeline.remove_all()
    ctx.fire_channel_read("in")
    ctx.write(b"out")
    channel.run_pending()
    assert channel.read_inbound() == "in"
    assert channel.read_outbound() == b"out"


def test_a_stage_that_removed_itself_and_then_raises_is_not_asked_again() -> None:
    log: Log = []

    class LeavesAndRaises(ChannelDuplexHandler[Any, Any, Any, Any]):
        def channel_read(self, ctx: ChannelHandlerContext, msg: Any) -> None:
            ctx.pipeline.remove(self)
            raise ValueError("I am gone")

        def exception_caught(self, ctx: ChannelHandlerContext, exc: BaseException) -> None:
            log.append("an event after handler_removed")

    channel = EmbeddedChannel(LeavesAndRaises(), tracer("c", log, "exception_caught", keeps=True))
    channel.write_inbound(b"x")
    assert log == ["c.exception_caught"]


@pytest.mark.skipif(not COMPILED, reason="Python learns that of all its own classes")
def test_python_learns_where_the_methods_of_a_context_are() -> None:
    """A handler says ``ctx.write`` for each message; ``leave_out_dicts`` of setup.py sees to it that this is quick."""
    context = EmbeddedChannel(Tracer()).pipeline.context("tracer")
    assert context is not None

    def ask(ctx: ChannelHandlerContext[Any, Any]) -> None:
        ctx.read()

    for _ in range(100):
        ask(context)
    learned = {step.opname for step in dis.get_instructions(ask, adaptive=True)}
    assert learned & {"LOAD_METHOD_NO_DICT", "LOAD_ATTR_METHOD_NO_DICT"}, learned  # of 3.11, and from 3.12 on
