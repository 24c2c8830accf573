"""AsgiHandler: the stage that calls an ASGI application for each request.

::

    bytes ─▶ HttpRequestDecoder ─▶ HttpServerHandler ─▶ AsgiHandler ─▶ the application
    bytes ◀──────────────────────── HttpServerHandler ◀── AsgiHandler ◀─ its send()

A request for WebSocket is a call, too, until the application accepts it (``asgi_websocket``); then other stages take
the place of this one.

The application begins when the head of a request with a body is here, or when a request without one is complete; it
runs at once, inside this event (``asgi_tasks``).  HttpServerHandler lets one request through at a time, so there is
one exchange.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Never

from .._mypyc import mypyc_attr
from ..codecs.http.events import InputEnded
from ..codecs.http.messages import Data, End, FullResponse, Request, RequestPart, ResponsePart
from ..codecs.http.options import DEADLINES, LIMITS, Deadlines, Limits
from ..codecs.websocket.handshake import HandshakeError, is_handshake
from ..codecs.websocket.server import refuse
from ..complaints import complaints_of
from ..context import ChannelHandlerContext
from ..errors import EncodeError, PipelineError
from ..handler import ChannelInboundHandler
from ..stack import Stack
from .asgi_exchange import AsgiExchange
from .asgi_scope import AsgiScopes
from .gateway_stack import gateway_stack

if TYPE_CHECKING:
    from .asgi_site import AsgiSite
    from .connection import Connection

_logger: Final = logging.getLogger("pipeline_net.asgi")


@mypyc_attr(allow_interpreted_subclasses=True)
class AsgiHandler(ChannelInboundHandler[RequestPart, Never, ResponsePart]):
    """``Request``, ``Data``, ``End`` → calls of an ASGI 3 application, whose answers become ``Response`` and so on.

    Args:
        site: the application on this loop, which must be the asyncio loop that drives the channel's (``AsyncioHost``).
        scheme: what the connection speaks: ``https`` behind a stage of TLS.
    """

    def __init__(self, site: AsgiSite, *, scheme: str = "http") -> None:
        self._site = site
        self._scopes: AsgiScopes = site.scopes
        self._scheme = scheme
        self._connection: Connection | None = None
        self._head: Request | None = None  # of a request without a body, whose End is on its way
        self._exchange: AsgiExchange | None = None

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if not self._site.is_here:
            raise PipelineError(
                f"{ctx.channel!r} is not on the thread of the asyncio loop that {self._site!r} belongs to:"
                " bind the server to the loop of an AsyncioHost"
            )

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, Request):
            if msg.body_length == 0:
                self._head = msg
            else:
                self._begin(ctx, msg)
        elif isinstance(msg, End):
            head = self._head
            if head is not None:
                self._head = None
                self._begin(ctx, head)
            elif self._exchange is not None:
                self._exchange.take_end()
        elif isinstance(msg, Data):
            if self._exchange is not None:
                data: Any = msg.data
                self._exchange.take_data(data)
        else:
            ctx.fire_channel_read(msg)

    def _begin(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._site.connection(ctx.channel, self._scheme)
        self._exchange = None
        exchange: AsgiExchange
        if request.method == "CONNECT":
            self._refuse_tunnel(ctx, request)
            return
        if request.wants_upgrade and is_handshake(request):  # other upgrades are offers, and not taken up
            try:
                scope, exchange = self._site.websocket(ctx, request, connection)
            except HandshakeError as exc:
                refuse(ctx, request, exc)
                return
        else:
            scope = self._scopes.scope(request, connection)
            exchange = AsgiExchange(ctx, request)
        self._exchange = exchange
        self._site.start(scope, exchange)

    def _refuse_tunnel(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        """Answer what no application can."""
        level = complaints_of(ctx.loop).level(_logger, logging.WARNING, "requests for a tunnel")
        _logger.log(level, "%s asked for a tunnel to %s, and was refused", ctx.channel.remote_address, request.target)
        headers = [("content-type", "text/plain"), ("connection", "close")]
        ctx.write(FullResponse(501, headers, b"tunnels (CONNECT) are not made here\n"))

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._exchange is not None and ctx.channel.is_writable:
            self._exchange.room()
        ctx.fire_channel_writability_changed()

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        if isinstance(event, InputEnded) and self._exchange is not None:
            self._exchange.take_disconnect()
        ctx.fire_user_event_triggered(event)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        exchange = self._exchange
        if exchange is not None:
            self._exchange = None
            exchange.take_disconnect()
        ctx.fire_channel_inactive()

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        exchange = self._exchange
        if isinstance(exc, EncodeError) and exchange is not None and exchange.take_write_error(exc):
            return  # the application that sent it gets it
        ctx.fire_exception_caught(exc)


def asgi_stack(
    site: AsgiSite,
    *,
    limits: Limits = LIMITS,
    deadlines: Deadlines = DEADLINES,
    scheme: str = "http",
    stages: Iterable[Any] = (),
) -> Stack[bytes, Never, Never, bytes]:
    """Everything from the wire to the application.  Note ``limits.max_body``: what an upload may be.

    Args:
        scheme: ``https`` behind a stage of TLS.
        stages: what sits between HTTP and the application, such as a log of requests.

    Raises:
        ValueError: ``limits.max_pipelined`` is not 1: an application is called for one request of a connection at a
            time.
    """
    handler = AsgiHandler(site, scheme=scheme)
    return gateway_stack(handler, "an ASGI application", limits=limits, deadlines=deadlines, stages=stages)
