"""The stage in front: what it refuses, and what it makes of a request."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.http import Limits
from pipeline_net.codecs.http.proxies import TrustedProxies
from pipeline_net.gateways.proxy import ReverseProxy, proxy_stack

from .conftest import Place


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", b"501 Not Implemented: this is a gateway"),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\nCookie: s\r\n\r\n", b"501 Not Implemented: what was sent"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nVia: %b\r\n\r\n" % b",".join([b"1.1 x"] * 16), b"508 Loop Detected: the req"),
        (b"GET ftp://a/x HTTP/1.1\r\nHost: a\r\n\r\n", b"400 Bad Request: this is a gateway"),
        (b"OPTIONS ftp://a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n", b"400 Bad Request: this is a gateway"),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 1\r\nMax-Forwards: 1\r\n\r\n", b"400 Bad Request: Max-F"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nMax-Forwards: 9\r\n\r\n", b"400 Bad Request: Max-F"),
    ],
)
def test_what_goes_no_further(place: Place, request_: bytes, answer: bytes) -> None:
    place.start()
    client = place.dial()
    client.send(request_)
    assert answer in client.rest()


def test_an_options_request_goes_only_as_far_as_it_may(place: Place) -> None:
    place.start()
    client, origin = place.ask(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 1\r\n\r\n")
    assert b"\r\nmax-forwards: 0\r\n" in origin.head()
    origin.send(b"HTTP/1.1 204 OK\r\n\r\n")
    client.head()
    client.send(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n")
    assert client.head().startswith(b"HTTP/1.1 204 No Content\r\nallow: GET")
    assert not origin.has_more


@pytest.mark.parametrize("scheme", [b"http", b"https", b"HTTP"])
def test_a_whole_url_becomes_a_path_and_a_host(place: Place, scheme: bytes) -> None:
    place.start()
    _, origin = place.ask(b"GET %b://b.example:81/x?y HTTP/1.1\r\nHost: b.example:81\r\n\r\n" % scheme)
    assert origin.head().startswith(b"GET /x?y HTTP/1.1\r\nhost: b.example:81\r\n")


def test_the_origin_may_get_its_own_host(place: Place) -> None:
    place.start(preserve_host=False)
    _, origin = place.ask(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
    head = origin.head()
    assert head.startswith(b"GET / HTTP/1.1\r\nhost: 127.0.0.1:")
    assert b"\r\nx-forwarded-host: a.example\r\n" in head


@pytest.mark.parametrize("trusted", ["", "127.0.0.1"])
def test_only_those_who_are_trusted_say_for_whom_they_come(place: Place, trusted: str) -> None:
    place.start(proxies=TrustedProxies(trusted))
    _, origin = place.ask(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n")
    expected = b"203.0.113.9, 127.0.0.1" if trusted else b"127.0.0.1"
    assert b"\r\nx-forwarded-for: %b\r\n" % expected in origin.head()


def test_a_body_above_the_limit_does_not_begin(place: Place) -> None:
    place.start(limits=Limits(max_body=10))
    client = place.dial()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n")
    assert client.head().startswith(b"HTTP/1.1 413")


def test_a_body_that_grows_above_the_limit_is_cut_off(place: Place) -> None:
    place.start(limits=Limits(max_body=10))
    client, origin = place.ask(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n")
    origin.head()
    client.send(b"8\r\n")
    assert client.head().startswith(b"HTTP/1.1 413")
    assert origin.is_reset()


def test_one_request_of_a_connection_at_a_time() -> None:
    with pytest.raises(ValueError, match="max_pipelined must be 1 for a proxy, not 2"):
        proxy_stack(ReverseProxy("tcp://a:1"), limits=Limits(max_pipelined=2))
