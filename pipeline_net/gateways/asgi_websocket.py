"""AsgiWebSocket: one WebSocket, between the stages of WebSocket and the messages of ASGI.

::

    the handshake     ─▶ {"type": "websocket.connect"}                                        receive()
    str, bytes        ─▶ {"type": "websocket.receive", "text" or "bytes": …}
    Closed, or gone   ─▶ {"type": "websocket.disconnect", "code": …, "reason": …}

    101, other stages ◀─ {"type": "websocket.accept", "subprotocol": …, "headers": …}          send()
    str, bytes        ◀─ {"type": "websocket.send", "text" or "bytes": …}
    Close             ◀─ {"type": "websocket.close", "code": …, "reason": …}
    403               ◀─ the same, before it was accepted
    any response      ◀─ {"type": "websocket.http.response.start", …}, "….body"

Until it is accepted, a WebSocket is a request of HTTP like any other, and refused like one; so this is an
``AsgiExchange``.

What the application has not received waits, up to a limit; then the peer is not read from (``Inbox``).  That is also
when its Close and its pings wait: an application that never receives does not learn that the client has gone, until it
sends.

Source: ASGI 3.0, HTTP & WebSocket message format 2.5
"""

from __future__ import annotations

from typing import Any, Final, Never, final

from .._mypyc import i64
from ..codecs.http.headers import Headers
from ..codecs.http.messages import FullResponse, Request
from ..codecs.websocket.acceptance import agree
from ..codecs.websocket.handshake import Offer
from ..codecs.websocket.inbox import Inbox
from ..codecs.websocket.messages import Close, Closed, OutMessage
from ..codecs.websocket.server import switch
from ..context import ChannelHandlerContext
from ..errors import EncodeError, PipelineError
from ..handler import ChannelInboundHandler
from .asgi_exchange import OVER, AsgiExchange
from .asgi_websocket_options import WEBSOCKET_OPTIONS, WebSocketOptions

__all__ = ["WEBSOCKET_OPTIONS", "AsgiWebSocket", "AsgiWebSocketHandler", "WebSocketOptions"]

_ABNORMAL: Final = 1006
_INTERNAL_ERROR: Final = 1011

# Where it is.
_WAITING: Final = 0  # for the application to accept, or to refuse
_DENYING: Final = 1  # a response is on its way instead
_OPEN: Final = 2
_OVER: Final = 3

_EXPECTED: Final = (
    "websocket.accept, websocket.close or websocket.http.response.start",
    "websocket.http.response.body",
    "websocket.send or websocket.close",
    "nothing",
)


