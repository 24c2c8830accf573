"""Handlers of two bases: each event reaches the method that the user wrote, whatever the compiled base knows of it."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

import pipeline_net
from pipeline_net import (
    ChannelDuplexHandler,
    ChannelHandler,
    ChannelInboundHandler,
    ChannelOutboundHandler,
    WorkerPool,
)
from pipeline_net.codecs import ByteToMessageDecoder, LineBasedFrameDecoder, MessageToByteEncoder
from pipeline_net.events_by_name import EventsByName, lacks_events
from pipeline_net.handler import INBOUND, OUTBOUND, InboundEvents, OutboundEvents
from pipeline_net.testing import EmbeddedChannel

_TWO_BASES = [
    (ChannelInboundHandler, ChannelOutboundHandler),
    (ChannelOutboundHandler, ChannelInboundHandler),
    (LineBasedFrameDecoder, ChannelOutboundHandler),
    (ChannelOutboundHandler, LineBasedFrameDecoder),
    (ChannelInboundHandler, MessageToByteEncoder),
]


def _told(*bases: type) -> type[Any]:
    """Make a class of ``bases`` that writes down each event and passes it on."""

    def method(event: str) -> Any:
        def told(self: Any, ctx: Any, *args: Any) -> None:
            self.seen.append(event)
            base = InboundEvents if event in INBOUND else OutboundEvents
            getattr(base, event)(self, ctx, *args)

        return told

    space: dict[str, Any] = {event: method(event) for event in (*INBOUND, *OUTBOUND)}
    space["__init__"] = lambda self: setattr(self, "seen", [])
    return type("Told", bases, space)


def _drive(channel: EmbeddedChannel, loop_turns: Any = None) -> None:
    channel.write_inbound(b"in\n")
    channel.pipeline.fire_user_event_triggered("event")
    channel.pipeline.fire_channel_writability_changed()
    channel.pipeline.read()
    channel.pipeline.write(b"out", None)
    channel.pipeline.flush()
    channel.run_pending()
    channel.pipeline.close()
    channel.run_pending()


@pytest.mark.parametrize("bases", _TWO_BASES, ids=lambda bases: "+".join(base.__name__ for base in bases))
def test_every_event_reaches_a_handler_of_two_bases(bases: tuple[type, ...]) -> None:
    handler = _told(*bases)()
    channel = EmbeddedChannel(handler)
    _drive(channel)
    assert channel.outbound == [b"out"]
    assert [event for event in (*INBOUND, *OUTBOUND) if event not in handler.seen] == [
        "channel_eof",
        "bind",
        "connect",
        "shutdown_output",
    ]  # which nobody asked for
    assert handler.seen.count("write") == handler.seen.count("channel_read") == 1


def test_the_base_that_is_written_first_has_the_first_word() -> None:
    class Both(ChannelInboundHandler[Any, Any, Any], ChannelOutboundHandler[Any, Any]):
        pass

    channel = EmbeddedChannel(Both())
    channel.write_inbound(b"in")
    channel.write_outbound(b"out")
    assert (channel.inbound, channel.outbound) == ([b"in"], [b"out"])


def test_a_decoder_that_also_hears_of_writes_decodes() -> None:
    class Counted(LineBasedFrameDecoder, ChannelOutboundHandler[bytes, bytes]):
        written: ClassVar[list[bytes]] = []

        def write(self, ctx: Any, msg: bytes, promise: Any) -> None:
            self.written.append(msg)
            ctx.write(msg.upper(), promise)

    channel = EmbeddedChannel(Counted(64))
    channel.write_inbound(b"a\nb")
    channel.write_inbound(b"c\n")
    channel.write_outbound(b"out")
    assert (channel.inbound, channel.outbound, Counted.written) == ([b"a", b"bc"], [b"OUT"], [b"out"])


def test_an_error_of_a_handler_of_two_bases_goes_to_its_own_exception_caught() -> None:
    class Broken(ChannelInboundHandler[Any, Any, Any], ChannelOutboundHandler[Any, Any]):
        caught: BaseException | None = None

        def channel_read(self, ctx: Any, msg: Any) -> None:
            raise ValueError(msg)

        def exception_caught(self, ctx: Any, exc: BaseException) -> None:
            self.caught = exc

    handler = Broken()
    EmbeddedChannel(handler).write_inbound(b"x")
    assert repr(handler.caught) == "ValueError(b'x')"


@pytest.mark.parametrize("bases", _TWO_BASES[:2], ids=["inbound first", "outbound first"])
def test_a_handler_of_two_bases_may_run_on_a_pool(bases: tuple[type, ...]) -> None:
    handler = _told(*bases)()
    pool = WorkerPool(1)
    try:
        channel = EmbeddedChannel()
        channel.pipeline.add_last(handler, executor=pool)
        channel.write_inbound(b"in")
        channel.write_outbound(b"out")
        assert pool.submit(int).result(10) == 0
        for _ in range(100):
            channel.run_pending()
            if channel.outbound and channel.inbound:
                break
            pool.submit(int).result(10)
        assert (channel.inbound, channel.outbound) == ([b"in"], [b"out"])
        assert {"channel_read", "write"} <= set(handler.seen)
    finally:
        pool.release()


def test_only_handlers_that_compiled_code_knows_half_of_are_asked_by_name() -> None:
    class Alone(ChannelInboundHandler[Any, Any, Any]):
        pass

    class Both(ChannelDuplexHandler[Any, Any, Any, Any]):
        pass

    class Decoder(ByteToMessageDecoder[bytes]):
        pass

    for cls in (Alone, Both, Decoder, ChannelDuplexHandler, LineBasedFrameDecoder, MessageToByteEncoder):
        assert not lacks_events(cls)
    for bases in _TWO_BASES:
        assert lacks_events(_told(*bases)) is pipeline_net.COMPILED
        assert lacks_events(type("Heir", (_told(*bases),), {})) is pipeline_net.COMPILED


def test_each_method_calls_its_namesake() -> None:
    calls: list[tuple[Any, ...]] = []

    class Recorder:
        def __getattr__(self, name: str) -> Any:
            return lambda *args: calls.append((name, *args))

    seat: Any = EmbeddedChannel(ChannelHandler()).pipeline.context("channel-handler")
    stand_in: Any = EventsByName(Recorder())
    alone = {"channel_read": ("m",), "user_event_triggered": ("e",), "bind": ("a", None), "connect": ("a", None)}
    with_promise = {"write": ("m", None), "shutdown_output": (None,), "close": (None,)}
    for event in (*INBOUND, *OUTBOUND):
        args = alone.get(event, with_promise.get(event, ()))
        getattr(stand_in, event)(seat, *args)
        assert calls.pop() == (event, seat, *args)
    assert not calls
