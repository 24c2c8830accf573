"""Redirects: where a response sends us, and what of the request may go along.

::

    301, 302    POST becomes GET, without its body; everything else stays what it is
    303         becomes GET (HEAD stays HEAD), without a body
    307, 308    stays what it is, body and all

To another origin (scheme, host or port) go no Authorization, no Cookie, no Proxy-Authorization, and none of the headers
that ``secret_headers`` names; nor do they come back when a later redirect leads home again, for whoever stands in
between could arrange that.  From https nobody is led to http, unless the options allow it.

Source: RFC 9110, sections 15.4 and 17.15.
"""

from __future__ import annotations

from typing import Final

from ..headers import Headers
from .body import RequestBody
from .errors import RedirectError, TooManyRedirectsError, UrlError
from .options import ClientOptions
from .request import PreparedRequest

FOLLOWED: Final = frozenset([301, 302, 303, 307, 308])

_SECRET: Final = ("authorization", "cookie", "proxy-authorization")
_OF_THE_BODY: Final = (
    *("content-type", "content-length", "content-encoding", "content-language", "content-location", "content-range"),
    *("transfer-encoding", "expect", "digest", "content-digest", "repr-digest", "last-modified", "trailer"),
)


def is_redirect(status: int, headers: Headers) -> bool:
    """Whether a response says that the answer is elsewhere, and where."""
    return status in FOLLOWED and "location" in headers


def redirected(request: PreparedRequest, status: int, headers: Headers, options: ClientOptions) -> PreparedRequest:
    """Make the request that a redirect asks for.

    Raises:
        RedirectError: we must not or cannot go there.
        TooManyRedirectsError: there have been too many.
    """
    here = str(request.url)
    if request.redirects >= options.max_redirects:
        raise TooManyRedirectsError(here, f"there were {options.max_redirects} redirects, and here is another one")
    places = headers.get_all("location")
    if len(set(places)) != 1:
        raise RedirectError(here, f"{len(places)} different Locations: nobody can be in two places")
    try:
        there = request.url.join(_as_text(places[0]))
    except UrlError as exc:
        raise RedirectError(here, f"Location is no URL to follow: {exc}") from exc
    if request.url.scheme == "https" and there.scheme == "http" and not options.allow_downgrade:
        raise RedirectError(here, f"it leads from https to {there}, where everybody could read along")
    method, body = _method_and_body(request, status)
    kept = request.headers.copy()
    kept.discard("host")
    if body is None:
        for name in _OF_THE_BODY:
            kept.discard(name)
    elif not body.can_repeat:
        raise RedirectError(here, f"{status} to {there} asks for {body!r} once more, and it can be read once")
    auth = request.auth
    if there.origin != request.url.origin:
        auth = None
        for name in (*_SECRET, *options.secret_headers):
            kept.discard(name)
    return request.moved(there, method, kept, body, auth)


def _method_and_body(request: PreparedRequest, status: int) -> tuple[str, RequestBody | None]:
    """Say what a redirect makes of them."""
    method = request.method
    # RFC 9110 15.4.2, 15.4.3: "a user agent MAY change the request method from POST to GET", which all do;
    # 15.4.4: 303 asks for "a retrieval request … (usually a GET or HEAD)"
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        return "GET", None
    return method, request.body


def _as_text(raw: str) -> str:
    """Location should be ASCII; servers that send UTF-8 mean it, and headers are read as Latin-1."""
    try:
        return raw.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return raw
