"""ClientHandshakeHandler and client_stack(): from HTTP to WebSocket, at a client.

::

    before   bytes ─▶ HttpResponseDecoder ─▶ HttpClientHandler ─▶ ClientHandshakeHandler ─▶ the application
    after    bytes ─▶ FrameDecoder ─▶ WebSocketHandler ─▶ the application

A server may send its first frames in the same packet as the 101; the stages of HTTP hand them over when they leave.

Redirects are not followed, and credentials are not asked for: the answer, if it is no 101, is the program's to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from ...context import ChannelHandlerContext
from ...handler import ChannelDuplexHandler
from ...stack import Stack
from ..http.client_handler import client_stack as http_stack
from ..http.errors import HttpDecodeError
from ..http.headers import Headers, HeadersLike
from ..http.messages import Data, End, FullRequest, RequestPart, Response, ResponsePart
from .acceptance import check_subprotocols
from .extensions import parse_extensions
from .handshake import HandshakeComplete, HandshakeError, check_answer, check_extra, make_key
from .held_writes import HeldWrites
from .limits import KEEP_ALIVE, LIMITS, KeepAlive, Limits
from .messages import Fragment, OutMessage
from .negotiation import Deflate
from .negotiation import check_answer as check_deflate
from .negotiation import offer as offer_deflate
from .settings import ProtocolSettings
from .url import WebSocketUrl

if TYPE_CHECKING:
    from ...future import ChannelFuture
    from ...transport.timers import TimerHandle

_MAX_BODY: Final = 65536  # bytes of a refusal that are kept


class ClientHandshakeHandler(ChannelDuplexHandler[ResponsePart, Any, Any, RequestPart]):
    """Asks for WebSocket when the channel is active, and makes way for its stages when the server agrees.

    The application behind this stage gets ``HandshakeComplete`` as a user event, then messages.  What it writes before
    that is sent after it.  If there is no WebSocket, ``exception_caught`` gets a ``HandshakeError`` with the server's
    answer, and the channel is closed.

    Args:
        url: what is asked for; ``client_stack`` has the other arguments.
    """

    def __init__(
        self,
        url: WebSocketUrl,
        protocol: ProtocolSettings,
        *,
        subprotocols: Sequence[str] = (),
        headers: HeadersLike | None = None,
        origin: str | None = None,
        deflate: Deflate | None = None,
        timeout: float = 10.0,
    ) -> None:
        if not timeout > 0:
            raise ValueError(f"handshake_timeout must be more than 0 seconds, not {timeout!r}")
        self._url = url
        self._protocol = protocol
        self._subprotocols = check_subprotocols(subprotocols)
        self._headers = Headers() if headers is None else Headers(headers)
        check_extra(self._headers)
        self._origin = origin
        self._deflate = deflate
        self._timeout = timeout
        self._timer: TimerHandle | None = None
        self._key = b""
        self._held = HeldWrites()
        self._response: Response | None = None
        self._body = b""
        self._has_failed = False

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if ctx.channel.is_active:
            self._ask(ctx)

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._ask(ctx)
        ctx.fire_channel_active()

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._stop_timer()

    def _ask(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._key = make_key()
        ctx.write(FullRequest("GET", self._url.target, self._request_headers()))
        self._timer = ctx.channel.loop.schedule(self._timeout, self._time_is_up, ctx)

    def _request_headers(self) -> Headers:
        headers = Headers(
            [
                ("host", self._url.host_header),
                ("upgrade", "websocket"),
                ("connection", "Upgrade"),
                ("sec-websocket-key", self._key),
                ("sec-websocket-version", "13"),
            ]
        )
        if self._subprotocols:
            headers.add("sec-websocket-protocol", ", ".join(self._subprotocols))
        if self._deflate is not None:
            headers.add("sec-websocket-extensions", offer_deflate(self._deflate))
        if self._origin is not None:
            headers.add("origin", self._origin)
        if self._url.authorization is not None and "authorization" not in self._headers:
            headers.add("authorization", self._url.authorization)
        for name, value in self._headers.items():
            if name.lower() == "host":
                headers["host"] = value
            else:
                headers.add(name, value)
        return headers

    # -- the answer ---------------------------------------------------------------------------------

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, Response):
            self._response = msg
        elif isinstance(msg, Data):
            self._body += msg.as_bytes()
            if len(self._body) > _MAX_BODY:
                self._body = self._body[:_MAX_BODY]
                self._refused(ctx)
        elif isinstance(msg, End):
            self._decide(ctx)

    def _decide(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        response = self._response
        assert response is not None, "a message begins with its head"
        if response.status != 101:
            self._refused(ctx)
            return
        try:
            subprotocol = check_answer(response, self._key, self._subprotocols)
            said = response.headers.get("sec-websocket-extensions", "") or ""
            deflate = check_deflate(parse_extensions(said), self._deflate)
        except HandshakeError as exc:
            self._fail(ctx, exc)
            return
        except ValueError as exc:
            error = HandshakeError(str(exc), response.status, response.headers)
            error.__cause__ = exc
            self._fail(ctx, error)
            return
        ctx.pipeline.replace(self, *self._protocol.stages("client", deflate))
        self._held.release(ctx)  # what a seat that was replaced still writes goes through the new ones
        ctx.fire_user_event_triggered(
            HandshakeComplete(self._url.target, response.headers, subprotocol, (said,) if said else ())
        )

    # -- when there is none -------------------------------------------------------------------------

    def _refused(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        response = self._response
        assert response is not None, "a message begins with its head"
        why = f"{self._url!r} answered {response.status} {response.phrase}"
        self._fail(ctx, HandshakeError(why, response.status, response.headers, self._body))

    def _time_is_up(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._timer = None
        self._fail(ctx, HandshakeError(f"{self._url!r} has not answered within {self._timeout:g} s"))

    def _fail(self, ctx: ChannelHandlerContext[Any, Any], error: HandshakeError) -> None:
        if self._has_failed:
            return
        self._has_failed = True
        self._stop_timer()
        self._held.fail(error)
        ctx.fire_exception_caught(error)
        ctx.close()

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        if not isinstance(exc, HttpDecodeError):
            ctx.fire_exception_caught(exc)
            return
        error = HandshakeError(f"{self._url!r}: {exc}")
        error.__cause__ = exc
        self._fail(ctx, error)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._stop_timer()
        self._held.fail(ctx.channel.closed_error())
        ctx.fire_channel_inactive()

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if self._has_failed or not ctx.channel.is_open:
            ctx.refuse(ctx.channel.closed_error(), promise)
            return
        self._held.hold(ctx, msg, promise)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@overload
def client_stack(
    url: str | WebSocketUrl,
    *,
    subprotocols: Sequence[str] = (),
    headers: HeadersLike | None = None,
    origin: str | None = None,
    deflate: Deflate | None = None,
    handshake_timeout: float = 10.0,
    limits: Limits = LIMITS,
    keepalive: KeepAlive | None = KEEP_ALIVE,
    close_timeout: float = 10.0,
    messages: Literal[True] = True,
) -> Stack[bytes, str | bytes, OutMessage, bytes]: ...
@overload
def client_stack(
    url: str | WebSocketUrl,
    *,
    subprotocols: Sequence[str] = (),
    headers: HeadersLike | None = None,
    origin: str | None = None,
    deflate: Deflate | None = None,
    handshake_timeout: float = 10.0,
    limits: Limits = LIMITS,
    keepalive: KeepAlive | None = KEEP_ALIVE,
    close_timeout: float = 10.0,
    messages: Literal[False],
) -> Stack[bytes, Fragment, OutMessage, bytes]: ...
def client_stack(
    url: str | WebSocketUrl,
    *,
    subprotocols: Sequence[str] = (),
    headers: HeadersLike | None = None,
    origin: str | None = None,
    deflate: Deflate | None = None,
    handshake_timeout: float = 10.0,
    limits: Limits = LIMITS,
    keepalive: KeepAlive | None = KEEP_ALIVE,
    close_timeout: float = 10.0,
    messages: bool = True,
) -> Stack[bytes, Any, OutMessage, bytes]:
    """Everything below the program of a client: ``client_stack("ws://127.0.0.1:9000/chat") >> Mine()``.

    Args:
        url: what is asked for.  It does not connect: give ``WebSocketUrl(url).address`` to a bootstrap.  User and
            password in it are sent as Basic credentials.
        subprotocols: those that we speak, the best first.
        headers: more headers for the request: ``{"authorization": "Bearer …", "cookie": "…"}``.
        origin: what a browser would send; servers may insist.
        deflate: what we would like compressed; nothing by default.
        handshake_timeout: seconds from the connection to the server's answer.
        limits, keepalive, close_timeout, messages: as for ``protocol_stages``.

    Raises:
        AddressError: no URL of a WebSocket.
        ValueError: a setting that makes no sense.
    """
    handler = ClientHandshakeHandler(
        WebSocketUrl(url) if isinstance(url, str) else url,
        ProtocolSettings(limits=limits, keepalive=keepalive, close_timeout=close_timeout, messages=messages),
        subprotocols=subprotocols,
        headers=headers,
        origin=origin,
        deflate=deflate,
        timeout=handshake_timeout,
    )
    stack: Any = http_stack()
    whole: Stack[bytes, Any, OutMessage, bytes] = stack >> handler
    return whole
