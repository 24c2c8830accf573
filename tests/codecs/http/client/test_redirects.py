"""Where redirects lead, and what goes along: each status with each kind of request."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from pipeline_net.codecs import http
from pipeline_net.codecs.http.client.auth import BasicAuth
from pipeline_net.codecs.http.client.body import BytesBody, IterableBody
from pipeline_net.codecs.http.client.redirects import is_redirect, redirected
from pipeline_net.codecs.http.client.request import PreparedRequest
from pipeline_net.codecs.http.client.url import parse_url

_OPTIONS = http.ClientOptions(secret_headers=["X-Api-Key"])


def _request(
    method: str = "GET", url: str = "https://a.example/dir/x", body: Any = None, **more: Any
) -> PreparedRequest:
    headers = {
        "host": "a.example",
        "authorization": "Basic x",
        "cookie": "id=1",
        "proxy-authorization": "Basic y",
        "x-api-key": "secret",
        "content-type": "text/plain",
        "accept": "*/*",
    }
    return PreparedRequest(
        method=method,
        url=parse_url(url),
        headers=http.Headers(headers),
        body=body,
        auth=BasicAuth("a", "b"),
        timeouts=http.Timeouts(),
        max_body=1,
        follows_redirects=True,
        streams=False,
        **more,
    )


def _redirect(request: PreparedRequest, status: int, *places: str, **options: Any) -> PreparedRequest:
    headers = http.Headers([("location", place) for place in places])
    return redirected(request, status, headers, attrs.evolve(_OPTIONS, **options))


@pytest.mark.parametrize(
    ("status", "method", "becomes", "keeps_body"),
    [
        *[
            (status, method, method, True)
            for status in (307, 308)
            for method in ("GET", "HEAD", "POST", "PUT", "DELETE")
        ],
        *[(status, "POST", "GET", False) for status in (301, 302, 303)],
        *[
            (status, method, method, True)
            for status in (301, 302)
            for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH")
        ],
        *[(303, method, "GET", False) for method in ("GET", "PUT", "DELETE", "PATCH")],
        (303, "HEAD", "HEAD", True),
    ],
)
def test_method_and_body(status: int, method: str, becomes: str, keeps_body: bool) -> None:
    body = BytesBody(b"abc")
    there = _redirect(_request(method, body=body), status, "/y")
    assert there.method == becomes
    assert (there.body is body) is keeps_body
    assert ("content-type" in there.headers) is keeps_body
    assert (str(there.url), there.redirects) == ("https://a.example/y", 1)


def test_within_an_origin_everything_goes_along_but_the_host() -> None:
    there = _redirect(_request(), 302, "../y")
    assert set(there.headers) == {"authorization", "cookie", "proxy-authorization", "x-api-key", "accept"}
    assert there.auth == BasicAuth("a", "b")


@pytest.mark.parametrize(
    "place",
    [
        "https://b.example/",
        "https://a.example:444/",
        "//b.example/",
        "https://a.example.evil.example/",
        "https://a.example@b.example/",
    ],
)
def test_secrets_do_not_go_to_other_origins(place: str) -> None:
    there = _redirect(_request(), 302, place)
    assert set(there.headers) == {"accept"}
    assert there.auth is None
    home = _redirect(there, 302, "https://a.example/")
    assert (set(home.headers), home.auth) == ({"accept"}, None), "nor do they come back"


def test_credentials_in_a_location_are_not_used() -> None:
    there = _redirect(_request(), 302, "https://user:pw@b.example/")
    assert (there.auth, there.url.credentials) == (None, None)


def test_from_https_nobody_is_led_to_http() -> None:
    with pytest.raises(http.RedirectError, match=r"from https to http://a.example/"):
        _redirect(_request(), 302, "http://a.example/")
    there = _redirect(_request(), 302, "http://a.example/", allow_downgrade=True)
    assert (str(there.url), set(there.headers)) == ("http://a.example/", {"accept"})


@pytest.mark.parametrize(
    "place", ["javascript:alert(1)", "file:///etc/passwd", "ftp://a/", "https://b\\@c/", "https://a b/"]
)
def test_places_where_nobody_goes(place: str) -> None:
    with pytest.raises(http.RedirectError, match="Location is no URL to follow"):
        _redirect(_request(), 302, place)


def test_two_places_are_none() -> None:
    with pytest.raises(http.RedirectError, match="2 different Locations"):
        _redirect(_request(), 302, "/a", "/b")
    assert _redirect(_request(), 302, "/a", "/a").url.target == "/a"


def test_a_body_that_can_be_read_once_is_not_sent_again() -> None:
    request = _request("POST", body=IterableBody(iter([b"a"])))
    with pytest.raises(http.RedirectError, match="it can be read once"):
        _redirect(request, 307, "/y")
    assert _redirect(request, 303, "/y").body is None


def test_there_is_an_end() -> None:
    with pytest.raises(http.TooManyRedirectsError, match="there were 3 redirects"):
        _redirect(_request(redirects=3), 302, "/y", max_redirects=3)


def test_utf_8_in_a_location_is_read_as_such() -> None:
    assert _redirect(_request(), 302, "/ä".encode().decode("latin-1")).url.target == "/%C3%A4"
    assert _redirect(_request(), 302, "/\xe4").url.target == "/%C3%A4"


def test_a_fragment_stays_behind() -> None:
    assert _redirect(_request(), 302, "/y#z").url.target == "/y"


@pytest.mark.parametrize(
    ("status", "location", "is_one"),
    [(302, "/", True), (308, "/", True), (302, None, False), (300, "/", False), (304, "/", False), (201, "/", False)],
)
def test_what_is_a_redirect(status: int, location: str | None, is_one: bool) -> None:
    assert is_redirect(status, http.Headers({} if location is None else {"location": location})) is is_one
