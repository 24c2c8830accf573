"""ReadTimeoutHandler and WriteTimeoutHandler: end a connection whose peer is silent, or takes nothing.

Like ``IdleStateHandler`` they touch no timer when a message passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .._mypyc import mypyc_attr
from ..errors import ReadTimeoutError, WriteTimeoutError
from ..handler import TransparentHandler
from .idle_state import IdleStateEvent, IdleStateHandler, check_seconds

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext
    from ..future import ChannelFuture
    from ..transport.timers import TimerHandle

_LOOKS: Final = 4  # in one period: a stalled write is found that part of the period late, at most
_JUST_NOW: Final = 1e-6  # seconds; see idle_state


@mypyc_attr(allow_interpreted_subclasses=True)
class ReadTimeoutHandler(IdleStateHandler):
    """Whatever flows → the same; closes the connection when nothing was read for ``seconds``.

    What counts as read, and when nobody is waited for, says ``IdleStateHandler``.  The stages behind hear of it through
    ``exception_caught`` first, and may still say goodbye: what they write then is sent before the channel closes.

    Raises:
        ReadTimeoutError: to the stages behind.
        ValueError: ``seconds`` is not more than 0.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(reader=seconds)
        self._has_timed_out = False

    def channel_idle(self, ctx: ChannelHandlerContext[Any, Any], event: IdleStateEvent) -> None:
        if not self._has_timed_out:
            self._has_timed_out = True
            peer = ctx.channel.remote_address
            ctx.fire_exception_caught(ReadTimeoutError(f"nothing came from {peer!r} for {event.seconds:.3g} s"))
            ctx.close()


@mypyc_attr(allow_interpreted_subclasses=True)
class WriteTimeoutHandler(TransparentHandler[Any]):
    """Whatever flows → the same; aborts the connection when bytes wait and the peer takes none of them for ``seconds``.

    A slow peer that takes some is given all the time it needs: what counts is that bytes move, not that a write is
    done.  Promises of the writes that were pending fail with the error.

    Raises:
        WriteTimeoutError: to all stages, and as the outcome of pending writes.
        ValueError: ``seconds`` is not more than 0.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = check_seconds("seconds", seconds)
        self._timer: TimerHandle | None = None  # set while bytes wait, and for a moment after
        self._sent_seen = 0
        self._since = 0.0  # when bytes were last seen to move

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if self._timer is None:
            self._start(ctx)
        ctx.write(msg, promise)

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if ctx.channel.pending_write_bytes > 0:
            self._start(ctx)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._stop()
        ctx.fire_channel_inactive()

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._stop()

    def _start(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        channel = ctx.channel
        self._sent_seen = channel.sent
        self._since = channel.loop.time()
        self._timer = channel.loop.schedule(self._seconds / _LOOKS, self._look, ctx)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._timer = None
        channel = ctx.channel
        if channel.written == channel.sent or not channel.is_open:
            return  # the next write starts anew; how long closing may take, close_timeout says
        now: float = channel.loop.time()
        if channel.sent != self._sent_seen or not channel.was_active:
            self._sent_seen = channel.sent
            self._since = now
        elif now - self._since + _JUST_NOW >= self._seconds:
            pending = channel.pending_write_bytes
            channel.abort(
                WriteTimeoutError(
                    f"{channel.remote_address!r} has taken none of {pending} bytes for {now - self._since:.3g} s"
                )
            )
            return
        self._timer = channel.loop.schedule(self._seconds / _LOOKS, self._look, ctx)
