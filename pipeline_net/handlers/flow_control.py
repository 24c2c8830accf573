"""FlowControlHandler: messages one at a time, each when the consumer has asked for it.

``auto_read=False`` stops the transport, not the decoder: one ``read()`` brings one batch of bytes, and a batch may hold
a hundred messages, or none.  This stage turns "a batch" into "a message"::

    transport ─▶ decoder ─▶ FlowControlHandler ─▶ consumer
                  100 ▶▶▶▶▶▶▶▶▶  1 ▶              read() … read() … read()

What waits here is in order: messages, errors that came between them, and the end of input last, which needs a
``read()`` like everything else (a transport that does not read would not have noticed it either).  As long as anything
waits, reading from the peer is held up; so no more waits than came in one batch, or in two when the consumer asked for
the next message while the first batch was being decoded.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from .._mypyc import mypyc_attr
from ..handler import TransparentHandler

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext


class _Event:
    """What waits in the queue and is no message: an error, or the end of input."""

    def __init__(self, exc: BaseException | None) -> None:
        self.exc = exc


@mypyc_attr(allow_interpreted_subclasses=True)
class FlowControlHandler(TransparentHandler[Any]):
    """Any message → the same, one for each ``read()`` while ``auto_read`` is off; with it on, all of them as they come.

    Seat it behind the decoder.  Each delivery is followed by ``channel_read_complete``; ``read()`` may be called from
    inside ``channel_read`` or ``channel_read_complete``, however often: deliveries never nest.  Asking twice before a
    message has come asks for one.  Turning ``auto_read`` on lets everything go that waits.
    """

    def __init__(self) -> None:
        self._waiting: deque[Any] = deque()
        self._is_asked = False  # for a message that has not come yet
        self._delivering = False
        self._holding = False  # reads are held, because something waits
        self._owes_complete = False  # a message was delivered, and no channel_read_complete since

    @property
    def waiting(self) -> int:
        """How many messages wait to be asked for."""
        return sum(1 for thing in self._waiting if not isinstance(thing, _Event))

    @property
    def unread_bytes(self) -> int:
        return sum(len(thing) for thing in self._waiting if isinstance(thing, (bytes, bytearray, memoryview)))

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if not self._waiting and not self._delivering and ctx.channel.auto_read:
            self._owes_complete = True
            ctx.fire_channel_read(msg)
            return
        self._take(ctx, msg)

    def channel_read_complete(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if not self._delivering:
            self._deliver(ctx, True)

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._take(ctx, _Event(None))

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        if self._waiting and ctx.channel.is_open:
            self._waiting.append(_Event(exc))  # what was decoded before an error is delivered before it
        else:
            ctx.fire_exception_caught(exc)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        waiting = self._waiting
        self._waiting = deque()
        for thing in waiting:  # messages are dropped: whoever closes wants no more of them
            if isinstance(thing, _Event) and thing.exc is not None:
                ctx.fire_exception_caught(thing.exc)
        ctx.fire_channel_inactive()

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if not self._delivering:
            self._hand_over(ctx)  # otherwise once the message that is being handled is done

    def read(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._is_asked = True
        if not self._delivering:
            self._deliver(ctx, True)

    def _take(self, ctx: ChannelHandlerContext[Any, Any], thing: Any) -> None:
        self._waiting.append(thing)
        if not self._delivering:
            self._deliver(ctx, False)  # more of the batch may follow, and its end will

    def _deliver(self, ctx: ChannelHandlerContext[Any, Any], completes: bool) -> None:
        """Let out what is asked for; what is asked for meanwhile, too."""
        self._delivering = True
        try:
            self._let_out(ctx)
            while completes and self._owes_complete and not ctx.is_removed:
                self._owes_complete = False
                ctx.fire_channel_read_complete()
                self._let_out(ctx)
        finally:
            self._delivering = False
        if ctx.is_removed:
            self._hand_over(ctx)
            return
        self._hold_or_release(ctx)
        if ctx.channel.auto_read:
            self._is_asked = False
        elif self._is_asked and not self._waiting:
            ctx.read()

    def _let_out(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        channel = ctx.channel
        while self._waiting and (self._is_asked or channel.auto_read) and channel.is_open and not ctx.is_removed:
            thing = self._waiting.popleft()
            if isinstance(thing, _Event):
                self._fire(ctx, thing)
            else:
                self._is_asked = False
                self._owes_complete = True
                ctx.fire_channel_read(thing)

    def _fire(self, ctx: ChannelHandlerContext[Any, Any], event: _Event) -> None:
        if event.exc is not None:
            ctx.fire_exception_caught(event.exc)
            return
        if self._owes_complete:
            self._owes_complete = False
            ctx.fire_channel_read_complete()
        ctx.fire_channel_eof()

    def _hold_or_release(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._waiting:
            if not self._holding:
                self._holding = True
                ctx.channel.hold_reads()
        elif self._holding:
            self._holding = False
            ctx.channel.release_reads()

    def _hand_over(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Give the next stage all that waits: nobody is left to hold it back."""
        while self._waiting and ctx.channel.is_open:
            thing = self._waiting.popleft()
            if isinstance(thing, _Event):
                self._fire(ctx, thing)
            else:
                self._owes_complete = True
                ctx.fire_channel_read(thing)
        if self._owes_complete and ctx.channel.is_open:
            ctx.fire_channel_read_complete()
        self._waiting.clear()
        self._owes_complete = False
        self._hold_or_release(ctx)
