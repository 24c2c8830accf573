"""ReplyMatcher: the stage that knows which reply belongs to whom.

A connection carries no names of requests: the server answers in the order in which it was asked, and that is all there
is.  So the queue of calls that were sent is the only memory of whose reply comes next, and one rule keeps it true: **an
entry leaves it only by being answered, or with the whole connection.**  A caller who has cancelled, or has waited too
long, leaves; their entry stays, and swallows the reply when it comes::

    sent         GET a    GET b (timed out)    GET c
    received     $1 A     $1 B                 $1 C
    goes to      caller   nobody               caller

Pushes of RESP3 are nobody's reply, and may come between any two.

A reply that comes before its command has left is none, and so is one that had begun to come before: the connection
ends, for what follows would be taken for the replies to what others ask.  What the kernel has received by then and we
have not read cannot be told from a reply, short of asking the kernel before each command.
"""

from __future__ import annotations

import logging
import reprlib
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Never

from ...._mypyc import mypyc_attr
from ....channel import Channel
from ....complaints import log_failure
from ....context import ChannelHandlerContext
from ....errors import ChannelBrokenError, ProtocolError
from ....handler import ChannelInboundHandler
from ..messages import Push, Reply
from ..reply_decoder import RedisReplyDecoder
from .calls import Call

if TYPE_CHECKING:
    from ....transport.timers import TimerHandle

_logger: Final = logging.getLogger("pipeline_net.redis")


@mypyc_attr(allow_interpreted_subclasses=True)
class MatcherOwner:
    """Whoever sends calls through a matcher; everything happens on the channel's loop."""

    def channel_opened(self, matcher: ReplyMatcher) -> None:
        """The channel is active: calls may be sent."""
        raise NotImplementedError

    def channel_ended(self, matcher: ReplyMatcher, error: BaseException) -> None:
        """The channel is gone, for that reason; ``in_flight`` will get no more replies."""
        raise NotImplementedError

    def call_answered(self, call: Call) -> None:
        """The last reply to ``call`` has been given to it."""
        raise NotImplementedError

    def may_send_again(self) -> None:
        """The peer has taken enough of what was sent."""
        raise NotImplementedError

    def pushed(self, push: Push) -> None:
        """The server says something without having been asked."""
        raise NotImplementedError


class ReplyMatcher(ChannelInboundHandler[Reply, Never, bytes]):
    """Reply → whoever asked; the topmost stage of a client's pipeline, and the only one that writes."""

    def __init__(self, owner: MatcherOwner) -> None:
        self.in_flight: deque[Call] = deque()
        """Sent, and not answered completely; the oldest first."""
        self._owner = owner
        self._ctx: ChannelHandlerContext[Any, Any] | None = None
        self._channel: Channel | None = None
        self._error: BaseException | None = None  # why the channel ends
        self._late_timer: TimerHandle | None = None
        self._began_unasked = False  # a part of something is here that came while nobody waited
        self.decoder: RedisReplyDecoder | None = None
        """The decoder of its pipeline."""

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._ctx = ctx
        self._channel = ctx.channel

    # -- for the owner, on the loop -----------------------------------------------------------------

    @property
    def may_send(self) -> bool:
        """Whether the channel is open, and the peer takes what is sent."""
        channel = self._channel
        return channel is not None and channel.is_active and channel.is_writable

    def send(self, call: Call) -> None:
        """Write a call; its replies will come after those of all that were sent before."""
        ctx = self._ctx
        assert ctx is not None, "calls are sent through a seated matcher"
        call.starts_at = ctx.channel.written
        self.in_flight.append(call)
        for piece in call.data:
            ctx.write(piece)
        call.data = []  # it is never sent twice

    def release(self, error: BaseException) -> list[Call]:
        """Send what was written, then close the channel; hand over the calls that will get no more replies."""
        if self._error is None:
            self._error = error
        calls = list(self.in_flight)
        self.in_flight.clear()
        if self._ctx is not None:
            self._ctx.close()
        return calls

    def give_up(self, error: BaseException) -> None:
        """End the channel at once, for that reason."""
        if self._error is None:
            self._error = error
        if self._channel is not None:
            self._channel.abort()

    def expect_late(self, limit: float) -> None:
        """A call that was sent has timed out: its reply must come within ``limit`` seconds, or the channel is dead."""
        if self._late_timer is None and self._ctx is not None and self.in_flight:
            self._late_timer = self._ctx.loop.schedule(limit, self._check_late, self.in_flight[0], limit)

    def _check_late(self, head: Call, limit: float) -> None:
        self._late_timer = None
        if not self.in_flight:
            return
        if self.in_flight[0] is head and head.is_given_up:
            self.give_up(ChannelBrokenError(f"the reply to {head.name} is more than {limit:g} s late"))
        elif self.in_flight[0].is_given_up:
            self.expect_late(limit)

    # -- events -------------------------------------------------------------------------------------

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._owner.channel_opened(self)

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, Push):
            self._began_unasked = False  # it was the push that had begun
            self._owner.pushed(msg)
            return
        if self._error is not None:
            return  # nothing that still comes can be trusted
        if not self.in_flight:
            self.exception_caught(ctx, ProtocolError(f"the server has replied {reprlib.repr(msg)} to nothing"))
            return
        call = self.in_flight[0]
        if self._began_unasked or ctx.channel.sent <= call.starts_at:
            early = ProtocolError(f"the server has replied {reprlib.repr(msg)} before it was asked {call.name}")
            self.exception_caught(ctx, early)
            return
        call.missing -= 1
        call.take(msg)
        if call.missing == 0:
            self.in_flight.popleft()
            self._owner.call_answered(call)

    def channel_read_complete(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Look whether something has begun to come that can only be a push."""
        decoder = self.decoder
        if decoder is not None and (not self.in_flight or ctx.channel.sent <= self.in_flight[0].starts_at):
            self._began_unasked = decoder.unread_bytes > 0

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """A server that will say no more is of no use."""
        self.give_up(ChannelBrokenError("the server has closed the connection"))

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if ctx.channel.is_writable:
            self._owner.may_send_again()

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        """Keep the reason for those who wait, and give the connection up."""
        if not isinstance(exc, ChannelBrokenError):
            what = "%r is given up: %s"
            log_failure(ctx.loop, _logger, exc, "a connection", what, ctx.channel, exc, level=logging.WARNING)
        self.give_up(exc)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._late_timer is not None:
            self._late_timer.cancel()
        error = self._error
        self._owner.channel_ended(self, ChannelBrokenError("the channel was closed") if error is None else error)
