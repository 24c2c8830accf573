"""Redirect: one origin for a site: requests to its other names, or without TLS, are sent there.

::

    GET /notes?page=2                          ─▶  308 Permanent Redirect
    Host: example.org            (port 80)         Location: https://www.example.org/notes?page=2

    GET /notes?page=2                          ─▶  the application answers, and the response gets
    Host: www.example.org        (TLS)             Strict-Transport-Security: max-age=31536000

Where a client is sent is always the origin that was configured, whatever Host says: nobody can make this stage lead
visitors elsewhere.

Source: RFC 9110, section 15.4; RFC 6797 (HSTS)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from ....context import ChannelHandlerContext
from ....handler import TransparentHandler
from ..headers import Headers
from ..messages import Data, End, FullRequest, FullResponse, Request, RequestPart, Response
from ..proxies import TrustedProxies
from .origins import AllowedOrigins
from .route_pattern import is_below
from .streaming import with_headers

if TYPE_CHECKING:
    from ....future import ChannelFuture

_NOBODY: Final = TrustedProxies()
_PORTS: Final = {"http": ":80", "https": ":443"}


class Redirect(TransparentHandler[RequestPart]):
    """Passes on what was asked of ``origin``, and redirects everything else there.  In front of the application::

        http.server_stack() >> http.Redirect("https://www.example.org") >> …                    on port 80
        http.server_stack() >> http.Redirect("https://www.example.org", scheme="https", hsts=31536000) >> …

    Args:
        origin: where the site is: ``https://host``, with a port unless it is the usual one.
        scheme: what this connection speaks: ``https`` behind a stage of TLS.
        permanent: 308, which browsers remember for ever; otherwise 307.  Both keep the method and the body.
        hsts: seconds for which browsers shall not come without TLS any more; they do not forget it before.  Only on
            connections that are secure, as RFC 6797 7.2 wants it.
        hsts_subdomains: whether that holds for all names below this one, too.
        exempt: beginnings of paths that are never redirected, such as ``/.well-known/acme-challenge/``.
        proxies: peers whose X-Forwarded-Proto tells how the client has come.

    Raises:
        ValueError: no origin; another scheme; HSTS for an origin without TLS, or a negative time; a path that does not
            begin with a slash.
    """

    def __init__(
        self,
        origin: str,
        *,
        scheme: str = "http",
        permanent: bool = True,
        hsts: int | None = None,
        hsts_subdomains: bool = False,
        exempt: Iterable[str] = (),
        proxies: TrustedProxies = _NOBODY,
    ) -> None:
        self._wanted, _, self._host = origin.partition("://")
        AllowedOrigins(origin)  # raises ValueError for what is none
        if self._wanted not in _PORTS or "*" in origin:
            raise ValueError(f"a site is at one http or https origin, and not at {origin!r}")
        if scheme not in _PORTS:
            raise ValueError(f"a connection speaks http or https, not {scheme!r}")
        if (hsts is not None or hsts_subdomains) and self._wanted != "https":
            raise ValueError(f"HSTS forbids browsers to come without TLS, which {origin!r} asks them to do")
        if hsts_subdomains and hsts is None:
            raise ValueError("hsts_subdomains needs a time: hsts=…")
        if hsts is not None and hsts < 0:
            raise ValueError(f"hsts is a number of seconds, not {hsts!r}")
        self._exempt: Final = (exempt,) if isinstance(exempt, str) else tuple(exempt)
        for path in self._exempt:
            if not path.startswith("/"):
                raise ValueError(f"a path begins with a slash, unlike {path!r}")
        self._origin: Final = origin
        self._scheme: Final = scheme
        self._status: Final = 308 if permanent else 307
        self._hsts: Final = None if hsts is None else f"max-age={hsts}" + "; includeSubDomains" * hsts_subdomains
        self._proxies: Final = proxies
        self._believes_peer = False
        self._redirected: Request | None = None  # whose End has not come
        self._is_secure = scheme == "https"  # how the client of the newest request came

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._meet(ctx)
        ctx.fire_channel_active()

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if ctx.channel.is_active:
            self._meet(ctx)

    def _meet(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if not self._proxies.is_empty:
            peer = ctx.channel.remote_address
            self._believes_peer = self._proxies.trusts(str(peer[0]) if isinstance(peer, tuple) else None)

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, Request):
            if self._is_at_home(msg):
                ctx.fire_channel_read(msg)
            elif isinstance(msg, FullRequest) or msg.expects_continue:
                self._answer(ctx, msg)  # and if it waits for leave to send a body, it need not send one
            else:
                self._redirected = msg
        elif self._redirected is None or not isinstance(msg, (Data, End)):
            ctx.fire_channel_read(msg)
        elif isinstance(msg, End):
            request, self._redirected = self._redirected, None
            self._answer(ctx, request)

    def _is_at_home(self, request: Request) -> bool:
        scheme = self._scheme
        if self._believes_peer:
            scheme = self._proxies.scheme_of(scheme, request.headers.get("x-forwarded-proto") or "")
        self._is_secure = scheme == "https"
        if request.method == "CONNECT" or request.target == "*":
            return True  # not about anything that has an address here
        if self._exempt and is_below(request.path, self._exempt):
            return True
        host = (request.headers.get("host") or "").lower().removesuffix(_PORTS[scheme])
        return scheme == self._wanted and host == self._host

    def _answer(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        query = f"?{request.query}" if "?" in request.target else ""
        headers = Headers({"location": f"{self._origin}{request.path}{query}"})
        response = FullResponse(self._status, headers, to=request)
        ctx.write(self._with_hsts(response))

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if self._hsts is not None and isinstance(msg, Response):
            msg = self._with_hsts(msg)
        ctx.write(msg, promise)

    def _with_hsts(self, response: Response) -> Response:
        if self._hsts is None or not self._is_secure:
            return response
        headers = Headers() if response.given_headers is None else response.given_headers.copy()
        headers["strict-transport-security"] = self._hsts
        return with_headers(response, headers, response.to)
