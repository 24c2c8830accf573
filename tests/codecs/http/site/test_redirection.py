"""One origin for a site."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import ChannelInboundHandler
from pipeline_net.codecs import http
from pipeline_net.testing import EmbeddedChannel

Make = Callable[..., Any]

_HOME = "https://www.example.org"


class Home(ChannelInboundHandler[http.FullRequest]):
    def channel_read(self, ctx: Any, msg: Any) -> None:
        ctx.write(http.FullResponse(200, {"x": "y"}, b"home"))


def _site(make_site: Make, origin: str = _HOME, **settings: Any) -> Any:
    return make_site(http.Redirect(origin, **settings), Home())


@pytest.mark.parametrize(
    ("scheme", "host", "target", "location"),
    [
        ("http", "www.example.org", "/", "https://www.example.org/"),
        ("http", "example.org", "/a?b=c", "https://www.example.org/a?b=c"),
        ("http", "evil.example", "/", "https://www.example.org/"),
        ("https", "example.org", "/%C3%A4", "https://www.example.org/%C3%A4"),
        ("https", "www.example.org:80", "/", "https://www.example.org/"),
        ("http", "www.example.org", "//evil.example/", "https://www.example.org//evil.example/"),
        ("http", "www.example.org", "http://www.example.org/a", "https://www.example.org/a"),
        ("http", "www.example.org", "http://www.example.org", "https://www.example.org/"),
        ("http", "www.example.org", "http://www.example.org?a=/b", "https://www.example.org/?a=/b"),
        ("https", "www.example.org", "/", None),
        ("https", "WWW.example.org:443", "/", None),
    ],
)
def test_what_was_asked_elsewhere_is_redirected(
    make_site: Make, scheme: str, host: str, target: str, location: str | None
) -> None:
    response = _site(make_site, scheme=scheme).ask("GET", target, host=host)
    assert response.headers.get("location") == location
    assert response.status == (200 if location is None else 308)


def test_for_now_only(make_site: Make) -> None:
    response = _site(make_site, permanent=False).ask("POST", "/", b"a body")
    assert (response.status, response.headers["location"]) == (307, f"{_HOME}/")


def test_a_host_alone_may_be_made_canonical(make_site: Make) -> None:
    site = _site(make_site, "http://localhost:8080")
    assert site.ask("GET", "/", host="localhost:8080").status == 200
    assert site.ask("GET", "/", host="localhost").headers["location"] == "http://localhost:8080/"


def test_paths_that_are_exempt_and_requests_without_a_path(make_site: Make) -> None:
    site = _site(make_site, exempt="/.well-known/acme-challenge/")
    assert site.ask("GET", "/.well-known/acme-challenge/x").body == b"home"
    assert site.ask("GET", "/.well-known/").status == 308
    assert site.ask("OPTIONS", "*").body == b"home"


def test_who_waits_for_leave_to_send_a_body_is_redirected_without_it(make_site: Make) -> None:
    site = _site(make_site)
    site.channel.write_inbound(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert site.sent().startswith(b"HTTP/1.1 308 ")


def test_browsers_are_told_to_come_by_tls_where_they_have(make_site: Make) -> None:
    site = _site(make_site, scheme="https", hsts=60)
    assert site.ask("GET", "/", host="www.example.org").headers["strict-transport-security"] == "max-age=60"
    assert site.ask("GET", "/", host="example.org").headers["strict-transport-security"] == "max-age=60"
    site = _site(make_site, scheme="https", hsts=60, hsts_subdomains=True)
    response = site.ask("GET", "/", host="www.example.org")
    assert response.headers["strict-transport-security"] == "max-age=60; includeSubDomains"
    assert response.headers["x"] == "y"
    # RFC 6797 7.2: "An HSTS Host MUST NOT include the STS header field in HTTP responses conveyed over non-secure
    # transport."
    assert "strict-transport-security" not in _site(make_site, hsts=60).ask("GET", "/").headers


def test_a_proxy_that_is_trusted_tells_how_the_client_came(make_site: Make) -> None:
    def ask(trusted: str, protocol: str) -> http.FullResponse:
        site = _site(make_site, hsts=60, proxies=http.TrustedProxies(trusted))
        response: http.FullResponse = site.ask("GET", "/", host="www.example.org", x_forwarded_proto=protocol)
        return response

    response = ask("192.0.2.1", "https")
    assert (response.status, response.headers["strict-transport-security"]) == (200, "max-age=60")
    assert ask("192.0.2.1", "http").status == 308
    assert ask("192.0.2.7", "https").status == 308


def test_requests_that_are_whole_are_redirected_too() -> None:
    channel = EmbeddedChannel(http.server_stack(date=False), http.RequestAggregator(), http.Redirect(_HOME), Home())
    channel.write_inbound(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"location: https://www.example.org/a\r\n" in b"".join(channel.outbound)


@pytest.mark.parametrize(
    ("origin", "settings", "complaint"),
    [
        ("www.example.org", {}, "an origin is"),
        ("https://www.example.org/", {}, "an origin is"),
        ("https://a\r\nb", {}, "an origin is"),
        ("ftp://example.org", {}, "one http or https origin"),
        ("https://*.example.org", {}, "one http or https origin"),
        ("*", {}, "one http or https origin"),
        (_HOME, {"scheme": "ftp"}, "speaks http or https, not 'ftp'"),
        (_HOME, {"hsts": -1}, "a number of seconds, not -1"),
        (_HOME, {"hsts_subdomains": True}, "needs a time"),
        ("http://example.org", {"hsts": 1}, "forbids browsers to come without TLS"),
        (_HOME, {"exempt": ["well-known"]}, "begins with a slash"),
    ],
)
def test_what_could_not_work_is_refused(origin: str, settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        http.Redirect(origin, **settings)
