"""The order of things, line by line, as far as it shows without a socket; ``tests/transport`` has the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import (
    ByteToMessageDecoder,
    ChannelClosedError,
    ChannelDuplexHandler,
    ChannelFuture,
    ChannelHandlerContext,
    ChannelInboundHandler,
    CorruptedFrameError,
    EncodeError,
    FrameTooLongError,
    MessageToByteEncoder,
    MessageToMessageEncoder,
    ReceiveBuffer,
)
from pipeline_net.handler import INBOUND, OUTBOUND
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]
Log = list[str]

_EVERYTHING = (*INBOUND, *OUTBOUND, "exception_caught", "handler_added", "handler_removed")


class Tracer(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Writes down what it hears and passes it on; see ``tracer``."""


def tracer(log: Log, name: str, **acts: Callable[[Ctx], object]) -> tuple[str, Tracer]:
    """Make a stage that writes down every event as ``name.event``, and does ``acts[event]`` before it passes it on."""

    def record(event: str) -> Callable[..., None]:
        def method(self: Tracer, ctx: Ctx, *args: Any) -> None:
            log.append(f"{name}.{event}")
            if event in acts:
                acts[event](ctx)
            if event in OUTBOUND:
                getattr(ctx, event)(*args)
            elif not event.startswith("handler_"):
                getattr(ctx, f"fire_{event}")(*args)

        return method

    cls: type[Tracer] = type("Tracer", (Tracer,), {event: record(event) for event in _EVERYTHING})
    return name, cls()


