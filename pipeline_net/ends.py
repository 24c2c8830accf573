"""The two ends of a pipeline, and the place behind them.

The head turns operations into what the transport does; the tail ends the events that nobody kept.  Operations arrive at
the one and events at the other, so they share a handler.  It is stateless, and one serves every pipeline; its seat is
each pipeline's own.

Once a channel is closed and its stages have left, nothing may lead from its ends back to its ends: such a ring would
have to wait for the garbage collector, and a server whose peers come and go makes many.  So there they lead nowhere.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .context import ChannelHandlerContext
from .event_bits import EVERY_INBOUND, EVERY_OUTBOUND
from .handler import ChannelDuplexHandler
from .loop import StageFacts

if TYPE_CHECKING:
    from .future import ChannelFuture

logger = logging.getLogger("pipeline_net.pipeline")

Seat: TypeAlias = ChannelHandlerContext[Any, Any]


class _Silence(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Events end here."""

    def channel_registered(self, ctx: Seat) -> None:
        """Nothing follows."""

    def channel_active(self, ctx: Seat) -> None:
        """Nothing follows."""

    def channel_read_complete(self, ctx: Seat) -> None:
        """Nothing follows."""

    def channel_writability_changed(self, ctx: Seat) -> None:
        """Nothing follows."""

    def user_event_triggered(self, ctx: Seat, event: Any) -> None:
        """Nothing follows."""

    def channel_inactive(self, ctx: Seat) -> None:
        """Nothing follows."""

    def channel_unregistered(self, ctx: Seat) -> None:
        """Nothing follows."""

    def channel_read(self, ctx: Seat, msg: Any) -> None:
        """Nothing follows."""

    def channel_eof(self, ctx: Seat) -> None:
        """Nothing follows."""

    def close(self, ctx: Seat, promise: ChannelFuture[Any] | None) -> None:
        if promise is not None:
            promise.fulfil(None)  # it is closed


class _Ends(_Silence):
    """Turns what the stages ask for into what the transport does, and ends the events that nobody kept, saying so where
    somebody should have.  What is written does not come here: see ``ChannelHandlerContext.write``, which spares each
    message a call.
    """

    def bind(self, ctx: Seat, address: Any, promise: ChannelFuture[Any] | None) -> None:
        ctx.channel.transport_bind(address, promise)

    def connect(self, ctx: Seat, address: Any, promise: ChannelFuture[Any] | None) -> None:
        ctx.channel.transport_connect(address, promise)

    def read(self, ctx: Seat) -> None:
        ctx.channel.transport_read()

    def flush(self, ctx: Seat) -> None:
        ctx.channel.transport_flush()

    def shutdown_output(self, ctx: Seat, promise: ChannelFuture[Any] | None) -> None:
        ctx.channel.transport_shutdown_output(promise)

    def close(self, ctx: Seat, promise: ChannelFuture[Any] | None) -> None:
        ctx.channel.transport_close(promise)

    def exception_caught(self, ctx: Seat, exc: BaseException) -> None:
        ctx.channel.exception_reached_tail(exc)

    def channel_read(self, ctx: Seat, msg: Any) -> None:
        ctx.channel.message_reached_tail(msg)

    def channel_eof(self, ctx: Seat) -> None:
        ctx.close()


class _Nowhere(ChannelHandlerContext[Any, Any]):
    """A seat in no pipeline, where what comes after the end of a channel ends."""

    def __init__(self) -> None:
        self.name = "nowhere"
        self.is_removed = False
        self.reads = None
        self.encodes = None
        self.mask = ENDS_FACTS.mask
        self.handler = self.events = self.inbound = self.outbound = _Silence()

    def catch(self, exc: BaseException) -> None:
        logger.error("an exception came when its channel was closed already", exc_info=exc)


ENDS: Final = _Ends()
ENDS_FACTS: Final = StageFacts(EVERY_INBOUND | EVERY_OUTBOUND, "ends")
NOWHERE: Final = _Nowhere()
