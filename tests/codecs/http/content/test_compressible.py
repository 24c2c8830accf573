"""Which responses are worth compressing, and the headers of those that are."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.http import Headers, Response
from pipeline_net.codecs.http.content.compressible import encoded, is_compressible, is_eligible, revalidated, varied


@pytest.mark.parametrize(
    ("media_type", "worth_it"),
    [
        ("text/html", True),
        ("text/event-stream", True),
        ("application/json", True),
        ("application/problem+json", True),
        ("image/svg+xml", True),
        ("font/ttf", True),
        ("application/wasm", True),
        ("image/png", False),
        ("font/woff2", False),
        ("video/mp4", False),
        ("application/zip", False),
        ("application/octet-stream", False),
        ("", False),
    ],
)
def test_which_media_types_get_smaller(media_type: str, worth_it: bool) -> None:
    assert is_compressible(media_type) is worth_it


@pytest.mark.parametrize(
    ("status", "headers", "method", "eligible"),
    [
        (200, {}, "GET", True),
        (404, {}, "GET", True),
        (200, {"content-encoding": "identity"}, "GET", True),
        (200, {"content-type": "Text/HTML ; charset=utf-8"}, "GET", True),
        (200, {"content-type": "image/png"}, "GET", False),
        (200, {"content-encoding": "br"}, "GET", False),
        (200, {"cache-control": "public, No-Transform"}, "GET", False),
        (200, {"content-range": "bytes 0-1/2"}, "GET", False),
        (206, {}, "GET", False),
        (204, {}, "GET", False),
        (205, {}, "GET", False),
        (304, {}, "GET", True),
        (304, {"content-type": "image/png"}, "GET", False),
        (101, {}, "GET", False),
        (200, {}, "CONNECT", False),
    ],
)
def test_which_responses_may_be_compressed(status: int, headers: dict[str, str], method: str, eligible: bool) -> None:
    all_headers = Headers({"content-type": "text/html", **headers})
    assert is_eligible(Response(status, all_headers), all_headers, method, is_compressible) is eligible


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], ["accept-encoding"]),
        ([("vary", "origin")], ["origin, accept-encoding"]),
        ([("vary", "origin"), ("vary", "cookie")], ["origin, cookie, accept-encoding"]),
        ([("vary", "Accept-Encoding, origin")], ["Accept-Encoding, origin"]),
        ([("vary", "*")], ["*"]),
    ],
)
def test_vary_names_what_was_looked_at(before: list[tuple[str, str]], after: list[str]) -> None:
    headers = Headers(before)
    assert varied(headers).get_all("vary") == after
    assert headers == Headers(before), "they may be a constant"


def test_what_is_no_longer_true_of_a_compressed_body_is_left_out() -> None:
    headers = Headers(
        {
            "content-length": "5",
            "etag": '"a"',
            "accept-ranges": "bytes",
            "content-md5": "x",
            "repr-digest": "x",
            "content-encoding": "identity",
            "last-modified": "kept",
        }
    )
    assert encoded(headers, "gzip") == Headers({"last-modified": "kept", "etag": 'W/"a"', "content-encoding": "gzip"})
    assert encoded(Headers({"etag": 'W/"a"'}), "br")["etag"] == 'W/"a"'


@pytest.mark.parametrize(
    ("etag", "none_match", "after"),
    [
        ('"a"', 'W/"a"', 'W/"a"'),
        ('"a"', '"b", W/"a"', 'W/"a"'),
        ('"a"', '"a"', '"a"'),
        ('"a"', '"W/"a""', '"a"'),
        ('"a"', "*", '"a"'),
        ('"a"', None, '"a"'),
        ('W/"a"', 'W/"a"', 'W/"a"'),
    ],
)
def test_a_304_names_the_weak_etag_to_who_has_it(etag: str, none_match: str | None, after: str) -> None:
    assert revalidated(Headers({"etag": etag}), none_match)["etag"] == after
    assert revalidated(Headers(), none_match) == Headers()