@final
class AsgiWebSocket(AsgiExchange):
    """One WebSocket, as an application sees it; all calls on the loop of the channel."""

    def __init__(
        self, ctx: ChannelHandlerContext[Any, Any], request: Request, offer: Offer, options: WebSocketOptions
    ) -> None:
        super().__init__(ctx, request)
        self._seat = ctx  # what a seat that was replaced writes goes through those that came in its place
        self._offer = offer
        self._options = options
        self._phase: i64 = _WAITING
        self._is_accepted = False
        self._has_asked = False  # the application has been given websocket.connect
        self._inbox = Inbox()
        self._closed: Closed | None = None

    # -- from the wire ------------------------------------------------------------------------------

    def take_message(self, msg: str | bytes) -> None:
        """A message came."""
        if self._phase != _OPEN:
            return  # the application has said that it is over
        self._inbox.put(msg)
        self.news()

    def take_closed(self, closed: Closed) -> None:
        """It is over."""
        if self._closed is None:
            self._closed = closed
            self._phase = _OVER
            self.news()
            self.room()

    def take_disconnect(self) -> None:
        super().take_disconnect()
        if self._phase == _WAITING:
            self.take_closed(Closed(_ABNORMAL, "", False, True))

    # -- for the application ------------------------------------------------------------------------

    def next_message(self) -> Any:
        if not self._has_asked:
            self._has_asked = True
            return {"type": "websocket.connect"}
        msg = self._inbox.take()
        if msg is not None:
            return {"type": "websocket.receive", "text" if isinstance(msg, str) else "bytes": msg}
        closed = self._closed
        if closed is not None:
            return {"type": "websocket.disconnect", "code": closed.code, "reason": closed.reason}
        if self._phase == _DENYING and (self.is_gone or self.step == OVER):
            return {"type": "websocket.disconnect", "code": _ABNORMAL, "reason": ""}
        return None

    def respond(self, message: Any) -> bool:
        kind = message["type"]
        phase = self._phase
        if phase == _OPEN:
            if kind == "websocket.send":
                return self._send(_content_of(message))
            if kind == "websocket.close":
                self._close(_close_of(message))
                return True
        elif phase == _OVER:
            if kind == "websocket.close":
                return True  # it is
            if self._closed is not None:
                raise self._nobody_reads()
        elif not self._seat.channel.is_open:
            raise self._nobody_reads()
        elif phase == _DENYING:
            if kind == "websocket.http.response.body":
                return super().respond({**message, "type": "http.response.body"})
        elif kind == "websocket.accept":
            self._accept(message)
            return True
        elif kind == "websocket.close":
            # "… if this is sent before the socket is accepted, the server must close the connection with a HTTP 403"
            self._phase = _DENYING
            self._write_over(FullResponse(403, [(b"connection", b"close")]))
            return True
        elif kind == "websocket.http.response.start":
            super().respond({**message, "type": "http.response.start"})
            self._phase = _DENYING
            return True
        raise PipelineError(f"the application sent {kind!r}, and {_EXPECTED[phase]} was expected")

    def _accept(self, message: Any) -> None:
        headers = Headers(message.get("headers") or ())
        headers.discard("transfer-encoding")
        options = self._options
        subprotocol = message.get("subprotocol")
        accepted = agree(self.request, self._offer, subprotocol, headers, deflate=options.deflate)
        stages = options.settings.stages("server", accepted.deflate)
        self._phase = _OPEN
        self._is_accepted = True
        switch(self._seat, accepted, [*stages, AsgiWebSocketHandler(self)])
        self._inbox.fill_from(self._seat)

    def _send(self, content: str | bytes) -> bool:
        self._write(content)
        return self._seat.channel.is_writable

    def _close(self, close: Close) -> None:
        self._phase = _OVER
        self._inbox.drop()
        self._seat.write(close)

    def has_room(self) -> bool:
        if self._closed is not None or not self._seat.channel.is_open:
            raise self._nobody_reads()
        return self._seat.channel.is_writable

    def app_ended(self) -> bool:
        phase = self._phase
        if phase == _OPEN:
            self._close(Close(_INTERNAL_ERROR if self.has_raised else 1000))
            return True
        self._phase = _OVER
        self._inbox.drop()
        if self._is_accepted:
            return True
        is_complete = super().app_ended()
        return is_complete or self.is_gone  # nobody is there to whom it could owe anything


class AsgiWebSocketHandler(ChannelInboundHandler["str | bytes", Never, OutMessage]):
    """``str``, ``bytes``, ``Closed`` → what an application receives."""

    def __init__(self, websocket: AsgiWebSocket) -> None:
        self._websocket = websocket

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self._websocket.take_message(msg)

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if ctx.channel.is_writable:
            self._websocket.room()
        ctx.fire_channel_writability_changed()

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        if isinstance(event, Closed):
            self._websocket.take_closed(event)
        ctx.fire_user_event_triggered(event)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._websocket.take_closed(Closed(_ABNORMAL, "", False, True))
        ctx.fire_channel_inactive()

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        if isinstance(exc, EncodeError) and self._websocket.take_write_error(exc):
            return  # the application that sent it gets it
        ctx.fire_exception_caught(exc)


def _content_of(message: Any) -> str | bytes:
    """Find out what is to be sent: one of ``text`` and ``bytes``."""
    text, data = message.get("text"), message.get("bytes")
    if isinstance(text, str) and data is None:
        return text
    if text is None and isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise PipelineError(f"websocket.send has text or bytes, and not both, but this is {message!r:.200}")


def _close_of(message: Any) -> Close:
    code = message.get("code")
    return Close(1000 if code is None else code, message.get("reason") or "")
