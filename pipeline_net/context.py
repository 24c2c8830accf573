"""ChannelHandlerContext: a handler's seat in one pipeline, from which events start.

Events go to the next seat whose handler *overrides* them.  Where those go that come with every message, a seat knows
(``to_channel_read`` …; the pipeline refreshes them when it changes): firing is two attribute loads and a call.  What
comes a few times in the life of a channel is looked for when it comes, for a link would be renewed more often than it
is used.

A seat that has been removed may still be asked to forward; ``forwarding`` tells how it does.

What a handler raises is caught where the event was fired:

* an inbound event: the exception goes to that handler's own ``exception_caught``, and from there tailward;
* an outbound operation: it fails the promise, or goes to ``exception_caught`` when there is none;
* ``exception_caught`` itself: logged, and it ends there.

``KeyboardInterrupt`` alone is let through: it is meant for whoever runs the loop, not for a connection.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Generic

from typing_extensions import TypeVar

from . import event_bits
from ._mypyc import i64, mypyc_attr
from .complaints import level_of_failure
from .errors import ForeignThreadError
from .events_by_name import EventsByName
from .handler import ChannelDuplexHandler, ChannelHandler, InboundEvents, OutboundEvents, TransparentHandler
from .pieces import check_pieces

if TYPE_CHECKING:
    from .channel import Channel
    from .future import ChannelFuture
    from .loop import Loop, StageFacts
    from .pipeline import ChannelPipeline

MayFire = TypeVar("MayFire", contravariant=True, default=Any)
MayWrite = TypeVar("MayWrite", contravariant=True, default=Any)

logger = logging.getLogger("pipeline_net.pipeline")


@mypyc_attr(allow_interpreted_subclasses=True)
class ChannelHandlerContext(Generic[MayFire, MayWrite]):
    """A handler's seat: what it fires starts at the next seat, what it writes at the one before."""

    # The next seat that overrides the event; see link_to_next and link_to_prev.
    to_channel_read: ChannelHandlerContext[Any, Any]
    to_channel_read_complete: ChannelHandlerContext[Any, Any]
    to_read: ChannelHandlerContext[Any, Any]
    to_write: ChannelHandlerContext[Any, Any]
    to_flush: ChannelHandlerContext[Any, Any]

    runs_on_pool: bool = False  # then what it fires does not reach the next seat at once

    def __init__(self, pipeline: ChannelPipeline, name: str, handler: ChannelHandler, facts: StageFacts) -> None:
        self.channel: Channel = pipeline.channel
        self.name = name
        self.handler = handler
        self.facts = facts  # of the handler's class
        self.is_removed = False
        # What events are called on: the handler, or what stands in for it (a pool's proxy, a removed seat's forwarder).
        self.events: ChannelHandler = handler
        self.inbound: InboundEvents = PASSES_ON
        self.outbound: OutboundEvents = PASSES_ON
        if facts.by_name:
            self.inbound = self.outbound = EventsByName(handler)
        else:
            if isinstance(handler, InboundEvents):
                self.inbound = handler
            if isinstance(handler, OutboundEvents):
                self.outbound = handler
        self.reads: Any = None  # the function that channel_read of the handler is, if it is interpreted; see StageFacts
        self.encodes: Any = None  # likewise encode, if that is all that write does; the ends' is False, see write
        self.mask: i64 = 0  # nothing reaches a handler before its handler_added returned
        self.next: ChannelHandlerContext[Any, Any] = self
        self.prev: ChannelHandlerContext[Any, Any] = self
        self.point_at(self)  # also those that are linked next: the interpreter wants all objects made alike

    @property
    def pipeline(self) -> ChannelPipeline:
        """The pipeline of the channel."""
        return self.channel.pipeline

    @property
    def loop(self) -> Loop:
        """The loop of the channel."""
        return self.channel.loop

    @property
    def is_next_to_wire(self) -> bool:
        """Whether this seat reads what the transport has read: no stage before it changes a message."""
        seat = self.prev
        while isinstance(seat.handler, TransparentHandler):
            seat = seat.prev
        return seat.is_ends

    @property
    def is_ends(self) -> bool:
        """Whether this is no stage's seat, but the one where the pipeline begins and ends."""
        return self.encodes is False

    def __repr__(self) -> str:
        return f"<{self.name} (removed)>" if self.is_removed else f"<{self.name}: {type(self.handler).__name__}>"

    def new_promise(self) -> ChannelFuture[Any]:
        """Make a promise to pass along with an operation."""
        return self.channel.new_promise()

    # -- inbound: fired at the next handler that overrides the event --------------------------------

    def fire_channel_registered(self) -> None:
        seat = self.next_with(event_bits.REGISTERED)
        try:
            seat.inbound.channel_registered(seat)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            seat.catch(exc)

    def fire_channel_active(self) -> None:
        seat = self.next_with(event_bits.ACTIVE)
        try:
            seat.inbound.channel_active(seat)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            seat.catch(exc)

    def fire_channel_read(self, msg: MayFire) -> None:
        seat = self.to_channel_read
        try:
            reads = seat.reads
            if reads is not None:
                reads(seat.inbound, seat, msg)
            else:
                seat.inbound.channel_read(seat, msg)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            seat.catch(exc)

    def fire_channel_read_complete(self) -> None:
        seat = self.to_channel_read_complete
        try:
            seat.inbound.channel_read_complete(seat)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            seat.catch(exc)

    def fire_channel_eof(self) -> None:
        seat = self.next_with(event_bits.EOF)
        try:
            seat.inbound.channel_eof(seat)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            seat.catch(exc)

    def fire_channel_writability_changed(self) -> None:
        seat = self.next_with(event_bits.WRITABILITY)
        try:
            seat.inbound.channel_writability_changed(seat)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            seat.catch(exc)

    def fire_user_event_triggered(self, event: Any) -> None:
        seat = self.next_with(event_bits.USER_EVENT)
        try:
            seat.inbound.user_event_triggered(seat, event)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            seat.catch(exc)

    def fire_channel_inactive(self) -> None:
        seat = self.next_with(event_bits.INACTIVE)
        try:
            seat.inbound.channel_inactive(seat)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            seat.catch(exc)

    def fire_channel_unregistered(self) -> None:
        seat = self.next_with(event_bits.UNREGISTERED)
        try:
            seat.inbound.channel_unregistered(seat)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            seat.catch(exc)

    def fire_exception_caught(self, exc: BaseException) -> None:
        self.next_with(event_bits.EXCEPTION).catch(exc)

    def catch(self, exc: BaseException) -> None:
        """Offer ``exc`` to this seat's own handler."""
        try:
            self.events.exception_caught(self, exc)
        except KeyboardInterrupt:
            raise
        except BaseException as raised:  # noqa: BLE001 - no user code can kill a loop
            self.log_raising_catcher(raised)

    def log_raising_catcher(self, raised: BaseException) -> None:
        """Say that ``exception_caught`` itself raised: it ends there, for there is nobody left to ask."""
        if isinstance(raised, RecursionError):
            self._abort_soon(raised)  # first, for here it may be too deep even for a line in the log
        level = level_of_failure(self.channel.loop, logger, raised, type(self.handler).__name__)
        logger.log(level, "%s: exception_caught of %r raised", self.channel, self.name, exc_info=raised)

    # -- outbound: asked of the previous handler that overrides the operation -----------------------

    def bind(self, address: Any, promise: ChannelFuture[Any] | None = None) -> None:
        seat = self.prev_with(event_bits.BIND)
        try:
            seat.outbound.bind(seat, address, promise)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            seat.refuse(exc, promise)

    def connect(self, address: Any, promise: ChannelFuture[Any] | None = None) -> None:
        seat = self.prev_with(event_bits.CONNECT)
        try:
            seat.outbound.connect(seat, address, promise)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            seat.refuse(exc, promise)

    def read(self) -> None:
        seat = self.to_read
        try:
            seat.outbound.read(seat)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            seat.operation_failed(exc)

    def write(self, msg: MayWrite, promise: ChannelFuture[Any] | None = None) -> None:
        seat = self.to_write
        try:
            encodes = seat.encodes
            if encodes is None:
                seat.outbound.write(seat, msg, promise)
                return
            if encodes:
                msg = encodes(seat.outbound, msg)
                if seat.to_write.encodes is not False:  # that was not the last stage before the head
                    seat.write_encoded(msg, promise)
                    return
            channel = seat.channel
            if channel.flush_is_due and promise is None and isinstance(msg, bytes):
                size: i64 = len(msg)
                written: i64 = channel.written + size
                if size > 0 and written <= channel.room_until:  # nearly every write; see transport_write
                    channel.unsent.append(msg)
                    channel.written = written
                    return
            if encodes:
                seat.write_encoded(msg, promise)
            else:
                channel.transport_write(msg, promise)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            seat.refuse(exc, promise)

    def write_all(self, messages: list[Any], promise: ChannelFuture[Any] | None = None) -> None:
        """Write several messages in the place of one: nobody gets in between, and the promise is kept with the last."""
        if messages:
            self.channel.write_together(self, messages, promise)
        elif promise is not None:
            self.channel.write_nothing(promise)

    def write_part(self, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        """Write one of the messages of ``write_all``; on the channel's loop."""
        self.write(msg, promise)

    def write_encoded(self, encoded: Any, promise: ChannelFuture[Any] | None) -> None:
        """Write what ``encode`` of this seat's handler has returned."""
        if isinstance(encoded, list):
            check_pieces(encoded, self.handler)
            self.write_all(encoded, promise)
        else:
            if not isinstance(encoded, bytes):
                check_pieces([encoded], self.handler)
            self.write(encoded, promise)

    def flush(self) -> None:
        seat = self.to_flush
        try:
            seat.outbound.flush(seat)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            seat.operation_failed(exc)

    def write_and_flush(self, msg: MayWrite, promise: ChannelFuture[Any] | None = None) -> None:
        self.write(msg, promise)
        self.flush()

    def shutdown_output(self, promise: ChannelFuture[Any] | None = None) -> None:
        seat = self.prev_with(event_bits.SHUTDOWN)
        try:
            seat.outbound.shutdown_output(seat, promise)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            seat.refuse(exc, promise)

    def close(self, promise: ChannelFuture[Any] | None = None) -> None:
        seat = self.prev_with(event_bits.CLOSE)
        try:
            seat.outbound.close(seat, promise)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            seat.close_failed(exc, promise)

    def refuse(self, exc: BaseException, promise: ChannelFuture[Any] | None) -> None:
        """Fail ``promise`` with what this seat's handler raised; without one, offer the exception to the handler."""
        told = promise is not None and promise.fail_if_pending(exc)
        if isinstance(exc, ForeignThreadError):
            raise exc  # handlers must not run on the thread that it came from
        if not told:
            self.operation_failed(exc)

    def operation_failed(self, exc: BaseException) -> None:
        """Offer what an operation of this seat's handler raised to that handler; what the transport raised, to all."""
        if self.is_ends:
            self.fire_exception_caught(exc)
        else:
            self.catch(exc)

    def close_failed(self, exc: BaseException, promise: ChannelFuture[Any] | None) -> None:
        """Report what this seat's ``close`` raised; if nobody waits for it, those before it close all the same."""
        if isinstance(exc, RecursionError):
            self._abort_soon(exc)  # tried from here, each of a thousand frames would go down again
        elif promise is None and not self.is_ends:
            self.close()
        self.refuse(exc, promise)

    def _abort_soon(self, exc: RecursionError) -> None:
        """End the channel with the stack unwound: too deep down, what is begun may not come to its end."""
        self.channel.loop.execute(self.channel.abort, exc)

    # -- links: the pipeline's business -------------------------------------------------------------

    def next_with(self, event: i64) -> ChannelHandlerContext[Any, Any]:
        """Look for the next seat that overrides an inbound event; the ends override them all."""
        seat = self.next
        while not seat.mask & event:
            seat = seat.next
        return seat

    def prev_with(self, event: i64) -> ChannelHandlerContext[Any, Any]:
        """Look for the previous seat that overrides an outbound operation; the ends override them all."""
        seat = self.prev
        while not seat.mask & event:
            seat = seat.prev
        return seat

    def link_to_next(self, seat: ChannelHandlerContext[Any, Any]) -> None:
        """Learn from the next seat, whose own links are right, where inbound events go."""
        mask = seat.mask
        self.to_channel_read = seat if mask & event_bits.READ else seat.to_channel_read
        self.to_channel_read_complete = seat if mask & event_bits.READ_COMPLETE else seat.to_channel_read_complete

    def link_to_prev(self, seat: ChannelHandlerContext[Any, Any]) -> None:
        """Learn from the previous seat, whose own links are right, where outbound operations go."""
        mask = seat.mask
        self.to_read = seat if mask & event_bits.ASK else seat.to_read
        self.to_write = seat if mask & event_bits.WRITE else seat.to_write
        self.to_flush = seat if mask & event_bits.FLUSH else seat.to_flush

    def write_like(self, seat: ChannelHandlerContext[Any, Any]) -> None:
        """Link operations to where those of ``seat`` go, past its own handler."""
        self.to_read = seat.to_read
        self.to_write = seat.to_write
        self.to_flush = seat.to_flush

    def point_at(self, seat: ChannelHandlerContext[Any, Any]) -> None:
        """Let all links lead to one seat."""
        self.to_channel_read = seat
        self.to_channel_read_complete = seat
        self.to_read = seat
        self.to_write = seat
        self.to_flush = seat


# It keeps no state, so one serves every seat of the process.
PASSES_ON: Final = ChannelDuplexHandler[Any, Any, Any, Any]()