class KeepsExceptions(ChannelInboundHandler[Any, Any]):
    """Sits at the end, and writes down what came there."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        self.log.append(repr(msg))

    def channel_read_complete(self, ctx: Ctx) -> None:
        self.log.append("read_complete")

    def channel_eof(self, ctx: Ctx) -> None:
        self.log.append("eof")
        ctx.fire_channel_eof()

    def channel_inactive(self, ctx: Ctx) -> None:
        self.log.append("inactive")

    def exception_caught(self, ctx: Ctx, exc: BaseException) -> None:
        self.log.append(type(exc).__name__)


class Words(ByteToMessageDecoder[str]):
    """Words end with a space; "!" breaks the rules, and a word of more than four bytes is skipped."""

    def decode(self, buffer: ReceiveBuffer) -> str | None:
        end = buffer.find(b" ")
        if end < 0:
            return None
        word = buffer.take(end + 1)[:-1]
        if b"!" in word:
            raise CorruptedFrameError("no shouting")
        if len(word) > 4:
            raise FrameTooLongError(len(word), 4)
        return word.decode()


def fail(ctx: Ctx) -> None:
    raise ValueError("no")


# -- opening ----------------------------------------------------------------------------------------


def test_a_channel_opens_with_added_then_registered_then_active_each_from_head_to_tail() -> None:
    log: Log = []
    EmbeddedChannel(tracer(log, "a"), tracer(log, "b"))
    assert log == [
        *("a.handler_added", "b.handler_added"),
        *("a.channel_registered", "b.channel_registered"),
        *("a.channel_active", "b.channel_active"),
    ]


def test_a_handler_added_to_an_active_channel_hears_nothing_of_that_and_looks_for_itself() -> None:
    log: Log = []
    channel = EmbeddedChannel()
    channel.pipeline.add_last(
        tracer(log, "a", handler_added=lambda ctx: log.append(f"active: {ctx.channel.is_active}"))
    )
    assert log == ["a.handler_added", "active: True"]


def test_a_handler_that_sits_there_from_the_start_is_added_before_the_channel_is_active() -> None:
    log: Log = []
    EmbeddedChannel(tracer(log, "a", handler_added=lambda ctx: log.append(f"active: {ctx.channel.is_active}")))
    assert log[:2] == ["a.handler_added", "active: False"]


# -- closing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event", ["channel_active", "channel_read", "channel_read_complete", "channel_eof", "user_event_triggered", "write"]
)
def test_closing_inside_an_event_never_re_enters_a_handler(event: str) -> None:
    log: Log = []

    def close(ctx: Ctx) -> None:
        ctx.close()
        log.append("closed")

    channel = EmbeddedChannel(tracer(log, "a"), tracer(log, "b", **{event: close}))
    if event != "channel_active":
        log.clear()
        if event == "write":
            channel.write(b"x")
        elif event == "channel_eof":
            channel.finish_input()
        elif event == "user_event_triggered":
            channel.fire_user_event("x")
        else:
            channel.write_inbound("x")
        channel.run_pending()
    start = log.index(f"b.{event}")
    assert log[start : start + 3] == [f"b.{event}", "a.close", "closed"]
    goodbye = log.index("a.channel_inactive")
    assert log[goodbye:] == [
        *("a.channel_inactive", "b.channel_inactive"),
        *("a.channel_unregistered", "b.channel_unregistered"),
        *("b.handler_removed", "a.handler_removed"),
    ]
    assert not {"a.channel_inactive", "a.channel_unregistered"} & set(log[:goodbye])


def test_futures_are_told_before_handlers_and_in_order() -> None:
    log: Log = []
    channel = EmbeddedChannel(tracer(log, "a"))
    channel.peer_window = 0
    promise = channel.new_promise()
    written = channel.write(b"never taken")
    channel.close_future.add_done_callback(lambda done: log.append("close future"))
    promise.add_done_callback(lambda done: log.append("close promise"))
    written.add_done_callback(lambda done: log.append(f"write: {type(done.exception()).__name__}"))
    log.clear()
    channel.pipeline.close(promise)
    channel.advance(channel.options.close_timeout)
    assert log == [
        *("a.close", "close future", "close promise", "write: ChannelClosedError"),
        *("a.channel_inactive", "a.channel_unregistered", "a.handler_removed"),
    ]


def test_everything_is_settled_already_when_the_handlers_hear_of_the_end() -> None:
    seen: list[Any] = []

    def look(ctx: Ctx) -> None:
        channel = ctx.channel
        seen.append((channel.is_open, channel.is_active, channel.close_future.done(), channel.pending_write_bytes))

    channel = EmbeddedChannel(tracer([], "a", channel_inactive=look))
    channel.peer_window = 0
    channel.write(b"never taken")
    channel.abort()
    channel.run_pending()
    assert seen == [(False, False, True, 0)]


def test_closing_twice_completes_twice_and_fires_once() -> None:
    log: Log = []
    channel = EmbeddedChannel(tracer(log, "a"))
    first, second = channel.close(), channel.close()
    channel.run_pending()
    third = channel.close()
    channel.run_pending()
    assert [future.result() for future in (first, second, third)] == [None, None, None]
    assert log.count("a.channel_inactive") == 1
    assert log.count("a.channel_unregistered") == 1
    assert log.count("a.handler_removed") == 1


def test_closing_again_while_the_first_one_still_sends_completes_with_it() -> None:
    channel = EmbeddedChannel()
    channel.peer_window = 0
    channel.write(b"x")
    first, second = channel.close(), channel.close()
    channel.run_pending()
    assert [first.done(), second.done()] == [False, False]
    channel.peer_window = 1
    channel.run_pending()
    assert [first.done(), second.done()] == [True, True]


def test_closing_before_registration_works_and_fires_nothing() -> None:
    log: Log = []
    channel = EmbeddedChannel(tracer(log, "a"), tracer(log, "b", handler_added=lambda ctx: ctx.channel.close()))
    assert log == [
        *("a.handler_added", "b.handler_added", "a.close"),  # b hears nothing before it is added
        *("b.handler_removed", "a.handler_removed"),
    ]
    assert channel.close_future.done()


def test_a_channel_that_never_was_active_fires_no_inactive() -> None:
    log: Log = []
    EmbeddedChannel(tracer(log, "a", channel_registered=lambda ctx: ctx.close()))
    assert log == [
        *("a.handler_added", "a.channel_registered"),
        *("a.channel_unregistered", "a.handler_removed"),
    ]


@pytest.mark.parametrize("operation", ["write", "write_and_flush", "shutdown_output"])
def test_using_a_closed_channel_fails(operation: str) -> None:
    channel = EmbeddedChannel()
    channel.finish()
    arguments = () if operation == "shutdown_output" else (b"x",)
    future = getattr(channel, operation)(*arguments)
    assert isinstance(future.exception(), ChannelClosedError)
    channel.flush()
    channel.abort()
    assert channel.outbound == []


def test_what_handlers_write_while_the_channel_closes_is_refused() -> None:
    futures: list[ChannelFuture[Any]] = []

    def write(ctx: Ctx) -> None:
        futures.append(ctx.new_promise())
        ctx.write(b"too late", futures[-1])

    acts = dict.fromkeys(["channel_inactive", "channel_unregistered", "handler_removed"], write)
    channel = EmbeddedChannel(tracer([], "a", **acts))
    channel.finish()
    assert [type(future.exception()) for future in futures] == [ChannelClosedError] * 3
    assert channel.outbound == []


# -- exceptions -------------------------------------------------------------------------------------


def test_after_an_exception_in_a_handler_the_batch_goes_on_and_ends() -> None:
    log: Log = []
    channel = EmbeddedChannel(tracer([], "a", channel_read=fail), KeepsExceptions(log))
    channel.write_inbound("x", "y")
    assert log == ["ValueError", "ValueError", "read_complete"]


def test_messages_decoded_before_an_error_are_delivered_before_it_and_none_after() -> None:
    log: Log = []
    channel = EmbeddedChannel(Words(), KeepsExceptions(log))
    channel.write_inbound(b"one two no! ever ")
    channel.write_inbound(b"more ")
    assert log == ["'one'", "'two'", "CorruptedFrameError", "read_complete", "read_complete"]


def test_a_frame_that_is_too_long_is_the_one_error_after_which_decoding_goes_on() -> None:
    log: Log = []
    channel = EmbeddedChannel(Words(), KeepsExceptions(log))
    channel.write_inbound(b"one unbelievable two ")
    assert log == ["'one'", "FrameTooLongError", "'two'", "read_complete"]


def test_a_decode_error_of_a_truncated_stream_comes_before_the_channel_is_inactive() -> None:
    log: Log = []
    channel = EmbeddedChannel(Words(), KeepsExceptions(log))
    channel.write_inbound(b"one tw")
    channel.finish_input()
    assert log == ["'one'", "read_complete", "CorruptedFrameError", "eof", "inactive"]


def test_an_exception_inside_exception_caught_is_logged_and_ends_there(caplog: pytest.LogCaptureFixture) -> None:
    log: Log = []
    channel = EmbeddedChannel(tracer([], "a", channel_read=fail, exception_caught=fail), KeepsExceptions(log))
    channel.write_inbound("x")
    assert log == ["read_complete"]
    assert "exception_caught of 'a' raised" in caplog.text


def test_an_exception_in_write_fails_its_promise_only() -> None:
    log: Log = []
    channel = EmbeddedChannel(tracer([], "a", write=fail), KeepsExceptions(log))
    future = channel.write(b"x")
    assert isinstance(future.exception(), ValueError)
    assert log == []
    assert channel.is_open


@pytest.mark.parametrize("operation", ["flush", "read"])
def test_an_exception_in_flush_or_read_goes_to_exception_caught(operation: str) -> None:
    log: Log = []
    channel = EmbeddedChannel(tracer([], "a", **{operation: fail}), KeepsExceptions(log))
    getattr(channel.pipeline, operation)()
    assert log == ["ValueError"]


class Encodes(MessageToByteEncoder[list[str]]):
    def encode(self, msg: list[str]) -> list[bytes]:
        return [word.encode("ascii") for word in msg]


class Spells(MessageToMessageEncoder[str, bytes]):
    def encode(self, ctx: Ctx, msg: str) -> list[bytes]:
        letters: list[bytes] = []
        for letter in msg:
            if letter == "?":
                raise EncodeError("no questions")
            letters.append(letter.encode())
        return letters


@pytest.mark.parametrize(("encoder", "message"), [(Encodes, ["fine", "schön"]), (Spells, "fine?")])
def test_an_encoder_that_raises_writes_nothing_of_that_message(encoder: Any, message: Any) -> None:
    channel = EmbeddedChannel(encoder())
    future = channel.write(message)
    channel.run_pending()
    assert future.exception() is not None
    assert channel.outbound == []
    assert channel.is_open
    assert channel.write_outbound(message[:1])  # the next message is not harmed


# -- coming and going -------------------------------------------------------------------------------


def test_a_handler_that_removed_itself_may_still_forward_through_its_old_seat() -> None:
    channel = EmbeddedChannel(tracer([], "a", channel_read=lambda ctx: ctx.pipeline.remove("a")))
    channel.write_inbound("x")
    assert channel.inbound == ["x"]
    assert channel.pipeline.names == []


def test_what_a_replaced_handler_forwards_goes_through_the_new_one() -> None:
    log: Log = []
    channel = EmbeddedChannel(
        tracer(log, "old", channel_read=lambda ctx: ctx.pipeline.replace("old", tracer(log, "new")))
    )
    log.clear()
    channel.write_inbound("x")
    assert log == [
        *("old.channel_read", "new.handler_added", "old.handler_removed", "new.channel_read"),
        "new.channel_read_complete",
    ]
    assert channel.inbound == ["x"]


def test_no_event_reaches_a_handler_before_its_handler_added_returned() -> None:
    log: Log = []
    channel = EmbeddedChannel(tracer([], "a"))

    def everything(ctx: Ctx) -> None:
        ctx.pipeline.fire_channel_read("x")
        ctx.pipeline.fire_user_event_triggered("x")
        ctx.channel.write(b"x")
        ctx.pipeline.fire_exception_caught(ValueError())
        log.append("returned")

    def add() -> None:
        channel.pipeline.add_after("a", tracer(log, "new", handler_added=everything))

    channel.pipeline.add_last(KeepsExceptions([]))
    thread = threading.Thread(target=add)
    thread.start()
    while thread.is_alive():
        channel.run_pending()
        thread.join(0.001)
    assert log == ["new.handler_added", "returned"]


@pytest.mark.parametrize("event", ["channel_inactive", "channel_unregistered"])
def test_stages_give_back_what_they_hold_although_the_goodbye_was_interrupted(event: str) -> None:
    def interrupt(self: Any, ctx: Any) -> None:
        raise KeyboardInterrupt

    class Holds(ChannelInboundHandler[Any]):
        is_holding = True

        def handler_removed(self, ctx: Any) -> None:
            self.is_holding = False

    interrupted = type("Interrupted", (ChannelInboundHandler,), {event: interrupt})
    channel = EmbeddedChannel(before := Holds(), interrupted(), behind := Holds())
    channel.close()
    with pytest.raises(KeyboardInterrupt):
        channel.run_pending()
    assert not before.is_holding
    assert not behind.is_holding
    assert channel.pipeline.names == []
