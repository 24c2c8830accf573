"""Cors: which other sites' pages may read the responses; the preflights of browsers are answered here.

::

    OPTIONS /notes                           ─▶   204
    Origin: https://app.example.org               Access-Control-Allow-Origin: https://app.example.org
    Access-Control-Request-Method: PUT            Access-Control-Allow-Methods: GET, PUT
                                                  Vary: Origin

    PUT /notes                               ─▶   the application answers, and gets
    Origin: https://app.example.org               Access-Control-Allow-Origin: https://app.example.org
                                                  Vary: Origin

It keeps nobody out.  A page of any site can send a form, and whoever is no browser sends what it likes: CORS is about
what a browser lets a page *read*.  Requests of origins that are not allowed reach the application as they always did.

Source: WHATWG Fetch, section 3.2, "HTTP-network-or-cache fetch" to "CORS protocol"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Literal

from ....context import ChannelHandlerContext
from ....handler import TransparentHandler
from ..grammar import is_token
from ..headers import Headers
from ..messages import Data, End, FullRequest, FullResponse, Request, RequestPart, Response
from .exchanges import Exchanges
from .origins import AllowedOrigins
from .streaming import with_headers

if TYPE_CHECKING:
    from ....future import ChannelFuture

_MAX_AGE: Final = 86400  # seconds; the longest that any browser keeps
_REFUSED: Final = b"This origin is not allowed\n"


class CorsPolicy:
    """What is allowed to whom; one for all connections.  See ``Cors``."""

    def __init__(
        self,
        allow_origins: str | Iterable[str] | Callable[[str], bool],
        *,
        allow_methods: Iterable[str] | Literal["*"] = ("GET", "HEAD", "POST"),
        allow_headers: Iterable[str] | Literal["*"] = (),
        expose_headers: Iterable[str] | Literal["*"] = (),
        allow_credentials: bool = False,
        allow_private_network: bool = False,
        max_age: int | None = 600,
    ) -> None:
        self.origins: Final = AllowedOrigins(allow_origins)
        self.allow_credentials: Final = allow_credentials
        self.allow_private_network: Final = allow_private_network
        self.methods: Final = self._list_of("allow_methods", allow_methods)
        self.headers: Final = self._list_of("allow_headers", allow_headers)
        self.exposed: Final = self._list_of("expose_headers", expose_headers)
        self.max_age: Final = max_age
        if allow_credentials and self.origins.is_everybody:
            raise ValueError(
                'credentials are not for everybody: browsers refuse them with allow_origins="*"; name them'
            )
        if allow_credentials and self.origins.has_null:
            raise ValueError("credentials are not for the origin null, which any site can give itself")
        if max_age is not None and not 0 <= max_age <= _MAX_AGE:
            raise ValueError(f"max_age is from 0 to {_MAX_AGE} seconds, or None, and not {max_age!r}")

    def _list_of(self, what: str, names: Iterable[str]) -> str:
        """Check names, and join them as they travel."""
        found = [names] if isinstance(names, str) else list(names)
        for name in found:
            if not is_token(name.encode("utf-8")):
                raise ValueError(f"{what} has {name!r}, which is no name of a method or a header")
        if "*" in found and self.allow_credentials:
            # Fetch, 3.2.5: "… `*` counts as a wildcard for requests without credentials.  For such requests there is
            # no way to solely match a header name or method that is `*`."
            raise ValueError(f'{what}="*" means nothing to a browser that sends credentials: name them')
        return ", ".join(found)

    def add_to(self, headers: Headers, origin: str | None) -> None:
        """Put into the headers of a response what ``origin`` is told; ``None``: it is not allowed, or did not say."""
        headers.discard("access-control-allow-origin")  # twice is none for a browser
        if self.origins.is_everybody:
            headers.add("access-control-allow-origin", "*")
            return
        vary = headers.get("vary")
        if vary is None:
            headers.add("vary", "Origin")
        elif not headers.has_token("vary", "origin") and not headers.has_token("vary", "*"):
            headers["vary"] = f"{vary}, Origin"
        if origin is None:
            return
        headers.add("access-control-allow-origin", origin)
        if self.allow_credentials:
            headers["access-control-allow-credentials"] = "true"

    def preflight(self, request: Request, origin: str | None) -> FullResponse:
        """Answer a browser that asks before it sends."""
        headers = Headers()
        self.add_to(headers, origin)
        if origin is None and not self.origins.is_everybody:
            headers.add("content-type", "text/plain")
            return FullResponse(403, headers, _REFUSED, to=request)
        for name, value in (
            ("access-control-allow-methods", self.methods),
            ("access-control-allow-headers", self.headers),
            ("access-control-max-age", "" if self.max_age is None else str(self.max_age)),
        ):
            if value:
                headers.add(name, value)
        if self.allow_private_network and request.headers.get("access-control-request-private-network") == "true":
            headers.add("access-control-allow-private-network", "true")
        return FullResponse(204, headers, to=request)


class Cors(TransparentHandler[RequestPart]):
    """Answers preflights, and tells browsers with each response who may read it.  Between ``server_stack()`` and the
    application::

        policy = http.CorsPolicy("https://app.example.org", allow_methods=["GET", "PUT"])
        http.server_stack() >> http.Cors(policy) >> …

    ``CorsPolicy`` takes

    Args:
        allow_origins: ``"*"`` for everybody; origins, with ``https://*.example.org`` for subdomains; or a function of
            one, which answers at once.
        allow_methods: what a page may send besides GET, HEAD and POST.
        allow_headers: headers that a page may send besides the harmless ones; ``*`` leaves Authorization out.
        expose_headers: headers that a page may read besides the usual ones.
        allow_credentials: whether cookies and HTTP authentication are sent along.
        allow_private_network: whether pages of the public internet may ask us in a private network.
        max_age: seconds for which a browser remembers a preflight; ``None``: its own five.

    Raises:
        ValueError: an origin that no browser would send; a name that is none; credentials for everybody or for
            ``null``, or ``*`` with them, which browsers do not take for what it says; a time that is not from 0 to a
            day.
    """

    def __init__(self, policy: CorsPolicy) -> None:
        if not isinstance(policy, CorsPolicy):
            raise TypeError(f"Cors takes a CorsPolicy, such as CorsPolicy({policy!r})")
        self._policy = policy
        self._exchanges: Exchanges[str | None] = Exchanges()  # the origin, if it is allowed
        self._preflight: Request | None = None  # whose End has not come

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, Request):
            self._begin(ctx, msg)
        elif self._preflight is None or not isinstance(msg, (Data, End)):
            ctx.fire_channel_read(msg)
        elif isinstance(msg, End):
            answer = self._policy.preflight(self._preflight, self._allowed(self._preflight))
            self._preflight = None
            ctx.write(answer)

    def _begin(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        is_preflight = (
            request.method == "OPTIONS"
            and "origin" in request.headers
            and "access-control-request-method" in request.headers
        )
        if not is_preflight:
            self._exchanges.begin(request, self._allowed(request))
            ctx.fire_channel_read(request)
        elif isinstance(request, FullRequest):
            ctx.write(self._policy.preflight(request, self._allowed(request)))
        else:
            self._preflight = request

    def _allowed(self, request: Request) -> str | None:
        origin = request.headers.get("origin")
        return origin if origin is not None and self._policy.origins.allow(origin) else None

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if promise is not None and not promise.take_on():
            return  # cancelled in time: it answers nothing
        if isinstance(msg, Response):
            origin = self._exchanges.note_of(msg.to)
            headers = Headers() if msg.given_headers is None else msg.given_headers.copy()
            self._policy.add_to(headers, origin)
            if self._policy.exposed and (origin is not None or self._policy.origins.is_everybody):
                headers["access-control-expose-headers"] = self._policy.exposed
            if isinstance(msg, FullResponse):
                self._exchanges.end(msg.to)
            msg = with_headers(msg, headers, msg.to)
        elif isinstance(msg, End):
            self._exchanges.end(msg.to)
        ctx.write(msg, promise)
