"""The events of a seat on a pool, as numbers that wait in its queue; which of them a full pool may refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from . import event_bits
from .context import ChannelHandlerContext
from .forwarding import FORWARDS
from .handler import InboundEvents, OutboundEvents

if TYPE_CHECKING:
    from .loop import StageFacts

ADDED: Final = 0
REMOVED: Final = 1
CAUGHT: Final = 2
REGISTERED: Final = 3  # from here on, the bit of an event is 1 << (event - REGISTERED)
ACTIVE: Final = 4
READ: Final = 5
READ_COMPLETE: Final = 6
EOF: Final = 7
WRITABILITY: Final = 8
USER_EVENT: Final = 9
INACTIVE: Final = 10
UNREGISTERED: Final = 11
BIND: Final = 12
CONNECT: Final = 13
ASK: Final = 14
WRITE: Final = 15
FLUSH: Final = 16
SHUTDOWN: Final = 17
CLOSE: Final = 18


def is_refusable(event: int) -> bool:
    """Whether a pool without room may refuse it: what carries a message, of which there may be any number.

    What belongs to a seat's life is owed to it: the loss of one goodbye is for ever.
    """
    return event in (READ, WRITE, USER_EVENT)


def is_overridden(event: int, facts: StageFacts) -> bool:
    """Whether a class has an event of its own, and not the default that passes it on, or does nothing."""
    if event >= REGISTERED:
        return bool(facts.mask >> (event - REGISTERED) & 1)
    if event == CAUGHT:
        return bool(facts.mask & event_bits.EXCEPTION)
    return facts.is_greeted if event == ADDED else facts.is_bid_farewell


def pass_by(seat: ChannelHandlerContext[Any, Any], event: int, first: Any, second: Any) -> None:
    """Hand an event to the neighbours of a seat, past its handler; on the loop."""
    if event == CAUGHT:
        FORWARDS.exception_caught(seat, first)
    elif event >= BIND:
        run_outbound(FORWARDS, seat, event, first, second)
    elif event >= REGISTERED:
        run_inbound(FORWARDS, seat, event, first)


def run_inbound(handler: InboundEvents, seat: ChannelHandlerContext[Any, Any], event: int, first: Any) -> None:
    """Call the method of ``handler`` for an inbound event."""
    if event == READ:
        handler.channel_read(seat, first)
    elif event == READ_COMPLETE:
        handler.channel_read_complete(seat)
    elif event == REGISTERED:
        handler.channel_registered(seat)
    elif event == ACTIVE:
        handler.channel_active(seat)
    elif event == EOF:
        handler.channel_eof(seat)
    elif event == WRITABILITY:
        handler.channel_writability_changed(seat)
    elif event == USER_EVENT:
        handler.user_event_triggered(seat, first)
    elif event == INACTIVE:
        handler.channel_inactive(seat)
    else:
        assert event == UNREGISTERED
        handler.channel_unregistered(seat)


def run_outbound(
    handler: OutboundEvents, seat: ChannelHandlerContext[Any, Any], event: int, first: Any, promise: Any
) -> None:
    """Call the method of ``handler`` for an outbound operation."""
    if event == WRITE:
        handler.write(seat, first, promise)
    elif event == FLUSH:
        handler.flush(seat)
    elif event == BIND:
        handler.bind(seat, first, promise)
    elif event == CONNECT:
        handler.connect(seat, first, promise)
    elif event == ASK:
        handler.read(seat)
    elif event == SHUTDOWN:
        handler.shutdown_output(seat, promise)
    else:
        assert event == CLOSE
        handler.close(seat, promise)
