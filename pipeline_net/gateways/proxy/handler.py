"""ReverseProxy, ProxyHandler and proxy_stack(): the stage that asks another server.

::

    bytes ─▶ HttpRequestDecoder ─▶ HttpServerHandler ─▶ ProxyHandler ═▶ Exchange ═▶ OriginLink ─▶ … ─▶ bytes
    bytes ◀──────────────────────── HttpServerHandler ◀─ ProxyHandler ◀═ Exchange ◀═ OriginLink ◀─ … ◀─ bytes

The strict decoder in front is the proxy's first duty: what two programs could read differently never gets to the
origin, and what does get there was written by our own encoder.
"""

from __future__ import annotations

from typing import Any, Final, Never

from ...codecs.http import (
    Deadlines,
    FullResponse,
    InputEnded,
    Limits,
    Request,
    RequestPart,
    ResponsePart,
)
from ...codecs.http.options import DEADLINES
from ...context import ChannelHandlerContext
from ...errors import EncodeError
from ...handler import ChannelInboundHandler
from ...options import ChannelOptions
from ...stack import Stack
from ..connection import Connection
from ..gateway_stack import gateway_stack
from .exchange import Exchange, refusal
from .forwarding import MOST_HOPS, fault_of, hops, hops_left, host_of, request_headers, target_of, upgrade_of
from .options import LIMITS, OPTIONS, ProxyOptions
from .origins import Origins


class ReverseProxy:
    """What all connections of a proxy share: its origins, and how it treats them.

    Args:
        origins: addresses of servers that all answer the same; each gets its turn, and one that cannot be reached is
            passed over.  ``tls://…`` is spoken encrypted.
        options: how patient the proxy is, what it tells, whom it believes.
        tls: how to speak with ``tls://`` origins, as ``Bootstrap`` takes it.
        channel: options of the connections to origins.

    Raises:
        AddressError: an address does not say where.
        ValueError: there is none.
    """

    def __init__(
        self,
        *origins: str,
        options: ProxyOptions = OPTIONS,
        tls: Any = None,
        channel: ChannelOptions = ChannelOptions(),
    ) -> None:
        self.options: Final = options
        self.origins: Final = Origins(origins, options, tls=tls, channel=channel)

    def __repr__(self) -> str:
        return f"<ReverseProxy for {', '.join(self.origins.addresses)}>"

    def close(self) -> None:
        """Close the connections to origins that are kept for later; from any thread."""
        self.origins.close_idle()

    def refuses(self, request: Request) -> tuple[int, str] | None:
        """Say with which status, and why, a request goes no further."""
        if request.method == "CONNECT":
            return 501, "this is a gateway, and makes no tunnels"
        if request.method == "TRACE":
            return 501, "what was sent is not repeated"  # it would show what cookies and credentials we pass on
        if hops(request) >= MOST_HOPS:
            return 508, f"the request has come through {hops(request)} proxies, and may be going round in circles"
        fault = fault_of(request)
        return None if fault is None else (400, fault)

    def forwarded(self, request: Request, connection: Connection) -> Request:
        """Make the request that the origin gets."""
        options = self.options
        headers = request_headers(
            request,
            host=host_of(request),
            client=connection.client,
            scheme=connection.scheme,
            trusted=connection.trusted,
            name=options.name,
            upgrade=upgrade_of(request, options.upgrades),
        )
        if not options.preserve_host:
            headers.discard("host")
        return Request(request.method, target_of(request), headers)


class ProxyHandler(ChannelInboundHandler[RequestPart, Never, ResponsePart]):
    """``Request``, ``Data``, ``End`` → an origin, whose ``Response``, ``Data``, ``End`` come back.

    Put it behind ``server_stack(auto_continue=False)``, for it is the origin who says ``100 Continue``.

    Args:
        proxy: what it shares with the other connections.
        scheme: what the clients speak: ``https`` behind a stage of TLS.
    """

    def __init__(self, proxy: ReverseProxy, *, scheme: str = "http") -> None:
        self._proxy = proxy
        self._scheme = scheme
        self._connection: Connection | None = None
        self._exchange: Exchange | None = None

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, Request):
            self._begin(ctx, msg)
        elif self._exchange is not None:
            self._exchange.take_request(msg)

    def _begin(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        self._exchange = None
        refused = self._proxy.refuses(request)
        if refused is not None:
            ctx.write(refusal(*refused, closes=True))
            return
        if hops_left(request) == 0:
            # RFC 9110 7.6.2: "the intermediary MUST respond as the final recipient"
            ctx.write(FullResponse(204, {"allow": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}))
            return
        if self._connection is None:
            self._connection = Connection(ctx.channel, self._scheme, self._proxy.options.proxies)
        head = self._proxy.forwarded(request, self._connection)
        self._exchange = Exchange(self._proxy, ctx, request, head)
        self._exchange.start()

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._exchange is not None and ctx.channel.is_writable:
            self._exchange.client_has_room()
        ctx.fire_channel_writability_changed()

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        if isinstance(event, InputEnded) and self._proxy.options.cancels_on_half_close:
            ctx.channel.abort()
        ctx.fire_user_event_triggered(event)

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        exchange = self._exchange
        if isinstance(exc, EncodeError) and exchange is not None and exchange.write_failed(exc):
            return
        ctx.fire_exception_caught(exc)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._exchange is not None:
            self._exchange.cancel()
            self._exchange = None
        ctx.fire_channel_inactive()


def proxy_stack(
    proxy: ReverseProxy,
    *,
    limits: Limits = LIMITS,
    deadlines: Deadlines = DEADLINES,
    scheme: str = "http",
) -> Stack[bytes, Never, Never, bytes]:
    """Everything from the wire to the origin.

    Raises:
        ValueError: ``limits.max_pipelined`` is not 1: a connection's requests go to the origins one after the other.
    """
    return gateway_stack(ProxyHandler(proxy, scheme=scheme), "a proxy", limits=limits, deadlines=deadlines)
