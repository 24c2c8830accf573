"""Proxy, Route: through whom a request goes, and what has to be said to whom.

::

    http://  through a proxy     GET http://example.org/ HTTP/1.1       every request, Proxy-Authorization with it
    https:// through a proxy     CONNECT example.org:443 HTTP/1.1       once; TLS with the server begins behind it

The environment names proxies as it does for curl and for Python's urllib, whose rules are used: ``http_proxy``,
``https_proxy``, ``no_proxy``; ``HTTP_PROXY`` counts for nothing in a CGI program, where it is what a client has sent.

Source: RFC 9112, section 3.2.2 (absolute-form); RFC 9110, sections 9.3.6 (CONNECT) and 11.7.2.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, TypeAlias

import attrs

from .auth import BasicAuth
from .errors import UrlError
from .url import Url, parse_url


@attrs.frozen
class Proxy:
    """A proxy, as its URL names it: ``http://user:password@proxy.example:3128``, or ``https://…``."""

    url: Url

    @property
    def is_tls(self) -> bool:
        """Whether the way to the proxy itself is encrypted; what goes to a server by https is so once more, inside."""
        return self.url.scheme == "https"

    @property
    def authorization(self) -> str | None:
        """The value of Proxy-Authorization; ``None`` where the URL has no user."""
        return None if self.url.credentials is None else BasicAuth(*self.url.credentials).value

    def __str__(self) -> str:
        return str(self.url)


@attrs.frozen
class Route:
    """Where a connection leads: those of one route can stand in for each other, and others cannot."""

    scheme: str
    host: str
    port: int
    proxy: Proxy | None = None

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted, all the way to the server."""
        return self.scheme == "https"

    @property
    def needs_tunnel(self) -> bool:
        """Whether a proxy has to lead us to the server first."""
        return self.proxy is not None and self.is_tls

    @property
    def peer(self) -> Url | Route:
        """With whom the TCP connection is."""
        return self if self.proxy is None else self.proxy.url

    @property
    def authority(self) -> str:
        """``host:port``, always with its port: what CONNECT wants."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{'' if self.proxy is None else f' through {self.proxy}'}"


FromEnvironment: TypeAlias = "Callable[[Url], Proxy | None]"


def route_of(url: Url, proxy: Proxy | None) -> Route:
    """Find the route to a URL.  Without TLS, one connection to a proxy serves all servers."""
    if proxy is not None and url.scheme == "http":
        return Route("http", proxy.url.host, proxy.url.port, proxy)
    return Route(url.scheme, url.host, url.port, proxy)


def parse_proxy(text: str) -> Proxy:
    """Take the URL of a proxy; one without a scheme is taken for ``http://``.

    Raises:
        UrlError: it is none, or one that is not spoken to by HTTP.
    """
    url = parse_url(text if "://" in text else f"http://{text}")
    proxy = Proxy(url)
    try:
        proxy.authorization  # noqa: B018 - a mistake in user or password is found here, not with the first request
    except ValueError as exc:
        raise UrlError(str(url), str(exc)) from exc
    return proxy


class EnvironmentProxies:
    """What the environment said about proxies when a client was made."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        if any(name.lower().endswith("_proxy") for name in os.environ):
            from urllib.request import getproxies_environment  # it brings ssl along, and most have no proxy

            self._found = getproxies_environment()
        self._proxies: dict[str, Proxy] = {
            scheme: parse_proxy(found)
            for scheme in ("http", "https")
            if (found := self._found.get(scheme) or self._found.get("all", ""))
        }

    def __call__(self, url: Url) -> Proxy | None:
        """Find the proxy for a URL, unless ``no_proxy`` speaks of its host."""
        proxy = self._proxies.get(url.scheme)
        if proxy is None:
            return None
        # Imported already, or there would be no proxy.
        from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it

        return None if proxy_bypass_environment(f"{url.host}:{url.port}", self._found) else proxy


FROM_ENVIRONMENT: Final = "environment"
ProxyLike: TypeAlias = str | None


def as_proxy_choice(given: ProxyLike) -> FromEnvironment:
    """Take what ``proxy=`` may be: the word ``"environment"``, a URL, or ``None`` for no proxy.

    Raises:
        UrlError: a URL is none, also one of the environment.
    """
    if given is None:
        return lambda url: None
    if given == FROM_ENVIRONMENT:
        return EnvironmentProxies()
    proxy = parse_proxy(given)
    return lambda url: proxy
