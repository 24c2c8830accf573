"""Where a WebSocket is: RFC 6455, section 3."""

from __future__ import annotations

import pytest

from pipeline_net import AddressError
from pipeline_net.codecs.websocket import WebSocketUrl


@pytest.mark.parametrize(
    ("text", "address", "host", "target"),
    [
        ("ws://example.org", "tcp://example.org:80", "example.org", "/"),
        ("wss://example.org/", "tls://example.org:443", "example.org", "/"),
        ("ws://example.org:8080/a/b?c=d&e", "tcp://example.org:8080", "example.org:8080", "/a/b?c=d&e"),
        ("wss://EXAMPLE.org:443?x", "tls://example.org:443", "example.org", "/?x"),
        ("ws://[::1]:9000/", "tcp://[::1]:9000", "[::1]:9000", "/"),
        ("ws://[::1]/", "tcp://[::1]:80", "[::1]", "/"),
        (
            "ws://bücher.example/ä?ö=%20",
            "tcp://xn--bcher-kva.example:80",
            "xn--bcher-kva.example",
            "/%C3%A4?%C3%B6=%20",
        ),
        ("ws://a/b c", "tcp://a:80", "a", "/b%20c"),
    ],
)
def test_what_a_url_says(text: str, address: str, host: str, target: str) -> None:
    url = WebSocketUrl(text)
    assert (url.address, url.host_header, url.target) == (address, host, target)
    assert url.is_secure is text.startswith("wss")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("http://example.org", "begins with ws://"),
        ("example.org", "begins with ws://"),
        ("ws:///path", "names a host"),
        ("ws://a/b#c", "no fragment"),
        ("ws://a/#", "no fragment"),
        ("ws://a/b\nc", r"it has no '\\n'"),
        ("ws://evil.example\\@a/", "it has no"),
        ("ws://a\x00/", "it has no"),
        ("ws://a:99999/", "ort"),
        ("ws://[a", "bad URL"),
        ("ws://" + "ä" * 70 + "/", "bad URL"),
    ],
)
def test_what_is_no_url_of_a_websocket(text: str, why: str) -> None:
    with pytest.raises(AddressError, match=why):
        WebSocketUrl(text)


def test_credentials_are_basic_ones() -> None:
    url = WebSocketUrl("ws://Aladdin:open%20sesame@example.org/")  # RFC 7617 2
    assert url.authorization == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert repr(url) == "<WebSocketUrl ws://example.org/>", "a password is nothing for logs"
    assert WebSocketUrl("ws://example.org/").authorization is None
