"""Requests are put together, and mistakes are found, before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import EncodeError
from pipeline_net.codecs import http
from pipeline_net.codecs.http.client.body import BytesBody, IterableBody
from pipeline_net.codecs.http.client.request import (
    body_and_type,
    checked_method,
    merged_headers,
    refuse_keywords,
    with_framing,
)
from pipeline_net.codecs.http.client.url import parse_url

_URL = parse_url("http://a/")


@pytest.mark.parametrize("method", ["", "GET /", "GET\r\n", "GÉT", "CONNECT", "connect", 5])
def test_impossible_methods(method: Any) -> None:
    with pytest.raises(ValueError, match=r"method|CONNECT"):
        checked_method(method, _URL)


def test_methods_of_ones_own() -> None:
    assert checked_method("PROPFIND", _URL) == "PROPFIND"


def test_json_and_forms() -> None:
    body, media = body_and_type(None, {"a": ["ä", None]}, None)
    assert isinstance(body, BytesBody)
    assert (body.data, media) == ('{"a":["ä",null]}'.encode(), "application/json")
    body, media = body_and_type(None, None, {"a": "b c&d", "l": ["1", "2"]})
    assert isinstance(body, BytesBody)
    assert (body.data, media) == (b"a=b+c%26d&l=1&l=2", "application/x-www-form-urlencoded")
    with pytest.raises(TypeError, match="one body"):
        body_and_type(b"", {}, None)
    with pytest.raises(ValueError, match="JSON compliant"):
        body_and_type(None, float("nan"), None)


@pytest.mark.parametrize(
    ("method", "body", "given", "added"),
    [
        ("GET", None, {}, {}),
        ("POST", None, {}, {"content-length": "0"}),
        ("DELETE", None, {}, {}),
        ("GET", BytesBody(b"abc"), {}, {"content-length": "3"}),
        ("POST", BytesBody(b"abc"), {"content-length": "3"}, {}),
        ("POST", IterableBody([b"a"]), {}, {"transfer-encoding": "chunked"}),
        ("POST", IterableBody([b"a"]), {"content-length": "1"}, {}),
        ("POST", BytesBody(b"abc"), {"transfer-encoding": "chunked"}, {}),
    ],
)
def test_framing(method: str, body: Any, given: dict[str, str], added: dict[str, str]) -> None:
    assert with_framing(http.Headers(given), method, body, None) == http.Headers({**given, **added})


@pytest.mark.parametrize(
    ("body", "given"),
    [
        (None, {"content-length": "3"}),
        (None, {"transfer-encoding": "chunked"}),
        (BytesBody(b"abc"), {"content-length": "4"}),
        (BytesBody(b"abc"), {"content-length": "3, 3"}),
        (IterableBody([]), {"transfer-encoding": "gzip"}),
        (IterableBody([]), {"transfer-encoding": "chunked", "content-length": "3"}),
    ],
)
def test_headers_that_contradict_the_body(body: Any, given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"Content-Length|Transfer-Encoding"):
        with_framing(http.Headers(given), "POST", body, None)


def test_a_content_type_of_ones_own_stays() -> None:
    headers = with_framing(
        http.Headers({"Content-Type": "application/x"}), "POST", BytesBody(b"{}"), "application/json"
    )
    assert headers.get_all("content-type") == ["application/x"]


def test_own_headers_take_the_place_of_the_clients() -> None:
    defaults = http.Headers({"user-agent": "x", "accept": "*/*"})
    merged = merged_headers(defaults, [("Accept", "a/b"), ("Accept", "c/d"), ("X", "y")], _URL)
    assert merged.items() == [("user-agent", "x"), ("Accept", "a/b"), ("Accept", "c/d"), ("X", "y")]
    assert defaults == http.Headers({"user-agent": "x", "accept": "*/*"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("x", "a\r\nb: c"), ("x", "a\nb"), ("x", "a\0"), ("x\r\ny", "a"), ("x y", "a"), ("", "a"), ("x:", "")],
)
def test_headers_cannot_end_their_line(name: str, value: str) -> None:
    with pytest.raises(EncodeError):
        merged_headers(http.Headers(), {name: value}, _URL)


@pytest.mark.parametrize("host", ["", "a b", "a/b", "a@b", "a, b", "user:pw@a"])
def test_impossible_hosts(host: str) -> None:
    with pytest.raises(http.UrlError):
        merged_headers(http.Headers(), {"host": host}, _URL)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("timeout", r"'timeout'.*timeouts=Timeouts\(total=5\)"),
        ("data", "form="),
        ("content", "body="),
        ("files", "MultipartBody"),
        ("allow_redirects", "follow_redirects="),
        ("verify", "tls="),
        ("cookies", "cookies="),
        ("proxies", "proxy="),
        ("no_such_thing", "'no_such_thing'$"),
    ],
)
def test_words_of_other_clients_are_translated(name: str, hint: str) -> None:
    with pytest.raises(TypeError, match=hint):
        refuse_keywords("a request", [name])
