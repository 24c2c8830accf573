"""Handlers: every event has a default that passes it on, and interpreted code can subclass every public base."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline_net import (
    ByteToMessageDecoder,
    Channel,
    ChannelDuplexHandler,
    ChannelFuture,
    ChannelHandler,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    ChannelOutboundHandler,
    MessageToByteEncoder,
    MessageToMessageCodec,
    MessageToMessageDecoder,
    MessageToMessageEncoder,
    PipelineError,
    ReceiveBuffer,
)
from pipeline_net.handler import INBOUND, OUTBOUND, has_its_own, overridden_events
from pipeline_net.loop import Loop
from pipeline_net.stage_facts import learn_facts
from pipeline_net.testing import EmbeddedChannel, EmbeddedLoop

Ctx = ChannelHandlerContext[Any, Any]

# Written down a second time, by hand: the promise, and what each event is fired or asked with.
_INBOUND: dict[str, tuple[Any, ...]] = {
    "channel_registered": (),
    "channel_active": (),
    "channel_read": ("message",),
    "channel_read_complete": (),
    "channel_eof": (),
    "channel_writability_changed": (),
    "user_event_triggered": ("event",),
    "channel_inactive": (),
    "channel_unregistered": (),
}
_OUTBOUND: dict[str, tuple[Any, ...]] = {
    "bind": ("address", None),
    "connect": ("address", None),
    "read": (),
    "write": (b"message", None),
    "flush": (),
    "shutdown_output": (None,),
    "close": (None,),
}


def overriding(base: type[Any], event: str, told: list[tuple[Any, ...]]) -> type[Any]:
    """Make a subclass of ``base`` that keeps one event to itself."""

    def keep(self: Any, ctx: Ctx, *args: Any) -> None:
        told.append(args)

    return type("Keeps", (base,), {event: keep})


def calling_super(base: type[Any], event: str, told: list[tuple[Any, ...]]) -> type[Any]:
    """Make a subclass of ``base`` that notes one event and leaves the rest to the default."""

    def note(self: Any, ctx: Ctx, *args: Any) -> None:
        told.append(args)
        getattr(base, event)(self, ctx, *args)

    return type("Notes", (base,), {event: note})


# -- events and their defaults --------------------------------------------------------------------------


def test_the_events_are_those_that_are_promised() -> None:
    assert tuple(_INBOUND) == INBOUND
    assert tuple(_OUTBOUND) == OUTBOUND


@pytest.mark.parametrize("event", [*_INBOUND, "exception_caught"])
@pytest.mark.parametrize("base", [ChannelInboundHandler, ChannelDuplexHandler])
def test_the_default_of_an_inbound_event_passes_it_on_tailward(base: type[Any], event: str) -> None:
    first: list[Any] = []
    last: list[Any] = []
    channel = EmbeddedChannel(
        calling_super(base, event, first)(), ChannelInboundHandler(), overriding(base, event, last)()
    )
    first.clear()
    last.clear()
    error = ValueError("passed on")
    args = (error,) if event == "exception_caught" else _INBOUND[event]
    getattr(channel.pipeline, f"fire_{event}")(*args)
    assert first == last == [args]


@pytest.mark.parametrize("event", _OUTBOUND)
@pytest.mark.parametrize("base", [ChannelOutboundHandler, ChannelDuplexHandler])
def test_the_default_of_an_outbound_event_passes_it_on_headward(base: type[Any], event: str) -> None:
    first: list[Any] = []
    last: list[Any] = []
    channel = EmbeddedChannel(
        overriding(base, event, last)(), ChannelOutboundHandler(), calling_super(base, event, first)()
    )
    args = _OUTBOUND[event]
    getattr(channel.pipeline, event)(*args)
    assert first == last == [args]


@pytest.mark.parametrize("event", [event for event, args in _OUTBOUND.items() if args])
def test_a_promise_is_passed_on_as_it_is(event: str) -> None:
    told: list[Any] = []
    noted: list[Any] = []
    channel = EmbeddedChannel(
        overriding(ChannelOutboundHandler, event, told)(), calling_super(ChannelOutboundHandler, event, noted)()
    )
    promise = channel.new_promise()
    getattr(channel.pipeline, event)(*_OUTBOUND[event][:-1], promise)
    assert told[0][-1] is noted[0][-1] is promise
    assert not promise.done()  # whoever keeps the operation completes it


def test_a_handler_that_only_comes_and_goes_sees_no_traffic() -> None:
    heard: list[str] = []

    class Comes(ChannelHandler):
        def handler_added(self, ctx: Ctx) -> None:
            heard.append("added")

        def handler_removed(self, ctx: Ctx) -> None:
            heard.append("removed")

    channel = EmbeddedChannel(Comes())
    channel.write_inbound(b"in")
    channel.write_outbound(b"out")
    channel.finish()
    assert heard == ["added", "removed"]
    assert (channel.inbound, channel.outbound) == ([b"in"], [b"out"])


def test_even_that_one_hears_of_what_went_wrong() -> None:
    told: list[Any] = []
    channel = EmbeddedChannel(overriding(ChannelHandler, "exception_caught", told)())
    error = ValueError("x")
    channel.pipeline.fire_exception_caught(error)
    assert told == [(error,)]
    assert channel.is_open


# -- which events a class overrides ---------------------------------------------------------------------


@pytest.mark.parametrize("base", [ChannelHandler, ChannelInboundHandler, ChannelOutboundHandler, ChannelDuplexHandler])
def test_the_bases_override_nothing(base: type[Any]) -> None:
    assert overridden_events(base) == frozenset()
    assert overridden_events(type("Sub", (base,), {})) == frozenset()


@pytest.mark.parametrize("event", [*_INBOUND, *_OUTBOUND, "exception_caught"])
def test_an_override_is_seen_where_it_is_and_in_subclasses(event: str) -> None:
    cls = overriding(ChannelDuplexHandler, event, [])
    assert overridden_events(cls) == {event}
    assert overridden_events(type("Sub", (cls,), {})) == {event}


def test_an_event_of_the_other_direction_is_just_a_method() -> None:
    class Confused(ChannelInboundHandler[Any]):
        def write(self, ctx: Ctx, msg: Any, promise: Any) -> None:
            pytest.fail("an inbound handler is not asked to write")

    assert overridden_events(Confused) == frozenset()
    channel = EmbeddedChannel(Confused())
    channel.write_outbound(b"x")
    assert channel.outbound == [b"x"]


def test_an_event_that_a_mixin_brings_is_seen_too() -> None:
    class Mixin:
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            ctx.fire_channel_read(msg * 2)

    class Doubles(Mixin, ChannelInboundHandler[Any, Any]):
        pass

    assert overridden_events(Doubles) == {"channel_read"}
    channel = EmbeddedChannel(Doubles())
    channel.write_inbound(b"ab")
    assert channel.inbound == [b"abab"]


# -- facts of an instance -------------------------------------------------------------------------------


def test_a_handler_is_not_shareable_and_holds_nothing_unless_it_says_so() -> None:
    handler = ChannelInboundHandler[Any]()
    assert (handler.shareable, handler.unread_bytes, handler.seats) == (False, 0, 0)
    assert handler.take_unread() == b""
    channel = EmbeddedChannel(handler)
    assert handler.seats == 1
    channel.pipeline.remove(handler)
    assert handler.seats == 0


def test_a_subclass_need_not_call_the_constructor_of_its_base() -> None:
    class Silent(ByteToMessageDecoder[bytes]):
        def __init__(self) -> None:
            self.mine = 1

        def decode(self, buffer: ReceiveBuffer) -> bytes | None:
            return buffer.take_all()

    channel = EmbeddedChannel(Silent())
    channel.write_inbound(b"x")
    assert channel.inbound == [b"x"]


# -- every public base, subclassed by interpreted code --------------------------------------------------


class Pairs(ByteToMessageDecoder[bytes]):
    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        return buffer.take(2) if len(buffer) >= 2 else None

    def decode_last(self, buffer: ReceiveBuffer) -> bytes | None:
        return buffer.take_all()


class Upper(MessageToByteEncoder[str]):
    def encode(self, msg: str) -> bytes:
        return msg.upper().encode()


class ToText(MessageToMessageDecoder[bytes, str]):
    def decode(self, ctx: Ctx, msg: bytes) -> list[str]:
        return list(msg.decode())


class FromText(MessageToMessageEncoder[str, bytes]):
    def encode(self, ctx: Ctx, msg: str) -> bytes | None:
        return msg.encode() or None


class Mirror(MessageToMessageCodec[bytes, bytes, bytes, bytes]):
    def decode(self, ctx: Ctx, msg: bytes) -> bytes:
        return msg[::-1]

    def encode(self, ctx: Ctx, msg: bytes) -> list[bytes]:
        return [msg[::-1], b"."]


@pytest.mark.parametrize(
    ("make", "inbound", "read"),
    [
        (Pairs, b"abc", [b"ab", b"c"]),
        (ToText, b"abc", ["a", "b", "c"]),
        (Mirror, b"abc", [b"cba"]),
    ],
)
def test_decoders_can_be_subclassed(make: Callable[[], ChannelHandler], inbound: bytes, read: list[Any]) -> None:
    channel = EmbeddedChannel(make())
    channel.write_inbound(inbound)
    channel.finish_input()
    assert channel.inbound == read


@pytest.mark.parametrize(
    ("make", "written", "outbound"),
    [
        (Upper, "abc", [b"ABC"]),
        (FromText, "abc", [b"abc"]),
        (FromText, "", []),
        (Mirror, b"abc", [b"cba", b"."]),
    ],
)
def test_encoders_can_be_subclassed(make: Callable[[], ChannelHandler], written: Any, outbound: list[Any]) -> None:
    channel = EmbeddedChannel(make())
    channel.write_outbound(written)
    assert channel.outbound == outbound


@pytest.mark.parametrize(
    ("stage", "act", "complaint"),
    [
        (ByteToMessageDecoder[Any], "write_inbound", r"must have a method decode\(self, buffer\)"),
        (MessageToMessageDecoder[Any, Any], "write_inbound", r"must have a method decode\(self, ctx, msg\)"),
        (MessageToMessageCodec[Any, Any, Any, Any], "write_inbound", r"must have a method decode\(self, ctx, msg\)"),
        (MessageToByteEncoder[Any], "write_outbound", r"must have a method encode\(self, msg\)"),
        (MessageToMessageEncoder[Any, Any], "write_outbound", r"must have a method encode\(self, ctx, msg\)"),
        (MessageToMessageCodec[Any, Any, Any, Any], "write_outbound", r"must have a method encode\(self, ctx, msg\)"),
    ],
)
def test_a_subclass_that_forgot_its_one_method_is_told_which(
    stage: Callable[[], ChannelHandler], act: str, complaint: str
) -> None:
    channel = EmbeddedChannel(stage())
    with pytest.raises(NotImplementedError, match=complaint):
        getattr(channel, act)(b"x")


def test_what_stages_work_with_can_be_subclassed() -> None:
    class OwnBuffer(ReceiveBuffer):
        def take(self, n: int) -> bytes:
            return super().take(n).upper()

    class OwnFuture(ChannelFuture[int]):
        def set_result(self, result: int) -> bool:
            return super().set_result(result * 2)

    class OwnContext(ChannelHandlerContext[Any, Any]):
        def fire_channel_read(self, msg: Any) -> None:
            super().fire_channel_read(msg + b"!")

    assert OwnBuffer(b"abc").take_all() == b"ABC"
    future = OwnFuture(EmbeddedLoop())
    future.set_result(21)
    assert future.result() == 42
    told: list[Any] = []
    keeps = overriding(ChannelInboundHandler, "channel_read", told)()
    channel = EmbeddedChannel(keeps)
    seat = channel.pipeline.context(keeps)
    assert seat is not None
    context = OwnContext(channel.pipeline, "own", ChannelHandler(), learn_facts(ChannelHandler, {}))
    context.link_to_next(seat)
    context.fire_channel_read(b"x")
    assert told == [(b"x!",)]


def test_a_transport_can_be_written_in_interpreted_code() -> None:
    class Loopback(Channel):
        """Reads what it writes."""

        def __init__(self, loop: Loop) -> None:
            super().__init__(loop, ChannelOptions())
            self.asked = False
            self.released = False
            self.got: list[Any] = []

        def reading_changed(self) -> None:
            self.asked = self.wants_to_read

        def flush_soon(self) -> None:
            self.loop.execute(self.send_pending)

        def send_pending(self) -> None:
            self.flush_is_due = False
            waiting = list(self.unsent)
            self.unsent.clear()
            for piece in waiting:
                self.pipeline.fire_channel_read(piece)
                self.progress(len(piece))

        def shut_down_transport(self) -> None:
            self.end_of_input()

        def release_transport(self) -> None:
            self.released = True

        def message_reached_tail(self, msg: Any) -> None:
            self.got.append(msg)

    loop = EmbeddedLoop()
    channel = Loopback(loop)
    channel.pipeline.add_last(Mirror())
    channel.register()
    channel.activate()
    assert channel.asked
    promise = channel.write(b"abc")
    loop.run_pending()
    assert promise.done()
    assert channel.got == [b"abc", b"."]
    channel.shutdown_output()
    loop.run_pending()
    assert channel.released
    assert channel.close_future.done()


def test_an_event_that_is_a_coroutine_or_a_generator_is_refused_when_it_is_seated() -> None:
    class Async(ChannelInboundHandler[bytes]):
        async def channel_read(self, ctx: Any, msg: bytes) -> None:  # type: ignore[override]  # the mistake
            ctx.write(msg)

    class Story(ChannelInboundHandler[bytes]):
        def handler_added(self, ctx: Any) -> Iterator[int]:  # type: ignore[override]  # the mistake
            yield 1

    for handler, event in ((Async(), "channel_read"), (Story(), "handler_added")):
        with pytest.raises(PipelineError, match=rf"{type(handler).__name__}\.{event} is a coroutine or a generator"):
            EmbeddedChannel(handler)
        channel = EmbeddedChannel()
        with pytest.raises(PipelineError, match="is a coroutine or a generator"):
            channel.pipeline.add_last(ChannelInboundHandler(), ("named", handler))
        assert channel.pipeline.names == []


@pytest.mark.parametrize("method", ["handler_added", "handler_removed"])
def test_whether_a_class_has_a_method_of_its_own_counts_its_bases(method: str) -> None:
    def greet(self: ChannelHandler, ctx: Ctx) -> None:
        log.append(f"{type(self).__name__}.{method}")

    log: list[str] = []
    base = type("Base", (ChannelInboundHandler,), {method: greet})
    heir = type("Heir", (base,), {})
    silent = type("Silent", (ChannelInboundHandler,), {})
    assert [has_its_own(cls, method) for cls in (base, heir, silent)] == [True, True, False]
    channel = EmbeddedChannel(base(), heir(), silent())
    channel.close()
    channel.run_pending()
    assert sorted(log) == [f"Base.{method}", f"Heir.{method}"]
