"""The standard library's jar, asked and told."""

from __future__ import annotations

import logging
from http.cookiejar import CookieJar, DefaultCookiePolicy

import pytest

from pipeline_net.codecs.http import Headers
from pipeline_net.codecs.http.client.cookies import MAX_COOKIES, MAX_LINES, cookie_for, keep_cookies
from pipeline_net.codecs.http.client.url import parse_url
from pipeline_net.complaints import SHOWN
from pipeline_net.testing import EmbeddedLoop

_LOOP = EmbeddedLoop()


def _set(jar: CookieJar, url: str, *lines: str) -> None:
    keep_cookies(_LOOP, jar, parse_url(url), Headers([("set-cookie", line) for line in lines]))


def test_a_cookie_comes_back_to_who_has_set_it() -> None:
    jar = CookieJar()
    _set(jar, "http://shop.example/a/b", "id=1; Path=/a", "x=y; Max-Age=60", "gone=1; Max-Age=0")
    assert cookie_for(jar, parse_url("http://shop.example/a/c")) == "id=1; x=y"
    assert cookie_for(jar, parse_url("http://other.example/a")) is None
    assert cookie_for(jar, parse_url("http://shop.example/z")) is None


def test_a_secure_cookie_is_for_https_only() -> None:
    jar = CookieJar()
    _set(jar, "https://shop.example/", "id=1; Secure")
    assert cookie_for(jar, parse_url("https://shop.example/")) == "id=1"
    assert cookie_for(jar, parse_url("http://shop.example/")) is None


@pytest.mark.parametrize("domain", ["other.example", "example", ".com"])
def test_nobody_sets_cookies_for_others(domain: str) -> None:
    jar = CookieJar()
    _set(jar, "http://shop.example/", f"id=1; Domain={domain}")
    assert len(jar) == 0


def test_a_domain_cookie_goes_to_its_other_hosts() -> None:
    jar = CookieJar(DefaultCookiePolicy())
    _set(jar, "http://a.shop.example/", "id=1; Domain=shop.example")
    assert cookie_for(jar, parse_url("http://b.shop.example:8080/")) == "id=1"


def test_the_memory_cannot_be_filled(caplog: pytest.LogCaptureFixture) -> None:
    jar = CookieJar()
    for number in range(0, MAX_COOKIES + 2 * MAX_LINES, MAX_LINES + 10):
        _set(jar, "http://a.example/", *[f"n{number + each}=1" for each in range(MAX_LINES + 10)])
    assert len(jar) < MAX_COOKIES + MAX_LINES
    with caplog.at_level(logging.WARNING, "pipeline_net.http"):
        while len(jar) < MAX_COOKIES:
            _set(jar, "http://b.example/", *[f"m{len(jar) + each}=1" for each in range(MAX_LINES)])
        before = len(jar)
        for _ in range(SHOWN + 10):
            _set(jar, "http://c.example/", "one=more")
    assert len(jar) == before
    assert caplog.text.count("takes no more") == SHOWN, "nor the log"


def test_without_set_cookie_the_jar_is_left_alone() -> None:
    jar = CookieJar()
    keep_cookies(_LOOP, jar, parse_url("http://a/"), Headers({"content-type": "text/plain"}))
    assert len(jar) == 0
