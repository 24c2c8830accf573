"""URLs: what they say, what is repaired, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net.codecs import http
from pipeline_net.codecs.http.client.url import parse_url


@pytest.mark.parametrize(
    ("text", "shown", "host", "port", "target"),
    [
        ("http://a", "http://a/", "a", 80, "/"),
        ("HTTP://A.Example:80/X?y#z", "http://a.example/X?y", "a.example", 80, "/X?y"),
        ("https://a:443", "https://a/", "a", 443, "/"),
        ("https://a:8443/", "https://a:8443/", "a", 8443, "/"),
        ("http://a?q=1", "http://a/?q=1", "a", 80, "/?q=1"),
        ("http://127.0.0.1:9/", "http://127.0.0.1:9/", "127.0.0.1", 9, "/"),
        ("http://[::1]:9/", "http://[::1]:9/", "::1", 9, "/"),
        ("http://[2001:DB8:0:0::1]/", "http://[2001:db8::1]/", "2001:db8::1", 80, "/"),
        ("http://[fe80::1%25eth0]/", "http://[fe80::1]/", "fe80::1%eth0", 80, "/"),
        ("http://bücher.example/ä?ö", "http://xn--bcher-kva.example/%C3%A4?%C3%B6", "xn--bcher-kva.example", 80, None),
        ("http://a/100%/%41?50%", "http://a/100%25/%41?50%25", "a", 80, "/100%25/%41?50%25"),
        ("http://a/../b", "http://a/../b", "a", 80, "/../b"),
    ],
)
def test_what_a_url_says(text: str, shown: str, host: str, port: int, target: str | None) -> None:
    url = parse_url(text)
    assert (str(url), url.host, url.port) == (shown, host, port)
    if target is not None:
        assert url.target == target
    assert parse_url(str(url)).target == url.target


@pytest.mark.parametrize(
    "text",
    [
        "http://a/\r\nHost: b",
        "http://a/ b",
        "http://a/\0",
        "http://a\t.example/",
        "http://a/\x7f",
        "http://a/\u2028",
        "http://a\\@b/",
        "http://good.example\\.evil.example/",
        "ftp://a/",
        "//a/",
        "a",
        "",
        "http://",
        "http:///path",
        "http://:80/",
        "http://a:0/",
        "http://a:65536/",
        "http://a:8_0/",
        "http://a:+80/",
        "http://a:\u0661/",
        "http://[::1/",
        "http://[1.2.3.4]/",
        "http://a%2eb/",
        "http://a..b/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://faß.example/",
        "http://a\u200d.example/",
        "http://a\uff0fb/",
        "http://a<b/",
        "http://a/" + "x" * 8000,
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(http.UrlError) as caught:
        parse_url(text)
    assert isinstance(caught.value, ValueError)
    assert caught.value.rule


def test_userinfo_is_credentials_and_shown_nowhere() -> None:
    url = parse_url("http://us%3Aer:p%40ss@a/x")
    assert url.credentials == ("us:er", "p@ss")
    assert "p@ss" not in repr(url) + str(url)
    assert str(url) == "http://a/x"
    with pytest.raises(http.UrlError) as caught:
        parse_url("http://user:secret@a:99999/")
    assert "secret" not in str(caught.value)


def test_the_host_behind_the_last_at_sign_counts() -> None:
    assert parse_url("http://good.example@evil.example/").host == "evil.example"


@pytest.mark.parametrize(
    ("reference", "there"),
    [
        ("/x", "http://a:8/x"),
        ("x", "http://a:8/b/x"),
        ("../x?q", "http://a:8/x?q"),
        ("//c/x", "http://c/x"),
        ("https://c/x#y", "https://c/x"),
        ("?q", "http://a:8/b/c?q"),
        ("http://u:p@c/", "http://c/"),
    ],
)
def test_following_a_reference(reference: str, there: str) -> None:
    url = parse_url("http://user:pw@a:8/b/c").join(reference)
    assert (str(url), url.credentials) == (there, None)


@pytest.mark.parametrize("reference", ["javascript:alert(1)", "file:///etc/passwd", "http://[", "/a\r\nb"])
def test_references_that_lead_nowhere(reference: str) -> None:
    with pytest.raises(http.UrlError):
        parse_url("http://a/").join(reference)


@pytest.mark.parametrize(
    ("base", "text", "there"),
    [
        ("http://a/v1", "x", "http://a/v1/x"),
        ("http://a/v1/", "/x?y=http://z", "http://a/v1/x?y=http://z"),
        ("http://a", "", "http://a/"),
        ("http://a/v1", "?q", "http://a/v1?q"),
        ("http://a/v1", "https://b/x", "https://b/x"),
    ],
)
def test_below_a_base(base: str, text: str, there: str) -> None:
    assert str(parse_url(text, parse_url(base))) == there


def test_params_are_encoded_and_appended() -> None:
    url = parse_url("http://a/?x=1").with_params({"q": "a b&c\r\n", "l": [1, 2], "none": None})
    assert url.target == "/?x=1&q=a+b%26c%0D%0A&l=1&l=2"
    assert parse_url("http://a/").with_params({}).target == "/"
    assert parse_url("http://a/").with_params([("a", 1), ("a", 2)]).target == "/?a=1&a=2"


@pytest.mark.parametrize(
    "text", ["http://x[::1]/", "http://[::1]evil/", "http://[v1.x]/", "http://[::1]:80evil/", "http://[x]/"]
)
def test_brackets_hold_an_ipv6_address_and_nothing_stands_beside_them(text: str) -> None:
    with pytest.raises(http.UrlError):
        parse_url(text)


@pytest.mark.parametrize("params", ["a=b", b"a=b"])
def test_params_that_are_encoded_already_are_refused(params: Any) -> None:
    with pytest.raises(TypeError, match=r"params= are names and values, as in .*, not b?'a=b'"):
        parse_url("http://a/").with_params(params)
