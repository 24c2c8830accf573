"""What an answer says of itself."""

from __future__ import annotations

import pytest

from pipeline_net.codecs import http
from pipeline_net.codecs.http.client.request import PreparedRequest
from pipeline_net.codecs.http.client.url import parse_url


def _response(body: bytes = b"", content_type: str | None = None, status: int = 200) -> http.ClientResponse:
    request = PreparedRequest(
        method="GET",
        url=parse_url("http://a/x"),
        headers=http.Headers(),
        body=None,
        auth=None,
        timeouts=http.Timeouts(),
        max_body=1,
        follows_redirects=True,
        streams=False,
    )
    headers = {} if content_type is None else {"content-type": content_type}
    return http.ClientResponse(request, http.Response(status, headers), (), body, None)


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        (None, "utf-8"),
        ("text/html", "utf-8"),
        ("text/html; charset=ISO-8859-1", "iso8859-1"),
        ('text/html; charset="utf-16"', "utf-16"),
        ("text/html; charset=nonsense", "utf-8"),
        ("text/html; charset=zlib", "utf-8"),
        ("text/html; charset=hex", "utf-8"),
        ("text/html; charset=idna", "utf-8"),
        ("text/html; charset=punycode", "utf-8"),
        ("text/html; charset=unicode-escape", "utf-8"),
        ("nonsense", "utf-8"),
    ],
)
def test_charsets(content_type: str | None, charset: str) -> None:
    assert _response(content_type=content_type).charset == charset


def test_text() -> None:
    assert _response(b"\xe4", "text/plain; charset=latin-1").text == "ä"
    assert _response(b"a\xff").text == "a\ufffd"


def test_json() -> None:
    assert _response(b'{"a": [1]}').json() == {"a": [1]}
    for wrong in (b"", b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(http.ResponseError, match="the body is no JSON"):
            _response(wrong).json()


def test_status() -> None:
    _response(status=204).raise_for_status()
    assert _response(status=299).is_success
    assert not _response(status=304).is_success
    with pytest.raises(http.StatusError, match="http://a/x: the server answered 404 Not Found") as caught:
        _response(status=404).raise_for_status()
    assert caught.value.response.status == 404


def test_how_it_looks() -> None:
    assert repr(_response()) == "<ClientResponse 200 OK from http://a/x>"
    assert _response(content_type="Text/HTML; charset=x").content_type == "text/html"
