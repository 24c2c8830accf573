"""WsgiHandler: the stage that calls a WSGI application for each request, on a thread of a pool.

::

    bytes ─▶ HttpRequestDecoder ─▶ HttpServerHandler ─▶ WsgiHandler ─▶ pool ─▶ the application
    bytes ◀──────────────────────── HttpServerHandler ◀── WsgiReply ◀── loop.execute ◀─┘

Source: PEP 3333
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Never

from ..codecs.http.messages import Data, End, FullResponse, Request, RequestPart, ResponsePart
from ..codecs.http.options import DEADLINES, LIMITS, Deadlines, Limits
from ..codecs.http.proxies import TrustedProxies
from ..complaints import complaints_of
from ..context import ChannelHandlerContext
from ..errors import EncodeError, PipelineError, PoolFullError
from ..handler import ChannelInboundHandler
from ..stack import Stack
from .connection import Connection, check_root_path
from .gateway_stack import gateway_stack
from .wsgi_environ import make_environ
from .wsgi_exchange import FileWrapper, WsgiExchange
from .wsgi_input import RequestBody
from .wsgi_reply import WsgiReply

if TYPE_CHECKING:
    from ..loop import Loop
    from ..transport.pool import WorkerPool

logger: Final = logging.getLogger("pipeline_net.wsgi")

_NOBODY: Final = TrustedProxies()
_TRY_AGAIN: Final = 0.05  # seconds until there may be room for the rest of an exchange


class WsgiSite:
    """A WSGI application, and the threads that call it; shared by all connections.

    Args:
        app: ``app(environ, start_response)``.
        pool: runs it; a request that finds no room there is answered with 503.
        root_path: SCRIPT_NAME: where a proxy that cuts this off has mounted the application.
        proxies: the peers whose X-Forwarded-For and X-Forwarded-Proto are believed; nobody's by default.
        any_thread: whether an iterator that the application returns may go on in another thread: then it leaves its
            thread while the client does not read.

    Raises:
        ValueError: a root path that does not begin with a slash, or ends with one.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        pool: WorkerPool,
        *,
        root_path: str = "",
        proxies: TrustedProxies = _NOBODY,
        any_thread: bool = False,
    ) -> None:
        if not callable(app):
            raise TypeError(f"a WSGI application is called with environ and start_response, which {app!r} cannot be")
        check_root_path(root_path)
        self.app: Final = app
        self.pool: Final = pool
        self.root_path: Final = root_path
        self.proxies: Final = proxies
        self.any_thread: Final = any_thread

    def go_on(self, loop: Loop, fn: Callable[[], object]) -> None:
        """Run the rest of an exchange on some thread of the pool; from the loop, or any thread of the pool."""
        try:
            self.pool.submit(fn)
        except PoolFullError:
            loop.schedule(_TRY_AGAIN, self.go_on, loop, fn)
        except PipelineError:
            fn()  # the pool has ended, and what the application has left open is still to be closed

    def __repr__(self) -> str:
        return f"<WsgiSite of {self.app!r}>"


class WsgiHandler(ChannelInboundHandler[RequestPart, Never, ResponsePart]):
    """``Request``, ``Data``, ``End`` → calls of a WSGI application, whose answers become ``Response`` and so on.

    Args:
        site: the application.
        scheme: what the connection speaks: ``https`` behind a stage of TLS.
    """

    def __init__(self, site: WsgiSite, *, scheme: str = "http") -> None:
        self._site = site
        self._scheme = scheme
        self._connection: Connection | None = None
        self._head: Request | None = None  # of a request without a body, whose End is on its way
        self._body: RequestBody | None = None
        self._reply: WsgiReply | None = None

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, Request):
            self._body = None
            if msg.body_length == 0:
                self._head = msg
            else:
                self._begin(ctx, msg)
        elif isinstance(msg, End):
            head = self._head
            if head is not None:
                self._head = None
                self._begin(ctx, head)
            elif self._body is not None:
                self._body.take_end()
        elif isinstance(msg, Data):
            reply = self._reply
            if self._body is not None and reply is not None and not reply.is_over:
                data: Any = msg.data
                if not self._body.take_data(data):
                    reply.on_loop_hold_reads()
        else:
            ctx.fire_channel_read(msg)

    def _begin(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        connection = self._connection
        if connection is None:
            connection = self._connection = Connection(ctx.channel, self._scheme, self._site.proxies)
        if request.method == "CONNECT":
            ctx.write(FullResponse(501, [("connection", "close")], b"tunnels (CONNECT) are not made here\n"))
            return
        site = self._site
        reply = WsgiReply(ctx, request)
        body: Any = io.BytesIO()
        if request.body_length != 0:
            body = self._body = RequestBody(reply.wants_more)
        environ = make_environ(request, connection, site.root_path, site.proxies, body, FileWrapper)
        self._reply = reply
        try:
            site.pool.submit(
                WsgiExchange(
                    site.app,
                    environ,
                    request,
                    reply,
                    self._scheme == "http",
                    partial(site.go_on, ctx.loop),
                    any_thread=site.any_thread,
                ).run
            )
        except PoolFullError as exc:
            level = complaints_of(ctx.loop).level(logger, logging.ERROR, "requests for which there was no thread")
            logger.log(level, "%s", exc)
            reply.is_over = True
            reply.on_loop_release_reads()
            headers = [("content-type", "text/plain"), ("connection", "close"), ("retry-after", "1")]
            ctx.write(FullResponse(503, headers, b"Service Unavailable"))

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._reply is not None and ctx.channel.is_writable:
            self._reply.on_loop_room()
        ctx.fire_channel_writability_changed()

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._body is not None:
            self._body.take_disconnect()
        if self._reply is not None:
            self._reply.on_loop_disconnect()
        ctx.fire_channel_inactive()

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        if isinstance(exc, EncodeError) and self._reply is not None and self._reply.on_loop_error(exc):
            return  # the application that sent it gets it
        ctx.fire_exception_caught(exc)


def wsgi_stack(
    site: WsgiSite,
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
    handler = WsgiHandler(site, scheme=scheme)
    return gateway_stack(handler, "a WSGI application", limits=limits, deadlines=deadlines, stages=stages)
