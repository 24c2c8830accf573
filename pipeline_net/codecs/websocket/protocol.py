"""WebSocketHandler and protocol_stages(): how a WebSocket lives and ends; which messages the application sees.

Closing follows the table in ``closing``.  The application hears ``Closed`` once, whatever ended the connection.

One timer serves the whole life: while the WebSocket is open it looks now and then whether anything has come
(``KeepAlive``), and when it closes it says when to wait no longer.  No message touches it.

Source: RFC 6455, sections 5.5, 7.1 and 7.2
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from ..._mypyc import i64
from ...errors import ChannelClosedError
from ...handler import ChannelDuplexHandler
from ...server_draining import ServerDraining
from ...stack import Stack, wire
from .closing import (
    ANSWER,
    CLOSE_TCP,
    FAIL,
    FAILED,
    FINISH,
    INPUT_ENDS,
    LOSE,
    OPEN,
    PEER_CLOSES,
    SEND_CLOSE,
    TIME_IS_UP,
    WE_CLOSE,
    step,
)
from .deflate_parameters import DeflateParameters
from .errors import WebSocketDecodeError
from .frame_decoder import FrameDecoder
from .frame_encoder import FrameEncoder
from .limits import KEEP_ALIVE, LIMITS, KeepAlive, Limits
from .messages import Close, Closed, Fragment, InMessage, OutMessage, Ping, Pong
from .opcodes import MAX_REASON

if TYPE_CHECKING:
    from ...context import ChannelHandlerContext
    from ...future import ChannelFuture
    from ...transport.timers import TimerHandle

_logger: Final = logging.getLogger("pipeline_net.websocket")

_NO_STATUS: Final = 1005
_ABNORMAL: Final = 1006
_GOING_AWAY: Final = 1001
_INTERNAL_ERROR: Final = 1011


class WebSocketHandler(ChannelDuplexHandler[InMessage, "str | bytes | Fragment", OutMessage, bytes]):
    """Answers pings, keeps the connection alive, and closes it as the protocol wants.

    * ``close()`` says ``Close(1000)``, waits for the peer's, and then lets TCP go; after ``close_timeout`` seconds in
      which nothing moved it waits no longer.  ``write(Close(…))`` does the same with another code.
    * A channel that is closed because a handler raised says 1011; one whose server ends, 1001.
    * A peer that breaks the rules is told why, and TCP is closed; the application hears ``Closed``, no exception.
    * What is written when the WebSocket is closing fails with ``ChannelClosedError``.
    * While the peer does not read, only the last of its pings waits for an answer (RFC 6455 5.5.3).
    """

    def __init__(
        self,
        decoder: FrameDecoder,
        encoder: FrameEncoder,
        *,
        closes_tcp: bool,
        keepalive: KeepAlive | None = KEEP_ALIVE,
        close_timeout: float = 10.0,
    ) -> None:
        if not close_timeout > 0:
            raise ValueError(f"close_timeout must be more than 0 seconds, not {close_timeout!r}")
        self._decoder = decoder
        self._encoder = encoder
        self._closes_tcp = closes_tcp
        self._interval: float = 0.0 if keepalive is None else keepalive.interval
        self._patience: float = 0.0 if keepalive is None else keepalive.timeout
        self._close_timeout = float(close_timeout)
        self.state: int = OPEN
        self._timer: TimerHandle | None = None
        self._has_asked = False  # a Ping of ours waits for a sign of life
        self._sent_seen: i64 = 0  # bytes that the kernel had taken when the timer was set
        self._owed_pong: Pong | None = None
        self._close_promises: list[ChannelFuture[Any]] | None = None

    # -- life ---------------------------------------------------------------------------------------

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if ctx.channel.is_active:
            self._begin(ctx)

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._begin(ctx)
        ctx.fire_channel_active()

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._happens(ctx, INPUT_ENDS)
        ctx.fire_channel_inactive()

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._stop_timer()

    def _begin(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._interval > 0.0 and self._timer is None:
            self._set_timer(ctx, self._interval)

    # -- messages -----------------------------------------------------------------------------------

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, str) or isinstance(msg, bytes) or isinstance(msg, Fragment):  # noqa: SIM101 - a tuple is a call
            if self.state == OPEN:  # otherwise we have closed, and want no more
                ctx.fire_channel_read(msg)
        elif isinstance(msg, Ping):
            if self.state == OPEN:
                self._answer(ctx, Pong(msg.data))
                ctx.fire_user_event_triggered(msg)
        elif isinstance(msg, Close):
            self._happens(ctx, PEER_CLOSES, msg)
        elif isinstance(msg, Pong):
            ctx.fire_user_event_triggered(msg)
        else:
            ctx.fire_channel_read(msg)

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if self.state != OPEN or not ctx.channel.is_open:
            if promise is not None:
                promise.fail_if_pending(self._closed_error(ctx))
        elif promise is not None and not promise.take_on():
            return  # cancelled in time: what follows in a fragmented or compressed message builds on what is sent
        elif isinstance(msg, Close):
            self._happens(ctx, WE_CLOSE, msg, promise)
        else:
            self._send(ctx, msg, promise)

    def _closed_error(self, ctx: ChannelHandlerContext[Any, Any]) -> BaseException:
        channel = ctx.channel
        if not channel.is_open:
            return channel.closed_error()
        return ChannelClosedError(f"the WebSocket to {channel.remote_address!r} is closing")

    def _send(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        data = self._encoder.encode(msg)
        if isinstance(data, list):
            ctx.write_all(data, promise)
        else:
            ctx.write(data, promise)

    def _answer(self, ctx: ChannelHandlerContext[Any, Any], pong: Pong) -> None:
        """RFC 6455 5.5.3: an endpoint that has several pings to answer "MAY elect to send a Pong frame for only the
        most recently processed Ping frame".
        """
        if ctx.channel.is_writable:
            self._send(ctx, pong, None)
        else:
            self._owed_pong = pong

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        ctx.fire_channel_writability_changed()
        pong = self._owed_pong
        if pong is not None and ctx.channel.is_writable and self.state == OPEN:
            self._owed_pong = None
            self._send(ctx, pong, None)

    # -- the end ------------------------------------------------------------------------------------

    def close(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        if not ctx.channel.is_active:
            ctx.close(promise)
            return
        if promise is not None:
            self._close_promises = [*(self._close_promises or ()), promise]
        self._happens(ctx, WE_CLOSE, Close(_INTERNAL_ERROR if ctx.channel.is_given_up else 1000))

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        ctx.fire_user_event_triggered(event)
        if isinstance(event, ServerDraining) and self.state == OPEN:
            self._happens(ctx, WE_CLOSE, Close(_GOING_AWAY))

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._happens(ctx, INPUT_ENDS)
        ctx.fire_channel_eof()

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        if isinstance(exc, WebSocketDecodeError) and exc.code != _ABNORMAL:
            _logger.info("%s was refused: %s", ctx.channel.remote_address, exc)
            self._happens(ctx, FAILED, Close(exc.code, _reason(str(exc))))
        elif not isinstance(
            exc, WebSocketDecodeError
        ):  # else it is the end of input, an event of its own, which follows
            ctx.fire_exception_caught(exc)

    def _happens(
        self,
        ctx: ChannelHandlerContext[Any, Any],
        event: int,
        close: Close | None = None,
        promise: ChannelFuture[Any] | None = None,
    ) -> None:
        """Do what the table says; ``close`` is the peer's, or the one that we would send."""
        was = self.state
        action, self.state = step(was, event)
        if action == SEND_CLOSE:
            self._send(ctx, close, promise)
            self._set_timer(ctx, self._close_timeout)
        elif action in (ANSWER, FINISH):
            assert close is not None, "a Close has come"
            if action == ANSWER:
                self._send(ctx, Close(close.code), None)
            self._tell(
                ctx, Closed(_NO_STATUS if close.code is None else close.code, close.reason, True, action == ANSWER)
            )
            if self._closes_tcp:
                self._happens(ctx, TIME_IS_UP)
            else:
                self._set_timer(ctx, self._close_timeout)
        elif action == FAIL:
            assert close is not None, "a failure has a reason"
            if was == OPEN:
                self._send(ctx, close, None)
            self._tell(ctx, Closed(close.code or _ABNORMAL, close.reason, False, False))
            self._close_tcp(ctx)
        elif action == LOSE:
            self._tell(ctx, Closed(_ABNORMAL, "", False, event == INPUT_ENDS))
            self._close_tcp(ctx)
        elif action == CLOSE_TCP:
            self._close_tcp(ctx)

    def _tell(self, ctx: ChannelHandlerContext[Any, Any], closed: Closed) -> None:
        self._owed_pong = None
        ctx.fire_user_event_triggered(closed)

    def _close_tcp(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._stop_timer()
        promises = self._close_promises
        self._close_promises = None
        if promises is None:
            ctx.close()
        else:
            for promise in promises:
                ctx.close(promise)

    # -- time ---------------------------------------------------------------------------------------

    def _set_timer(self, ctx: ChannelHandlerContext[Any, Any], seconds: float) -> None:
        self._stop_timer()
        self._sent_seen = ctx.channel.sent
        # By its class, for self._look would be one more object of each WebSocket.
        self._timer = ctx.channel.loop.schedule(seconds, WebSocketHandler._look, self, ctx)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._timer = None
        has_moved = ctx.channel.sent != self._sent_seen
        is_pending = ctx.channel.pending_write_bytes > 0
        if self.state != OPEN:
            if is_pending and has_moved:
                self._set_timer(ctx, self._close_timeout)  # our Close has not left: the peer still takes what is older
            else:
                self._happens(ctx, TIME_IS_UP)
                if is_pending:
                    ctx.channel.abort()  # it reads nothing
        elif self._decoder.has_heard:
            self._decoder.has_heard = False
            self._has_asked = False
            self._set_timer(ctx, self._interval)
        elif not self._has_asked:
            self._has_asked = True
            self._send(ctx, Ping(), None)
            self._set_timer(ctx, self._patience)
        elif not ctx.channel.wants_to_read and (has_moved or not is_pending):
            self._set_timer(ctx, self._patience)  # nobody listens to it, and it is not to blame for that
        else:
            reason = f"nothing has come for {self._patience:g} s after a Ping"
            _logger.info("%s: %s", ctx.channel.remote_address, reason)
            self._happens(ctx, FAILED, Close(_INTERNAL_ERROR, reason))


def _reason(text: str) -> str:
    """As much of a text as a Close frame has room for."""
    return text.encode("utf-8")[:MAX_REASON].decode("utf-8", "ignore")


@overload
def protocol_stages(
    role: str,
    *,
    limits: Limits = LIMITS,
    deflate: DeflateParameters | None = None,
    keepalive: KeepAlive | None = KEEP_ALIVE,
    close_timeout: float = 10.0,
    messages: Literal[True] = True,
) -> Stack[bytes, str | bytes, OutMessage, bytes]: ...
@overload
def protocol_stages(
    role: str,
    *,
    limits: Limits = LIMITS,
    deflate: DeflateParameters | None = None,
    keepalive: KeepAlive | None = KEEP_ALIVE,
    close_timeout: float = 10.0,
    messages: bool,
) -> Stack[bytes, Any, OutMessage, bytes]: ...
def protocol_stages(
    role: str,
    *,
    limits: Limits = LIMITS,
    deflate: DeflateParameters | None = None,
    keepalive: KeepAlive | None = KEEP_ALIVE,
    close_timeout: float = 10.0,
    messages: bool = True,
) -> Any:
    """Make the stages that sit down when the upgrade is done, for one connection.

    Args:
        role: ``"server"`` or ``"client"``.
        limits: how much one message may be.
        deflate: what was agreed on; ``None`` for no compression.
        keepalive: when the peer is asked whether it is there; ``None`` for never.
        close_timeout: seconds that the peer has to answer our Close, and a server to close the connection.
        messages: whether the application gets whole messages; otherwise ``Fragment`` as they come.

    Raises:
        ValueError: a role that there is not, or a time that is not above 0.
    """
    decoder = FrameDecoder(role, limits=limits, deflate=deflate, messages=messages)
    encoder = FrameEncoder(role, deflate=deflate)
    handler = WebSocketHandler(
        decoder, encoder, closes_tcp=role == "server", keepalive=keepalive, close_timeout=close_timeout
    )
    return wire() >> decoder >> handler
