"""What a browser shall keep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from http.cookies import SimpleCookie
from typing import Any

import pytest

from pipeline_net import EncodeError
from pipeline_net.codecs.http import FullResponse, SetCookie


@pytest.mark.parametrize(
    ("cookie", "text"),
    [
        (SetCookie("a", "1"), "a=1; Path=/; Secure; HttpOnly; SameSite=Lax"),
        (SetCookie("a", "", path=None, secure=False, http_only=False, same_site=None), "a="),
        (
            SetCookie("__Host-a", "1", max_age=60, same_site="None", partitioned=True),
            "__Host-a=1; Max-Age=60; Path=/; Secure; HttpOnly; SameSite=None; Partitioned",
        ),
        (
            SetCookie(
                "a", "1", expires=datetime(2026, 1, 2, 4, tzinfo=timezone(timedelta(hours=1))), domain="example.org"
            ),
            "a=1; Expires=Fri, 02 Jan 2026 03:00:00 GMT; Domain=example.org; Path=/; Secure; HttpOnly; SameSite=Lax",
        ),
        (SetCookie.deletion("__Host-a"), "__Host-a=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"),
        (
            SetCookie.deletion("a", path="/x", domain="b.c", secure=False),
            "a=; Max-Age=0; Domain=b.c; Path=/x; HttpOnly; SameSite=Lax",
        ),
    ],
)
def test_how_they_travel(cookie: SetCookie, text: str) -> None:
    assert str(cookie) == text
    response = FullResponse(200, [("set-cookie", str(cookie))])
    assert response.headers["set-cookie"] == text
    read = SimpleCookie(text.replace("; Partitioned", ""))[cookie.name]
    assert (read.value, read["path"], bool(read["secure"])) == (cookie.value, cookie.path or "", cookie.secure)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"name": ""}, "a token"),
        ({"name": "a b"}, "a token"),
        ({"name": "é"}, "a token"),
        *[({"value": f"a{char}b"}, "visible ASCII") for char in '",;\\ \0\r\né\x7f'],
        ({"value": "x" * 4096}, "4096 bytes"),
        ({"path": "x"}, "begins with /"),
        ({"path": "/;x"}, "no semicolon"),
        ({"path": "/\r\n"}, "no semicolon"),
        ({"path": "/" + "x" * 1024}, "1024 bytes"),
        ({"domain": "a;b"}, "a host name"),
        ({"domain": ""}, "a host name"),
        ({"same_site": "lax"}, "same_site is one of"),
        ({"same_site": "None", "secure": False}, "SameSite=None wants"),
        ({"partitioned": True, "secure": False}, "Partitioned wants"),
        ({"name": "__Secure-a", "secure": False}, "wants secure"),
        ({"name": "__host-a", "secure": False}, "wants secure"),
        ({"name": "__Host-a", "path": "/x"}, 'wants path="/"'),
        ({"name": "__HOST-a", "domain": "a.b"}, "no domain"),
        ({"expires": datetime(2026, 1, 1)}, "time zone"),
    ],
)
def test_cookies_that_a_browser_would_refuse_or_misread(arguments: dict[str, Any], rule: str) -> None:
    with pytest.raises(EncodeError, match=rule):
        SetCookie(**{"name": "a", "value": "1", **arguments})


def test_a_cookie_at_the_limit() -> None:
    assert SetCookie("a", "x" * 4095, expires=datetime(2026, 1, 1, tzinfo=UTC))
