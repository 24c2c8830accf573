"""Which proxy, and which route."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.http import UrlError
from pipeline_net.codecs.http.client.proxy import FROM_ENVIRONMENT, as_proxy_choice, parse_proxy, route_of
from pipeline_net.codecs.http.client.url import parse_url

_HTTP, _HTTPS = parse_url("http://a.example:81/x"), parse_url("https://b.example/y")


def test_without_a_proxy_each_origin_is_a_route() -> None:
    route = route_of(_HTTPS, None)
    assert (route.is_tls, route.needs_tunnel, route.authority) == (True, False, "b.example:443")
    assert route == route_of(parse_url("https://b.example/other"), None)
    assert route != route_of(parse_url("http://b.example:443/"), None)
    assert str(route) == "https://b.example:443"


def test_one_connection_to_a_proxy_serves_all_that_is_not_encrypted() -> None:
    proxy = parse_proxy("http://user:pw@proxy.example:3128")
    assert route_of(_HTTP, proxy) == route_of(parse_url("http://c.example/"), proxy)
    assert not route_of(_HTTP, proxy).needs_tunnel
    assert route_of(_HTTP, proxy) != route_of(_HTTP, None)
    tunnel = route_of(_HTTPS, proxy)
    assert tunnel.needs_tunnel
    assert tunnel != route_of(parse_url("https://c.example/"), proxy)
    assert (tunnel.peer.host, tunnel.peer.port) == ("proxy.example", 3128)
    assert proxy.authorization == "Basic dXNlcjpwdw=="
    assert "pw" not in repr(tunnel) + str(tunnel)
    assert tunnel != route_of(_HTTPS, parse_proxy("http://other:pw@proxy.example:3128")), "another user's tunnel"


def test_a_proxy_without_a_scheme() -> None:
    assert str(parse_proxy("proxy:3128")) == "http://proxy:3128/"
    assert not parse_proxy("proxy:3128").is_tls


def test_a_proxy_that_is_spoken_to_by_tls() -> None:
    proxy = parse_proxy("https://us:pw@proxy.example")
    assert proxy.is_tls
    plain = route_of(_HTTP, proxy)
    assert (plain.is_tls, plain.needs_tunnel, plain.peer.port) == (False, False, 443)
    tunnel = route_of(_HTTPS, proxy)
    assert (tunnel.is_tls, tunnel.needs_tunnel) == (True, True)
    assert plain != route_of(_HTTP, parse_proxy("http://us:pw@proxy.example:443")), "what is encrypted stays so"


@pytest.mark.parametrize("text", ["socks5://proxy", "http://", "http://a:b\r\n@proxy", "http://%0a:b@p"])
def test_what_is_no_proxy(text: str) -> None:
    with pytest.raises(UrlError):
        parse_proxy(text)


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert as_proxy_choice(FROM_ENVIRONMENT)(_HTTP) is None
    monkeypatch.setenv("http_proxy", "http://one:1")
    monkeypatch.setenv("HTTPS_PROXY", "two:2")
    monkeypatch.setenv("NO_PROXY", "localhost,.internal.example,c.example:8080")
    choose = as_proxy_choice(FROM_ENVIRONMENT)
    assert str(choose(_HTTP)) == "http://one:1/"
    assert str(choose(_HTTPS)) == "http://two:2/"
    for url in ("http://localhost/", "https://x.internal.example/", "http://c.example:8080/"):
        assert choose(parse_url(url)) is None, url
    assert choose(parse_url("http://c.example/")) is not None


def test_a_cgi_program_does_not_believe_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    # httpoxy: a request's header "Proxy" becomes the variable HTTP_PROXY of a CGI program
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    monkeypatch.setenv("HTTP_PROXY", "http://evil:1")
    assert as_proxy_choice(FROM_ENVIRONMENT)(_HTTP) is None


def test_a_proxy_for_everything_and_one_for_nothing() -> None:
    assert str(as_proxy_choice("http://p:1")(_HTTPS)) == "http://p:1/"
    assert as_proxy_choice(None)(_HTTP) is None
