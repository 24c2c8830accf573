"""The scope of a request: what is in it, and that nothing in it belongs to another one."""

from __future__ import annotations

from typing import Any

from pipeline_net.codecs.http import Request, TrustedProxies
from pipeline_net.gateways.asgi_scope import AsgiScopes
from pipeline_net.gateways.connection import Connection
from pipeline_net.testing import EmbeddedChannel

_LINES = {"host": "example.org", "x_real_ip": "10.0.0.1", "accept": "*/*"}


def scopes(root_path: str = "", state: dict[str, Any] | None = None) -> AsgiScopes:
    return AsgiScopes(root_path, TrustedProxies(), {} if state is None else state)


def connection() -> Connection:
    return Connection(EmbeddedChannel(), "https", TrustedProxies())


def test_everything_that_the_specification_names() -> None:
    request = Request("get", "/a%20b/%C3%A4?q=%20", _LINES, version="1.0")
    scope = scopes("/under", {"db": 1}).scope(request, connection())
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.0",
        "method": "GET",
        "scheme": "https",
        "path": "/under/a b/ä",
        "raw_path": b"/a%20b/%C3%A4",
        "query_string": b"q=%20",
        "root_path": "/under",
        "headers": [(b"host", b"example.org"), (b"accept", b"*/*")],
        "client": connection().client,
        "server": connection().server,
        "state": {"db": 1},
        "extensions": {
            "http.response.trailers": {},
            "http.response.early_hint": {},
            "http.response.pathsend": {},
        },
    }


def test_targets_that_are_no_path() -> None:
    for target, path in (("http://example.org/a?b", b"/a"), ("http://example.org", b"/"), ("*", b"*")):
        assert scopes().scope(Request("OPTIONS", target), connection())["raw_path"] == path


def test_an_application_may_change_all_of_it() -> None:
    made = scopes(state={"shared": []})
    first = made.scope(Request("GET", "/", _LINES), connection())
    untouched = repr(first)
    second = made.scope(Request("GET", "/", _LINES), connection())
    for scope in (first, first["asgi"], first["state"], *first["extensions"].values(), first["extensions"]):
        scope.clear()
        scope["mine"] = True
    assert repr(second) == untouched
    assert repr(made.scope(Request("GET", "/", _LINES), connection())) == untouched
