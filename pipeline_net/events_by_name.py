"""EventsByName: calls a handler whose class has a direction of which its compiled base knows nothing.

Compiled code finds the method of an event in a table that an object carries: that of the compiled class which the
object's class is based on.  ``class Both(ChannelInboundHandler, ChannelOutboundHandler)`` in interpreted code has only
one such base.  The events of the other direction are not in its table, and mypyc's search for them does not end there:
it goes on in whatever memory comes before.  So such a handler is never asked through its table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .handler import ChannelDuplexHandler, InboundEvents, OutboundEvents

if TYPE_CHECKING:
    from .context import ChannelHandlerContext
    from .future import ChannelFuture

_IS_INTERPRETED: Final = __file__.endswith(".py")  # then every method is looked up by its name anyhow


def lacks_events(cls: type) -> bool:
    """Say whether ``cls`` has a direction that the compiled class under it has not."""
    if _IS_INTERPRETED:
        return False
    base: Any = cls
    while base is not object and "__mypyc_attrs__" not in base.__dict__:  # which every class has that mypyc compiled
        base = base.__base__
    return any(issubclass(cls, events) and not issubclass(base, events) for events in (InboundEvents, OutboundEvents))


class EventsByName(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Stands in for ``handler``: every event is looked up in it by name."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler

    def channel_registered(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._handler.channel_registered(ctx)

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._handler.channel_active(ctx)

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self._handler.channel_read(ctx, msg)

    def channel_read_complete(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._handler.channel_read_complete(ctx)

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._handler.channel_eof(ctx)

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._handler.channel_writability_changed(ctx)

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        self._handler.user_event_triggered(ctx, event)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._handler.channel_inactive(ctx)

    def channel_unregistered(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._handler.channel_unregistered(ctx)

    def bind(self, ctx: ChannelHandlerContext[Any, Any], address: Any, promise: ChannelFuture[Any] | None) -> None:
        self._handler.bind(ctx, address, promise)

    def connect(self, ctx: ChannelHandlerContext[Any, Any], address: Any, promise: ChannelFuture[Any] | None) -> None:
        self._handler.connect(ctx, address, promise)

    def read(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._handler.read(ctx)

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        self._handler.write(ctx, msg, promise)

    def flush(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._handler.flush(ctx)

    def shutdown_output(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        self._handler.shutdown_output(ctx, promise)

    def close(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        self._handler.close(ctx, promise)
