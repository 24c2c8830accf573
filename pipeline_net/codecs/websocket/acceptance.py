"""Acceptance: what a server makes of a handshake, by its settings: who may come, in which subprotocol, how compressed.

**Pages of other sites.**  A browser sends its cookies with the handshake of any page to any host, and lets the page
read what comes back: the rules that keep a page from reading another site's answers do not hold for WebSocket.  So a
server that knows its users by cookies is at the mercy of every page they look at (cross-site WebSocket hijacking).
What a browser does say, and a page cannot forge, is ``Origin``.  Therefore, unless it is told otherwise, a server talks
to pages from its own host, and to programs, which send no Origin.

Source: RFC 6455, sections 4.2.2 and 10.2; RFC 6454
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from ..http.headers import Headers, HeadersLike, as_headers
from ..http.messages import FullResponse, Request
from .deflate_parameters import DeflateParameters
from .extensions import is_token
from .handshake import HandshakeComplete, HandshakeError, Offer, check_extra, check_request, switching
from .negotiation import Deflate, choose

Origins: TypeAlias = "Iterable[str] | Callable[[str | None, Request], bool] | None"
Subprotocols: TypeAlias = "Sequence[str] | Callable[[Request, list[str]], str | None]"
MoreHeaders: TypeAlias = "HeadersLike | Callable[[Request], HeadersLike | None] | None"

_PORTS: Final = {"http": 80, "https": 443}
_ANY: Final = "*"


class Accepted:
    """The answer to a handshake, and what has been agreed on with it."""

    def __init__(self, response: FullResponse, complete: HandshakeComplete, deflate: DeflateParameters | None) -> None:
        self.response = response
        self.complete = complete
        self.deflate = deflate


class Acceptance:
    """Decides about handshakes, all by the same settings; see ``UpgradeHandler`` for what they mean.

    Raises:
        ValueError: a subprotocol is no token, or an origin none, or a header is the handshake's own.
    """

    def __init__(
        self,
        *,
        subprotocols: Subprotocols = (),
        origins: Origins = None,
        deflate: Deflate | None = None,
        headers: MoreHeaders = None,
    ) -> None:
        self._subprotocols = subprotocols if callable(subprotocols) else check_subprotocols(subprotocols)
        self._origins = origins if origins is None or callable(origins) else _check_origins(origins)
        self._deflate = deflate
        self._headers = headers
        if headers is not None and not callable(headers):
            self._headers = as_headers(headers)
            check_extra(self._headers)

    def consider(self, request: Request) -> Offer:
        """Find out what is offered, and whether whoever asks may come in.

        Raises:
            HandshakeError: the request is no proper handshake (400, 405, 426), or from a page that may not (403).
        """
        offer = check_request(request)
        if not self._is_welcome(offer.origin, request):
            raise HandshakeError(f"pages of {offer.origin!r:.100} may not connect here", 403)
        return offer

    def accept(self, request: Request, offer: Offer) -> Accepted:
        """Agree to what is offered."""
        subprotocol = self._choose_subprotocol(request, offer.subprotocols)
        headers = self._headers(request) if callable(self._headers) else self._headers
        return agree(
            request, offer, subprotocol, None if headers is None else as_headers(headers), deflate=self._deflate
        )

    def _choose_subprotocol(self, request: Request, offered: list[str]) -> str | None:
        ours = self._subprotocols
        if callable(ours):
            return ours(request, offered)
        return next((name for name in ours if name in offered), None)

    def _is_welcome(self, origin: str | None, request: Request) -> bool:
        allowed = self._origins
        if callable(allowed):
            return allowed(origin, request)
        if origin is None:
            return True  # no browser
        if allowed is None:
            return _is_of(origin, request.headers.get("host", "") or "")
        return _ANY in allowed or origin.lower() in allowed


def agree(
    request: Request,
    offer: Offer,
    subprotocol: str | None,
    headers: Headers | None = None,
    *,
    deflate: Deflate | None = None,
) -> Accepted:
    """Make the answer to a handshake.

    Raises:
        ValueError: the subprotocol was not offered, or a header is the handshake's own.
        EncodeError: a header that cannot travel.
    """
    if subprotocol is not None and subprotocol not in offer.subprotocols:
        raise ValueError(f"the subprotocol {subprotocol!r} was not offered: {offer.subprotocols!r:.100}")
    chosen = None if deflate is None else choose(offer.extensions, deflate)
    extensions = None if chosen is None else chosen[0]
    response = switching(offer.key, subprotocol, extensions, headers)
    complete = HandshakeComplete(request.target, request.headers, subprotocol, () if chosen is None else (chosen[0],))
    return Accepted(response, complete, None if chosen is None else chosen[1])


def _is_of(origin: str, host: str) -> bool:
    """Whether a page comes from the host that it asks."""
    where = _place_of(origin)
    if where is None:
        return False  # "null": a page that has no origin, or must not tell
    name, port, scheme = where
    asked = _place_of(f"{scheme}://{host}")
    return asked is not None and asked[:2] == (name, port)


def _place_of(origin: str) -> tuple[str, int | None, str] | None:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if not parts.scheme or not parts.hostname:
        return None
    return parts.hostname, _PORTS.get(parts.scheme) if port is None else port, parts.scheme


def check_subprotocols(names: Sequence[str]) -> tuple[str, ...]:
    """Make sure that subprotocols can be named in a header.

    Raises:
        ValueError: one is no token, or there twice.
    """
    if isinstance(names, str):
        raise ValueError(f"subprotocols are a list of names, not the text {names!r}")
    for name in names:
        if not is_token(name):
            raise ValueError(f"a subprotocol is a token, not {name!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"the same subprotocol is there twice: {list(names)!r}")
    return tuple(names)


def _check_origins(origins: Iterable[str]) -> frozenset[str]:
    if isinstance(origins, str):
        raise ValueError(f"origins are a list such as ['https://example.org'], not the text {origins!r}")
    allowed = frozenset(origin.lower() for origin in origins)
    for origin in allowed:
        if origin in (_ANY, "null"):
            continue
        place = _place_of(origin)
        if place is None or origin.count("/") != 2:
            raise ValueError(f"an origin is scheme://host or scheme://host:port, '*' or 'null', not {origin!r}")
    return allowed
