"""Seats that were left: what a handler still forwards goes to whoever lives next door at that moment.

A seat that has been removed may still be asked to forward: a decoder that takes itself out in the middle of a read, a
handler that was replaced while its answer was on its way.  Its handler is exchanged for one that looks for the
neighbours, so the living pay nothing for the dead.  Its links lead to a detour, a seat that nobody has::

    seat ─▶ detour ─▶ the neighbours of now

They could lead to the seat itself.  But then each channel in which a stage was replaced, such as one that began with
HTTP and goes on as a WebSocket, would have to wait for the garbage collector when it is closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .context import ChannelHandlerContext
from .ends import NOWHERE
from .handler import ChannelDuplexHandler

if TYPE_CHECKING:
    from .future import ChannelFuture

Seat: TypeAlias = ChannelHandlerContext[Any, Any]


class _Forwarder(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Stands in for the handler of a removed seat: hands everything to the seat's living neighbours.

    The methods are named with their class, for the neighbour's own may be those of a seat on a pool, which come later.
    """

    def exception_caught(self, ctx: Seat, exc: BaseException) -> None:
        ChannelHandlerContext.fire_exception_caught(_before_successor(ctx), exc)

    def channel_registered(self, ctx: Seat) -> None:
        ChannelHandlerContext.fire_channel_registered(_before_successor(ctx))

    def channel_active(self, ctx: Seat) -> None:
        ChannelHandlerContext.fire_channel_active(_before_successor(ctx))

    def channel_read(self, ctx: Seat, msg: Any) -> None:
        ChannelHandlerContext.fire_channel_read(_before_successor(ctx), msg)

    def channel_read_complete(self, ctx: Seat) -> None:
        ChannelHandlerContext.fire_channel_read_complete(_before_successor(ctx))

    def channel_eof(self, ctx: Seat) -> None:
        ChannelHandlerContext.fire_channel_eof(_before_successor(ctx))

    def channel_writability_changed(self, ctx: Seat) -> None:
        ChannelHandlerContext.fire_channel_writability_changed(_before_successor(ctx))

    def user_event_triggered(self, ctx: Seat, event: Any) -> None:
        ChannelHandlerContext.fire_user_event_triggered(_before_successor(ctx), event)

    def channel_inactive(self, ctx: Seat) -> None:
        ChannelHandlerContext.fire_channel_inactive(_before_successor(ctx))

    def channel_unregistered(self, ctx: Seat) -> None:
        ChannelHandlerContext.fire_channel_unregistered(_before_successor(ctx))

    def bind(self, ctx: Seat, address: Any, promise: ChannelFuture[Any] | None) -> None:
        ChannelHandlerContext.bind(_after_predecessor(ctx), address, promise)

    def connect(self, ctx: Seat, address: Any, promise: ChannelFuture[Any] | None) -> None:
        ChannelHandlerContext.connect(_after_predecessor(ctx), address, promise)

    def read(self, ctx: Seat) -> None:
        ChannelHandlerContext.read(_after_predecessor(ctx))

    def write(self, ctx: Seat, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        ChannelHandlerContext.write(_after_predecessor(ctx), msg, promise)

    def flush(self, ctx: Seat) -> None:
        ChannelHandlerContext.flush(_after_predecessor(ctx))

    def shutdown_output(self, ctx: Seat, promise: ChannelFuture[Any] | None) -> None:
        ChannelHandlerContext.shutdown_output(_after_predecessor(ctx), promise)

    def close(self, ctx: Seat, promise: ChannelFuture[Any] | None) -> None:
        ChannelHandlerContext.close(_after_predecessor(ctx), promise)


# It keeps no state, so one serves every seat of the process.
FORWARDS: Final = _Forwarder()


class _Detour(ChannelHandlerContext[Any, Any]):
    """Where the links of a removed seat lead.  It has none of its own: what comes here is forwarded."""

    def __init__(self, seat: Seat) -> None:
        self.channel = seat.channel
        self.name = seat.name
        self.next = seat.next
        self.prev = seat.prev
        _only_forward(self)


def vacate(seat: Seat) -> None:
    """Let ``seat`` leave the pipeline, with its neighbours of now: from here on it only forwards."""
    _only_forward(seat)
    seat.point_at(_Detour(seat))


def vacate_for_good(seat: Seat) -> None:
    """Let ``seat`` leave a pipeline in which nobody can be seated any more, so that its links stay right."""
    _only_forward(seat)
    seat.link_to_next(seat.next)
    seat.link_to_prev(seat.prev)


def retire(seat: Seat, ends: Seat) -> None:
    """Let ``seat`` leave the pipeline and forward to its ends: the channel is closed, and nobody is left in between.

    A seat that refers to itself would have to wait for the garbage collector, and many of them call it.
    """
    _only_forward(seat)
    seat.next = seat.prev = ends
    seat.point_at(ends)


def _only_forward(seat: Seat) -> None:
    seat.is_removed = True
    seat.handler = FORWARDS  # nor would those go by themselves that keep their context, as many do
    seat.reads = None
    seat.encodes = None
    seat.mask = 0
    seat.events = FORWARDS
    seat.inbound = FORWARDS
    seat.outbound = FORWARDS


def _before_successor(removed: Seat) -> Seat:
    """Find, for a removed seat, the living seat from which to fire so that its living successor comes next."""
    seat = removed.next
    while seat.is_removed:
        seat = seat.next
    return _neighbour(seat.prev, removed, seat)


def _after_predecessor(removed: Seat) -> Seat:
    """Find, for a removed seat, the living seat from which to write so that its living predecessor comes next."""
    seat = removed.prev
    while seat.is_removed:
        seat = seat.prev
    return _neighbour(seat.next, removed, seat)


def _neighbour(seat: Seat, removed: Seat, ends: Seat) -> Seat:
    """Take ``seat``; but if that is nowhere, the pipeline is no more, and what comes now is for its ends to refuse."""
    if seat is not NOWHERE:
        return seat
    retire(removed, ends)
    return removed
