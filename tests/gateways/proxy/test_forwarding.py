"""Which headers go on, and which are added."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net.codecs.http import CHUNKED, Headers, Request, Response
from pipeline_net.gateways.proxy.forwarding import (
    hops,
    host_of,
    interim_headers,
    request_headers,
    response_headers,
    target_of,
    upgrade_of,
)


def _request(*headers: tuple[str, str], target: str = "/", **facts: Any) -> Request:
    request = Request("GET", target, [("Host", "a.example"), *headers])
    for name, value in facts.items():
        setattr(request, name, value)
    return request


def _sent(request: Request, *, trusted: bool = False, **settings: Any) -> dict[str, str]:
    """Return what an origin gets, as a dictionary."""
    keywords: dict[str, Any] = {
        "host": host_of(request),
        "client": ("192.0.2.7", 4711),
        "scheme": "http",
        "trusted": trusted,
        "name": "us",
        "upgrade": None,
        **settings,
    }
    headers = request_headers(request, **keywords)
    assert len(headers.items()) == len(dict(headers.items())), "no line twice"
    return dict(headers.items())


_ADDED = {
    "x-forwarded-for": "192.0.2.7",
    "forwarded": 'for=192.0.2.7;host="a.example";proto=http',
    "x-forwarded-host": "a.example",
    "x-forwarded-proto": "http",
    "via": "1.1 us",
}


def test_what_is_added_for_a_stranger() -> None:
    assert _sent(_request(("Accept", "*/*"))) == {"host": "a.example", "accept": "*/*", **_ADDED}


@pytest.mark.parametrize(
    "header",
    [
        ("Connection", "keep-alive"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("TE", "gzip"),
        ("Transfer-Encoding", "chunked"),  # the decoder has taken it in; body_length says what goes on
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
        ("Transfer_Encoding", "chunked"),
        ("Content_Length", "7"),
    ],
)
def test_what_is_about_one_connection_does_not_go_on(header: tuple[str, str]) -> None:
    assert _sent(_request(header)) == {"host": "a.example", **_ADDED}


def test_what_connection_names_does_not_go_on_whatever_its_case() -> None:
    request = _request(("Connection", "X-Trick ,\tother"), ("x-trick", "1"), ("Connection", "third"), ("Third", "1"))
    assert _sent(request) == {"host": "a.example", **_ADDED}


def test_nobody_can_name_away_what_we_add_or_what_frames_the_body() -> None:
    named = "host, content-length, via, forwarded, x-forwarded-for, x-forwarded-proto, x-forwarded-host"
    assert _sent(_request(("Connection", named), ("Content-Length", "5"))) == {
        "host": "a.example",
        "content-length": "5",
        **_ADDED,
    }


@pytest.mark.parametrize(
    "name",
    [
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Real-IP",
        "X-Client-IP",
        "True-Client-IP",
        "X_Forwarded_For",
        "X_FORWARDED_PROTO",
        "x_real-ip",
    ],
)
def test_what_a_stranger_claims_is_dropped(name: str) -> None:
    assert _sent(_request((name, "10.0.0.1"))) == {"host": "a.example", **_ADDED}


def test_what_a_trusted_proxy_claims_is_kept_and_prolonged() -> None:
    request = _request(
        ("X-Forwarded-For", "198.51.100.1"),
        ("X-Forwarded-For", "198.51.100.2"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Prefix", "/shop"),
        ("Forwarded", "for=198.51.100.1"),
        ("X_Forwarded_For", "10.0.0.1"),
        ("Via", "1.0 them"),
    )
    assert _sent(request, trusted=True) == {
        "host": "a.example",
        "x-forwarded-for": "198.51.100.1, 198.51.100.2, 192.0.2.7",
        "x-forwarded-proto": "https",
        "x-forwarded-prefix": "/shop",
        "x-forwarded-host": "a.example",
        "forwarded": 'for=198.51.100.1, for=192.0.2.7;host="a.example";proto=http',
        "via": "1.0 them, 1.1 us",
    }


def test_clients_with_an_ipv6_address_and_without_any() -> None:
    sent = _sent(_request(), client=("2001:db8::1%eth0", 1), scheme="https")
    assert (sent["forwarded"], sent["x-forwarded-for"]) == (
        'for="[2001:db8::1]";host="a.example";proto=https',
        "2001:db8::1",
    )
    sent = _sent(_request(), client=None)
    assert sent["forwarded"].startswith("for=unknown;")
    assert "x-forwarded-for" not in sent
    sent = _sent(_request(("X-Forwarded-For", "198.51.100.1")), client=None, trusted=True)
    assert sent["x-forwarded-for"] == "198.51.100.1"


def test_a_body_in_chunks_and_trailers_are_announced() -> None:
    sent = _sent(_request(("TE", "trailers, deflate"), body_length=CHUNKED))
    assert (sent["transfer-encoding"], sent["te"], sent["connection"]) == ("chunked", "trailers", "te")


def test_a_change_of_protocol_is_asked_for() -> None:
    sent = _sent(_request(("Upgrade", "websocket")), upgrade=b"websocket")
    assert (sent["connection"], sent["upgrade"]) == ("upgrade", "websocket")


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("/", b"a.example"),
        ("http://b.example/x", b"b.example"),
        ("http://user@b.example:81?x", b"b.example:81"),
        ("/?next=http://c.example/", b"a.example"),
        ("*", b"a.example"),
    ],
)
def test_which_site_is_meant(target: str, host: bytes) -> None:
    assert host_of(_request(target=target)) == host


@pytest.mark.parametrize(
    ("method", "target", "sent"),
    [
        ("GET", "/a?next=http://c.example/", b"/a?next=http://c.example/"),
        ("GET", "http://b.example/x?next=http://c/", b"/x?next=http://c/"),
        ("GET", "http://b.example?x", b"/?x"),
        ("OPTIONS", "*", b"*"),
        ("OPTIONS", "http://b.example", b"*"),
        ("OPTIONS", "http://b.example/", b"/"),
    ],
)
def test_what_the_origin_is_asked_for(method: str, target: str, sent: bytes) -> None:
    assert target_of(Request(method, target)) == sent


def test_only_allowed_protocols_are_asked_for() -> None:
    websocket = _request(("Upgrade", "h2c, WebSocket"), wants_upgrade=True)
    assert upgrade_of(websocket, ("websocket",)) == b"websocket"
    assert upgrade_of(websocket, ("h2",)) is None
    assert upgrade_of(_request(("Upgrade", "websocket")), ("websocket",)) is None  # Connection does not name it
    assert upgrade_of(_request(("Upgrade", "websocket"), wants_upgrade=True, body_length=5), ("websocket",)) is None


def test_hops_are_counted() -> None:
    assert hops(_request()) == 0
    assert hops(_request(("Via", "1.1 a, 1.1 b"), ("Via", "1.0 c"))) == 3


def test_a_response_keeps_what_is_not_about_one_connection() -> None:
    response = Response(
        200,
        [
            ("Connection", "close, X-Hop"),
            ("Keep-Alive", "timeout=5"),
            ("X-Hop", "1"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
            ("Proxy-Authenticate", "Basic"),
            ("Content-Length", "5"),
        ],
        version="1.0",
    )
    response.body_length = 5
    assert response_headers(response, "us").items() == [
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("content-length", "5"),
        ("via", "1.0 us"),
    ]


@pytest.mark.parametrize(("status", "length"), [(200, CHUNKED), (204, 0)])
def test_a_response_loses_a_length_that_is_none(status: int, length: int) -> None:
    response = Response(status, {"Content-Length": "5"})
    response.body_length = length
    assert response_headers(response, "us").items() == [("via", "1.1 us")]


def test_interim_responses_and_trailers_carry_no_framing() -> None:
    headers = Headers({"Link": "</a.css>", "Content-Length": "5", "Connection": "x", "X": "y"})
    assert interim_headers(headers).items() == [("link", "</a.css>")]
