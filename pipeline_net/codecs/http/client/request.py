"""PreparedRequest: what a caller asks for, checked and put together on the caller's thread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from .. import grammar
from ..headers import Headers, HeadersLike, as_headers
from .auth import BasicAuth, BearerAuth
from .body import BytesBody, RequestBody, as_body
from .errors import UrlError
from .timeouts import Timeouts
from .url import Url

_WITH_BODY: Final = frozenset(["POST", "PUT", "PATCH"])  # their Content-Length is said although it is 0

# What the arguments of other clients are called here.
_ELSEWHERE: Final = {
    "timeout": "timeouts=Timeouts(total=5), for each phase or for all; of all requests, ClientOptions(timeouts=…)",
    "data": "form= for pairs of names and values, or body=",
    "content": "body=",
    "files": "body=, made by MultipartBody",
    "allow_redirects": "follow_redirects=",
    "verify": "Client(tls=…)",
    "cert": "Client(tls=…)",
    "cookies": "Client(cookies=…)",
    "proxies": "Client(proxy=…)",
}


@attrs.frozen(kw_only=True)
class PreparedRequest:
    """One request, as it is sent: to one URL, on one connection.  What follows from a redirect is another one."""

    method: str
    url: Url
    headers: Headers
    body: RequestBody | None
    auth: BasicAuth | BearerAuth | None = attrs.field(repr=False)
    timeouts: Timeouts
    max_body: int
    follows_redirects: bool
    streams: bool
    """Whether the caller reads the body in parts."""
    redirects: int = 0
    """How many have led here."""

    def __str__(self) -> str:
        return f"{self.method} {self.url}"

    def moved(self, url: Url, method: str, headers: Headers, body: Any, auth: Any) -> PreparedRequest:
        """Make the request that a redirect asks for."""
        return attrs.evolve(
            self, url=url, method=method, headers=headers, body=body, auth=auth, redirects=self.redirects + 1
        )


def checked_method(method: str, url: Url) -> str:
    """Return a method that may be asked for, as it travels.

    Raises:
        ValueError: it is no token, or CONNECT, which is the client's own business.
    """
    if not isinstance(method, str) or not grammar.is_token(method.encode("utf-8", "replace")):
        raise ValueError(f"a method is a token such as GET, not {method!r}")
    if method.upper() == "CONNECT":
        raise ValueError(f"CONNECT to {url}: tunnels are made where a proxy needs them, and not on request")
    return method


def body_and_type(body: Any, json: Any, form: Any) -> tuple[RequestBody | None, str | None]:
    """Make the body out of one of the three that a caller may give, and say of which type it is.

    Raises:
        TypeError: more than one is given, or one cannot be a body.
    """
    if sum(given is not None for given in (body, json, form)) > 1:
        raise TypeError("a request has one body: give one of body=, json= and form=")
    if json is not None:
        from json import dumps  # only whoever speaks JSON pays for it

        return BytesBody(dumps(json, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()), (
            "application/json"
        )
    if form is not None:
        from urllib.parse import urlencode  # the room has it loaded already; here it is what forms are made of

        pairs = form.items() if isinstance(form, Mapping) else form
        return BytesBody(urlencode(list(pairs), doseq=True).encode()), "application/x-www-form-urlencoded"
    return as_body(body), None


def with_framing(headers: Headers, method: str, body: RequestBody | None, content_type: str | None) -> Headers:
    """Add to headers, which are changed, what says how long the body is and what it is.

    Raises:
        ValueError: headers and body contradict each other.
    """
    if content_type is not None and "content-type" not in headers:
        headers.add("content-type", content_type)
    has_length, has_coding = "content-length" in headers, "transfer-encoding" in headers
    if body is None:
        if has_coding or (has_length and headers.get("content-length") != "0"):
            raise ValueError("Content-Length and Transfer-Encoding speak of a body, and there is none")
        if method in _WITH_BODY and not has_length:
            headers.add("content-length", "0")
        return headers
    if has_coding:
        if has_length or (headers.get("transfer-encoding") or "").lower() != "chunked":
            raise ValueError("Transfer-Encoding is chunked, and not beside a Content-Length")
    elif body.length is not None:
        if has_length and headers.get("content-length") != str(body.length):
            raise ValueError(f"Content-Length says {headers.get('content-length')}, and there is a {body!r}")
        if not has_length:
            headers.add("content-length", str(body.length))
    elif not has_length:
        headers.add("transfer-encoding", "chunked")
    return headers


def merged_headers(defaults: Headers, given: HeadersLike | None, url: Url) -> Headers:
    """Put a request's own headers in the place of the client's of the same name.

    Raises:
        EncodeError: a name or a value could end its line early.
        UrlError: a Host that is none.
    """
    headers = defaults.copy()
    if given is not None:
        own = as_headers(given)
        for name in own:
            headers.discard(name)
        for name, value in own.items():
            headers.add(name, value)
    host = headers.get("host")
    if host is not None and (not host or not grammar.is_host(host.encode("latin-1"))):
        raise UrlError(str(url), f"Host is a name and perhaps a port, not {host!r}")
    return headers


def refuse_keywords(function: str, names: Iterable[str]) -> None:
    """Say that there are no such arguments, and what is meant by those of other clients.

    Raises:
        TypeError: there is a name.
    """
    for name in names:
        hint = f": here it is {_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
        raise TypeError(f"{function} has no argument {name!r}{hint}")
