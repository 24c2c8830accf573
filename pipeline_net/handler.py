"""Handlers: what you subclass.  Every event has a default that passes it on, so a handler is only what it changes.

Which event a class overrides is read once per class; when a pipeline changes, every seat learns the next seat that
overrides each event.  So a handler that does not care about an event costs nothing when that event travels.

The four type parameters say what flows through a handler::

                 InboundIn    from the wire side          OutboundOut   to the wire side
                     │                                        ▲
                 ┌───▼────────────────────────────────────────┴───┐
                 │                    handler                     │
                 └───┬────────────────────────────────────────▲───┘
                     ▼                                        │
                 InboundOut   to the next handler         OutboundIn    written by the next handler

They exist for the type checker, which holds neighbours in ``wire() >> …`` against each other; at run time nothing
looks at them.  All have defaults, so ``ChannelInboundHandler[bytes]`` is enough.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Never

from typing_extensions import TypeVar

from ._mypyc import mypyc_attr, trait
from .errors import PipelineError

if TYPE_CHECKING:
    from .context import ChannelHandlerContext
    from .future import ChannelFuture

InboundIn = TypeVar("InboundIn", contravariant=True, default=Any)
InboundOut = TypeVar("InboundOut", covariant=True, default=Never)
OutboundIn = TypeVar("OutboundIn", contravariant=True, default=Any)
OutboundOut = TypeVar("OutboundOut", covariant=True, default=Any)


@mypyc_attr(allow_interpreted_subclasses=True)
class ChannelHandler:
    """What all handlers share: they come, they go, and they hear of what went wrong.

    Subclass one of the siblings below instead; this class alone sees no traffic.
    """

    shareable: ClassVar[bool] = False
    """Whether one instance may sit in several pipelines at once.  It then must keep no state of a connection."""

    only_encodes: ClassVar[bool] = False
    """Said by the class that has ``write``, if that only passes on what ``encode(msg)`` returns, a list piece by piece.
    Then whoever writes to the handler may call ``encode`` itself.
    """

    seats: int = 0  # in how many pipelines the instance sits now; kept by them

    @property
    def unread_bytes(self) -> int:
        """How many bytes the handler holds that it has not passed on yet; shown in the drawn pipeline."""
        return 0

    def take_unread(self) -> bytes:
        """Give away the bytes that the handler holds, as they came from the wire; for whoever takes over the stream."""
        return b""

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Called before any event reaches the handler.  A channel may be active already: see
        ``ctx.channel.is_active``.
        """

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Called after the last event.  Give back what the handler holds."""

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        """An event of this handler, or of one nearer to the wire, raised ``exc``."""
        ctx.fire_exception_caught(exc)


@trait
@mypyc_attr(allow_interpreted_subclasses=True)
class InboundEvents:
    """Events that travel from the wire to the application: head to tail."""

    def channel_registered(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """The channel has a loop, which it keeps for ever."""
        ctx.fire_channel_registered()

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """The channel is connected: it may be read and written."""
        ctx.fire_channel_active()

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        """A message came.  The first handler gets ``bytes``; each passes on what it makes of them."""
        ctx.fire_channel_read(msg)

    def channel_read_complete(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Everything that one wake-up of the loop brought has been delivered."""
        ctx.fire_channel_read_complete()

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """The peer will send no more; it may still listen.  The tail answers with ``close()``: keep the event to
        stay half-open.
        """
        ctx.fire_channel_eof()

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """``ctx.channel.is_writable`` has changed: the pending bytes passed a water mark."""
        ctx.fire_channel_writability_changed()

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        """Some handler announced something: a handshake that is done, a connection that is idle."""
        ctx.fire_user_event_triggered(event)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """The channel is closed."""
        ctx.fire_channel_inactive()

    def channel_unregistered(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """The loop has forgotten the channel.  Only ``handler_removed`` follows."""
        ctx.fire_channel_unregistered()


@trait
@mypyc_attr(allow_interpreted_subclasses=True)
class OutboundEvents:
    """Operations that travel from the application to the wire: tail to head.

    ``promise`` is a ``ChannelFuture``, or ``None`` when nobody asked.  A handler passes it on or completes it,
    exactly once.
    """

    def bind(self, ctx: ChannelHandlerContext[Any, Any], address: Any, promise: ChannelFuture[Any] | None) -> None:
        """Take a local address (datagram channels)."""
        ctx.bind(address, promise)

    def connect(self, ctx: ChannelHandlerContext[Any, Any], address: Any, promise: ChannelFuture[Any] | None) -> None:
        """Connect to ``address``."""
        ctx.connect(address, promise)

    def read(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Somebody asks for one more batch, while ``auto_read`` is off."""
        ctx.read()

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        """Somebody writes ``msg``.  What reaches the head must be ``bytes``-like or a ``FileRegion``."""
        ctx.write(msg, promise)

    def flush(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Send now what has been written."""
        ctx.flush()

    def shutdown_output(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        """Say to the peer that nothing more will be sent; reading goes on."""
        ctx.shutdown_output(promise)

    def close(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        """Send what was written, then close."""
        ctx.close(promise)


@mypyc_attr(allow_interpreted_subclasses=True)
class ChannelInboundHandler(ChannelHandler, InboundEvents, Generic[InboundIn, InboundOut, OutboundOut]):
    """Reads ``InboundIn``, passes on ``InboundOut``, may write ``OutboundOut``."""


@mypyc_attr(allow_interpreted_subclasses=True)
class ChannelOutboundHandler(ChannelHandler, OutboundEvents, Generic[OutboundIn, OutboundOut]):
    """Is given ``OutboundIn`` to write, passes on ``OutboundOut``."""


@mypyc_attr(allow_interpreted_subclasses=True)
class ChannelDuplexHandler(
    ChannelHandler, InboundEvents, OutboundEvents, Generic[InboundIn, InboundOut, OutboundIn, OutboundOut]
):
    """Both at once: reads ``InboundIn``, passes on ``InboundOut``; is given ``OutboundIn``, passes on
    ``OutboundOut``.
    """


@mypyc_attr(allow_interpreted_subclasses=True)
class TransparentHandler(ChannelDuplexHandler[InboundIn, Any, Any, Any], Generic[InboundIn]):
    """Whatever flows → the same, both ways: it watches, counts, delays or refuses, and changes no message.

    In ``wire() >> …`` a stack keeps its types across such a stage.  ``TransparentHandler[bytes]`` fits only where
    ``bytes`` come from below; without brackets it fits everywhere.
    """


_NEVER_RUNS: Final = 0x20 | 0x80 | 0x200  # code flags of generators, coroutines and asynchronous generators

# One bit an event.  A seat's mask says which events its handler overrides; order as they are declared above.
INBOUND: tuple[str, ...] = (
    "channel_registered",
    "channel_active",
    "channel_read",
    "channel_read_complete",
    "channel_eof",
    "channel_writability_changed",
    "user_event_triggered",
    "channel_inactive",
    "channel_unregistered",
)
OUTBOUND: tuple[str, ...] = ("bind", "connect", "read", "write", "flush", "shutdown_output", "close")


def overridden_events(cls: type) -> frozenset[str]:
    """Name the events for which ``cls`` has a method of its own, not the default that passes on."""
    names: set[str] = set()
    for base, events in ((ChannelHandler, ("exception_caught",)), (InboundEvents, INBOUND), (OutboundEvents, OUTBOUND)):
        if issubclass(cls, base):
            names.update(event for event in events if getattr(cls, event) is not getattr(base, event))
    return frozenset(names)


def has_its_own(cls: type, method: str) -> bool:
    """Say whether ``cls`` has another ``method`` than ``ChannelHandler``, whose own does nothing."""
    return getattr(cls, method) is not getattr(ChannelHandler, method)


def interpreted_read(cls: type) -> FunctionType | None:
    """Find the function that ``channel_read`` of ``cls`` is, unless it is compiled, or there is none."""
    read = getattr(cls, "channel_read", None)
    return read if isinstance(read, FunctionType) else None


def interpreted_encode(cls: type) -> FunctionType | None:
    """Find the function that ``encode`` of ``cls`` is, if it is all that ``write`` does, and unless it is compiled."""
    for base in cls.__mro__:
        if "write" in base.__dict__:  # a subclass with another write says nothing of it
            encode = getattr(cls, "encode", None) if base.__dict__.get("only_encodes") else None
            return encode if isinstance(encode, FunctionType) else None
    return None


def refuse_coroutines(cls: type) -> None:
    """Refuse a class one of whose events is ``async def``, or a generator: calling it would do nothing.

    Raises:
        PipelineError: naming the method.
    """
    for event in (*sorted(overridden_events(cls)), "handler_added", "handler_removed"):
        code = getattr(getattr(cls, event), "__code__", None)
        if code is not None and code.co_flags & _NEVER_RUNS:
            raise PipelineError(
                f"{cls.__name__}.{event} is a coroutine or a generator, and calling it would do nothing: events are"
                " plain functions; what takes long belongs into ctx.loop.run_blocking(…) or add_last(…, executor=pool)"
            )
