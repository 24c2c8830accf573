"""The environ of WSGI, exactly."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from pipeline_net.codecs.http import HttpRequestDecoder, Request
from pipeline_net.codecs.http.proxies import TrustedProxies
from pipeline_net.gateways.connection import Connection
from pipeline_net.gateways.wsgi_environ import make_environ
from pipeline_net.testing import EmbeddedChannel


def _environ(
    head: str,
    *,
    root_path: str = "",
    trusted: str = "",
    scheme: str = "http",
    local: Any = ("127.0.0.1", 8000),
    remote: Any = ("10.0.0.1", 5),
) -> dict[str, Any]:
    request, *_ = HttpRequestDecoder().feed(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n")
    assert isinstance(request, Request)
    proxies = TrustedProxies(trusted)
    channel = EmbeddedChannel(local_address=local, remote_address=remote)
    connection = Connection(channel, scheme, proxies)
    return make_environ(request, connection, root_path, proxies, io.BytesIO(), list)


def test_every_key_that_is_promised_and_no_other() -> None:
    environ = _environ("GET /a%20b/%C3%A4?x=%20 HTTP/1.1\nHost: x", root_path="/ä")
    assert isinstance(environ.pop("wsgi.input"), io.BytesIO)
    assert environ == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "/\xc3\xa4",
        "PATH_INFO": "/a b/\xc3\xa4",
        "QUERY_STRING": "x=%20",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "10.0.0.1",
        "REMOTE_PORT": "5",
        "HTTP_HOST": "x",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": list,
    }
    assert type(environ) is dict


@pytest.mark.parametrize(
    ("headers", "key", "value"),
    [
        ("Content-Type: a/b", "CONTENT_TYPE", "a/b"),
        ("Content-Length: 5", "CONTENT_LENGTH", "5"),
        ("Content-Type: a/b", "HTTP_CONTENT_TYPE", None),
        ("X-A: 1\nX-A: 2", "HTTP_X_A", "1,2"),
        ("Cookie: a=1\nCookie: b=2", "HTTP_COOKIE", "a=1; b=2"),
        ("X_Real_IP: 6.6.6.6", "HTTP_X_REAL_IP", None),
        ("X_Real-IP: 6.6.6.6", "HTTP_X_REAL_IP", None),
        ("X-Real-IP: 1\nX_Real_IP: 6", "HTTP_X_REAL_IP", "1"),
        ("X-A: \xe4", "HTTP_X_A", "\xe4"),
        ("Proxy: http://6.6.6.6/", "HTTP_PROXY", None),
        ("proxy: http://6.6.6.6/", "HTTP_PROXY", None),
        ("Proxy-Authorization: x", "HTTP_PROXY_AUTHORIZATION", "x"),
    ],
)
def test_headers(headers: str, key: str, value: str | None) -> None:
    assert _environ(f"POST / HTTP/1.1\nHost: x\n{headers}").get(key) == value


@pytest.mark.parametrize(
    ("target", "path"),
    [("http://x/there?q", "/there"), ("http://x", "/"), ("/%00%ff", "/\0\xff"), ("//a//b", "//a//b")],
)
def test_paths(target: str, path: str) -> None:
    assert _environ(f"GET {target} HTTP/1.1\nHost: x")["PATH_INFO"] == path


def test_a_trusted_proxy_speaks_for_its_client() -> None:
    head = "GET / HTTP/1.0\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: https"
    environ = _environ(head, trusted="10.0.0.1")
    assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == ("192.0.2.1", "https")
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.0"
    environ = _environ(head)
    assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == ("10.0.0.1", "http")


def test_a_unix_socket_has_no_port() -> None:
    environ = _environ("GET / HTTP/1.1\nHost: x", local="/run/app.sock", remote="", scheme="https")
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("localhost", "443")
    assert "REMOTE_ADDR" not in environ
