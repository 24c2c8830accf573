"""IdleStateHandler: notices that nothing has been read, written, or either, for a while.

No timer is touched when a message passes: the time is remembered, and the one timer that there is looks at it when it
fires, then sets itself to the moment at which the connection will have been idle long enough if nothing more comes.

What counts:

* *read*: a message that passes this stage.  Next to the wire these are bytes; behind a decoder they are whole messages,
  so that a peer which drips bytes without ever finishing a message is idle.
* *written*: a message that passes this stage, and bytes that the kernel takes of what was written before.  A large
  write to a slow peer moves; that it is not done yet does not make the writer idle.  Whether the bytes of a slow write
  have moved is looked at when the timer fires, so such a writer may be found idle one period later than it was.
* While the channel does not read (``auto_read`` is off and nobody asked, reads are held, the peer takes nothing), its
  peer cannot be heard, and is not called idle.  A peer that has ended its input will never be heard again, and is not
  called idle either.
"""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import TYPE_CHECKING, Any, Final

from .._mypyc import mypyc_attr
from ..handler import TransparentHandler

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext
    from ..future import ChannelFuture
    from ..transport.timers import TimerHandle

_JUST_NOW: Final = 1e-6  # seconds early is in time: deadlines are sums of binary fractions


class IdleState(Enum):
    """Which direction is idle."""

    READER = "reader"
    WRITER = "writer"
    ALL = "all"


@mypyc_attr(allow_interpreted_subclasses=True)
class IdleStateEvent:
    """A user event: nothing has happened in that direction for so long.

    ``seconds`` is how long it has been idle, ``is_first`` whether this is the first event since something happened: it
    comes again every period for as long as nothing does.
    """

    def __init__(self, state: IdleState, seconds: float, is_first: bool) -> None:
        self.state = state
        self.seconds = seconds
        self.is_first = is_first

    def __repr__(self) -> str:
        return f"<IdleStateEvent {self.state.value} idle for {self.seconds:g} s{'' if self.is_first else ', again'}>"


def check_seconds(name: str, seconds: float | None) -> float:
    """Turn an optional period into a number; ``inf`` for none.

    Raises:
        ValueError: it is not more than 0.
    """
    if seconds is None:
        return inf
    if not seconds > 0:
        raise ValueError(f"{name} must be more than 0 seconds, not {seconds!r}")
    return float(seconds)


@mypyc_attr(allow_interpreted_subclasses=True)
class IdleStateHandler(TransparentHandler[Any]):
    """Whatever flows → the same, and an ``IdleStateEvent`` to the stages behind it whenever nothing flows.

    Args:
        reader: seconds without a message from the peer.
        writer: seconds without a message, or a byte, to the peer.
        all: seconds without either.

    Raises:
        ValueError: a period that is not more than 0, or none at all.
    """

    def __init__(self, reader: float | None = None, writer: float | None = None, all: float | None = None) -> None:
        self._reader = check_seconds("reader", reader)
        self._writer = check_seconds("writer", writer)
        self._all = check_seconds("all", all)
        if self._reader == self._writer == self._all == inf:
            raise ValueError("there is nothing to watch: give reader, writer or all")
        self._watches_writes = self._writer != inf or self._all != inf
        self._timer: TimerHandle | None = None
        self._has_read = False  # since the last channel_read_complete
        self._last_read = 0.0
        self._last_write = 0.0
        self._reader_told = -inf  # when the last event of that kind was fired
        self._writer_told = -inf
        self._all_told = -inf
        self._sent_seen = 0  # bytes that the kernel had taken when the timer last fired
        self._was_pending = False  # whether bytes have waited since then

    def channel_idle(self, ctx: ChannelHandlerContext[Any, Any], event: IdleStateEvent) -> None:
        """Something is idle: by default, tell the stages behind; for subclasses."""
        ctx.fire_user_event_triggered(event)

    # -- life ---------------------------------------------------------------------------------------

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if ctx.channel.is_active:
            self._start(ctx)

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._start(ctx)
        ctx.fire_channel_active()

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._stop()
        ctx.fire_channel_inactive()

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._stop()

    def _start(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._timer is None:
            self._last_read = self._last_write = ctx.channel.loop.time()
            self._sent_seen = ctx.channel.sent
            self._timer = ctx.channel.loop.schedule(min(self._reader, self._writer, self._all), self._look, ctx)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- what passes: remembered, no more -----------------------------------------------------------

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self._has_read = True
        ctx.fire_channel_read(msg)

    def channel_read_complete(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._has_read:
            self._has_read = False
            self._last_read = ctx.channel.loop.time()
        ctx.fire_channel_read_complete()

    def read(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._last_read = ctx.channel.loop.time()  # until now nobody has listened
        ctx.read()

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        now = ctx.channel.loop.time()
        self._last_write = now  # bytes have moved
        if ctx.channel.pauses_when_unwritable:
            self._last_read = now  # until now nobody has listened, or nobody does from now on
        ctx.fire_channel_writability_changed()

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if self._watches_writes:
            channel = ctx.channel
            self._last_write = channel.loop.time()
            if channel.written != channel.sent:
                self._was_pending = True
        ctx.write(msg, promise)

    # -- looking ------------------------------------------------------------------------------------

    def _look(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """The timer has fired: see what is idle, set the timer anew, then tell."""
        now: float = ctx.channel.loop.time()
        self._notice_progress(ctx, now)
        channel = ctx.channel
        if channel.input_open and not channel.wants_to_read:
            self._last_read = now
        either = max(self._last_read, self._last_write)
        events: list[IdleStateEvent] = []
        due = inf
        if channel.input_open and self._reader != inf:
            if _is_due(now, self._last_read, self._reader_told, self._reader):
                events.append(_event(IdleState.READER, now, self._last_read, self._reader_told))
                self._reader_told = now
            due = max(self._last_read, self._reader_told) + self._reader
        if self._writer != inf:
            if _is_due(now, self._last_write, self._writer_told, self._writer):
                events.append(_event(IdleState.WRITER, now, self._last_write, self._writer_told))
                self._writer_told = now
            due = min(due, max(self._last_write, self._writer_told) + self._writer)
        if self._all != inf:
            if _is_due(now, either, self._all_told, self._all):
                events.append(_event(IdleState.ALL, now, either, self._all_told))
                self._all_told = now
            due = min(due, max(either, self._all_told) + self._all)
        if due == inf:
            self._timer = None  # the input has ended, and that was all there was to watch
        else:
            self._timer = channel.loop.schedule(due - now, self._look, ctx)
        for event in events:
            if not channel.is_open or ctx.is_removed:
                return  # whoever heard of the one before has closed the channel, or taken us out
            self._tell(ctx, event)

    def _notice_progress(self, ctx: ChannelHandlerContext[Any, Any], now: float) -> None:
        """The kernel has taken bytes of what had to wait: the writer is slow, and not idle."""
        channel = ctx.channel
        is_pending = channel.written != channel.sent
        if channel.sent != self._sent_seen:
            self._sent_seen = channel.sent
            if is_pending or self._was_pending:
                self._last_write = now
        self._was_pending = is_pending

    def _tell(self, ctx: ChannelHandlerContext[Any, Any], event: IdleStateEvent) -> None:
        try:
            self.channel_idle(ctx, event)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - what a subclass raises is the pipeline's to handle
            ctx.catch(exc)


def _is_due(now: float, last: float, told: float, period: float) -> bool:
    return now + _JUST_NOW >= max(last, told) + period


def _event(state: IdleState, now: float, last: float, told: float) -> IdleStateEvent:
    return IdleStateEvent(state, now - last, last >= told)
