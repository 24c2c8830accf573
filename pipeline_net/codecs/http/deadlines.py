"""DeadlineWatch: how long a connection may stay in its phase, with one timer that is hardly ever set anew.

::

                    first byte              head complete                End read
    IDLE ───────────────────────▶ HEAD ───────────────────▶ BODY ─────────────────▶ ANSWER
      ▲    idle                          head                      body, rate            │
      └──────────────────────────────────────────────────────────────────────────────────┘
                                       the response has ended

A phase that changes only notes the time.  The timer, when it fires, looks at the phase of that moment, and sleeps for
what is left of it; so a connection that serves a thousand requests a second sets it as often as an idle one.  Only a
phase whose deadline comes before the timer sets it anew: a head or a body of which one read brought a part.

A peer that still reads a long response is not idle, and one for which we make no room is not slow.  Both are given more
time as long as bytes move; but not for any number of bytes.  When something has waited to be sent for as long as
``idle``, the peer must have taken ``min_read_rate`` bytes of it a second.  So one that reads a byte a minute does not
hold what we keep for it, and an application that now and then sends a little is not mistaken for such a peer: what
waits is new each time.  (What counts is what the kernel takes, which is in steps of up to a megabyte: a shorter time
than ``idle`` would be unfair.)

A client that has closed its connection looks like one that has only ended its input, until something is sent to it.  So
one that has ended its input waits for ``half_closed`` seconds at most in which nothing is written: if a response was
forgotten, nobody would ever hear of its connection again.  That is long, for whoever asks for something that takes
minutes, and says that this was all, is as right as one that keeps quiet.

A deadline that begins again with each byte is none: a peer that sends a byte now and then would hold the connection for
ever.  So a head has a fixed time, and a body has a time that grows with what has come of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..._mypyc import i64, mypyc_attr
from ...context import ChannelHandlerContext
from .options import Deadlines

if TYPE_CHECKING:
    from ...transport.timers import TimerHandle

FIRST: Final = 0  # nothing has come on this connection yet
IDLE: Final = 1
HEAD: Final = 2
BODY: Final = 3
ANSWER: Final = 4
OVER: Final = 5  # nothing is watched any more

_FOREVER: Final = 1e18  # seconds
_JUST_NOW: Final = 1e-6  # seconds; timers may be that early


@mypyc_attr(allow_interpreted_subclasses=True)
class DeadlineKeeper:
    """Whoever is told that a deadline has passed."""

    def deadline_passed(self, ctx: ChannelHandlerContext[Any, Any], phase: i64) -> None:
        """The peer has stayed in ``phase`` for too long."""
        raise NotImplementedError


class DeadlineWatch:
    """Watches one connection; all calls on its loop."""

    def __init__(self, deadlines: Deadlines, keeper: DeadlineKeeper) -> None:
        self._keeper: DeadlineKeeper | None = keeper
        self._head: float = _FOREVER if deadlines.head is None else deadlines.head
        self._body: float = _FOREVER if deadlines.body is None else deadlines.body
        self._idle: float = _FOREVER if deadlines.idle is None else deadlines.idle
        self._half_closed: float = _FOREVER if deadlines.half_closed is None else deadlines.half_closed
        self._rate: float = float(deadlines.min_body_rate)
        self.phase: i64 = FIRST
        self._since: float = 0.0
        self.received: i64 = 0
        """Bytes of the body that have come; the owner counts them."""
        self._read_rate: float = float(deadlines.min_read_rate)
        # When we began to look how fast the peer reads: what the kernel had taken, and what it was to take.
        self._looked: float = 0.0
        self._sent: i64 = 0
        self._written: i64 = 0
        self._had_pending = False  # when we looked last
        # Since when a client that has ended its input hears nothing, as far as we know: what was written by then.
        self._silent_since: float = 0.0
        self._said: i64 = 0
        self._timer: TimerHandle | None = None
        self._timer_at: float = _FOREVER

    def enter(self, ctx: ChannelHandlerContext[Any, Any], phase: i64) -> None:
        """The connection is in ``phase`` from now on."""
        if self.phase == OVER:
            return  # by whoever was told of what has come
        loop = ctx.channel.loop
        now = loop.time()
        self.phase = phase
        self._since = now
        if phase == BODY:
            self.received = 0
        elif phase == ANSWER:
            self._silent_since = now
            self._said = ctx.channel.written
        deadline = self._deadline()
        if deadline < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = deadline
            self._timer = loop.schedule(deadline - now, self._look, ctx)

    def stop(self) -> None:
        """Watch no more, and let go of the keeper, who refers to us."""
        self.phase = OVER
        self._keeper = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _deadline(self) -> float:
        phase = self.phase
        if phase == IDLE:
            return self._since + self._idle
        if phase == ANSWER:
            idle: float = self._since + self._idle
            gone: float = self._silent_since + self._half_closed
            return idle if idle < gone else gone
        if phase == BODY:
            return self._since + self._body + float(self.received) / self._rate
        return self._since + self._head

    def _look(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """See whether the phase of this moment has lasted too long."""
        self._timer = None
        self._timer_at = _FOREVER
        if self.phase == OVER or not ctx.channel.is_open:
            return
        channel = ctx.channel
        now = channel.loop.time()
        if now >= self._deadline():
            if self._is_our_turn(ctx):
                self._since = now  # the peer is not to blame; ask again
            else:
                phase = self.phase
                keeper = self._keeper
                self.stop()
                if keeper is not None:
                    keeper.deadline_passed(ctx, phase)
                return
        deadline = self._deadline()
        if deadline < _FOREVER:
            self._timer_at = deadline
            self._timer = channel.loop.schedule(max(deadline - now, 0.0), self._look, ctx)

    def _is_our_turn(self, ctx: ChannelHandlerContext[Any, Any]) -> bool:
        """Whether the peer is not to blame: it waits for a response, for us to read on, or is busy with reading."""
        channel = ctx.channel
        pending = channel.pending_write_bytes > 0
        had_pending = self._had_pending
        self._had_pending = pending
        if self.phase == ANSWER and self._has_gone(ctx, pending):
            return False
        if self.phase == ANSWER or (not channel.wants_to_read and channel.input_open):
            return self._reads_well(ctx, pending)
        return self.phase == IDLE and (pending or had_pending) and self._reads_well(ctx, pending)

    def _has_gone(self, ctx: ChannelHandlerContext[Any, Any], pending: bool) -> bool:
        """Whether it has ended its input, and heard nothing for so long that it will hardly be there."""
        channel = ctx.channel
        now: float = channel.loop.time()
        written: i64 = channel.written
        if channel.input_open or pending or written != self._said:
            self._silent_since = now
            self._said = written
            return False
        return now - self._silent_since >= self._half_closed - _JUST_NOW

    def _reads_well(self, ctx: ChannelHandlerContext[Any, Any], pending: bool) -> bool:
        """Whether the peer takes what we send, and fast enough."""
        channel = ctx.channel
        sent: i64 = channel.sent
        now: float = channel.loop.time()
        took = now - self._looked
        has_waited = pending and sent < self._written  # what waits has done so since we began to look
        if has_waited and took < self._idle - _JUST_NOW:
            return True  # for now
        is_fast = float(sent - self._sent) >= self._read_rate * took
        self._looked = now
        self._sent = sent
        self._written = channel.written
        return not has_waited or is_fast
