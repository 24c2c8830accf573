"""AsgiScopes: what an ASGI application is told of a request before it begins.

A scope belongs to the application, which may change it, and what is in it; so nothing of it is shared between requests
but text.  Most of it is the same for all, or nearly all: a copy of that is filled in, which costs less than making a
dictionary anew.

Source: ASGI 3.0, HTTP & WebSocket message format 2.5
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

from ..codecs.http.grammar import QUESTION_MARK, SLASH, UNDERSCORE
from ..codecs.http.messages import HTTP_1_1, Request
from ..codecs.http.proxies import TrustedProxies
from .connection import Connection, forwarded, path_of

_IN_CAPITALS: Final = frozenset(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])  # nearly all methods
_VERSIONS: Final[dict[str, str]] = {"version": "3.0", "spec_version": "2.5"}
_HTTP: Final = "http"


class AsgiScopes:
    """Makes the scopes of one application.

    Args:
        root_path: what is put in front of every path.
        proxies: whose X-Forwarded-For and X-Forwarded-Proto are believed.
        state: what the application has kept in its lifespan.
    """

    def __init__(self, root_path: str, proxies: TrustedProxies, state: dict[str, Any]) -> None:
        self._root_path = root_path
        self._proxies = proxies
        self._state = state
        self._common: dict[str, Any] = {
            "type": "http",
            "asgi": None,
            "http_version": HTTP_1_1,
            "method": None,
            "scheme": _HTTP,
            "path": None,
            "raw_path": None,
            "query_string": b"",
            "root_path": root_path,
            "headers": None,
            "client": None,
            "server": None,
            "state": None,
            "extensions": None,
        }

    def scope(self, request: Request, connection: Connection) -> dict[str, Any]:
        """Make the scope of a request."""
        target = request.raw_target
        path, query = target, b""
        if QUESTION_MARK in target:
            path, _, query = target.partition(b"?")
        if not path or path[0] != SLASH:
            path = path_of(path)
        text = path.decode("ascii")
        if "%" in text:
            # "HTTP request target excluding any query string, with percent-encoded sequences and UTF-8 byte sequences
            # decoded into characters."
            text = unquote(text, "utf-8", "replace")
        headers = request.headers
        pairs = headers.raw
        if UNDERSCORE in headers.block:
            # Frameworks that keep headers in an environment, such as Django, take X_Forwarded_For for X-Forwarded-For.
            pairs = [pair for pair in pairs if UNDERSCORE not in pair[0]]
        client, scheme = connection.client, connection.scheme
        if connection.trusted:
            client, scheme = forwarded(request, client, scheme, self._proxies)
        scope = self._common.copy()
        scope["asgi"] = _VERSIONS.copy()
        if request.version != HTTP_1_1:
            scope["http_version"] = request.version
        scope["method"] = request.method if request.method in _IN_CAPITALS else request.method.upper()
        if scheme != _HTTP:
            scope["scheme"] = scheme
        scope["path"] = self._root_path + text
        scope["raw_path"] = path
        if query:
            scope["query_string"] = query
        scope["headers"] = pairs
        scope["client"] = client
        scope["server"] = connection.server
        # "The server will ensure that a shallow copy of the namespace is passed into each subsequent request/response
        # call into the application."
        scope["state"] = self._state.copy()
        scope["extensions"] = {
            "http.response.trailers": {},
            "http.response.early_hint": {},
            "http.response.pathsend": {},
        }
        return scope
