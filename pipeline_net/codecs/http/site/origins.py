"""AllowedOrigins: which sites may read what we answer, by list, by subdomain or by a function.

::

    "https://app.example.org"          this one
    "https://*.example.org"            every name that ends so, however many labels; not example.org itself
    "http://localhost:3000"            with its port, unless that is the scheme's own: browsers leave that one out

Source: RFC 6454, section 6.2; WHATWG HTML, "serialization of an origin"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz")
_NAME: Final = _LETTERS | frozenset("0123456789.-")
_SCHEME: Final = _LETTERS | frozenset("0123456789+.-")
_OWN_PORTS: Final = {"http": "80", "https": "443"}


class AllowedOrigins:
    """A set of origins.

    Raises:
        ValueError: one of them is no origin as browsers write it, so that nobody would ever match.
    """

    def __init__(self, origins: str | Iterable[str] | Callable[[str], bool]) -> None:
        self._ask: Callable[[str], bool] | None = None
        self._exact: set[str] = set()
        self._subdomains: list[tuple[str, str]] = []  # what stands before and behind the star
        self.is_everybody = False
        if callable(origins):
            self._ask = origins
            return
        for origin in [origins] if isinstance(origins, str) else origins:
            self._add(origin)
        if not (self.is_everybody or self._exact or self._subdomains):
            raise ValueError("no origin is allowed, which is so without any stage")

    def _add(self, origin: str) -> None:
        if origin == "*":
            self.is_everybody = True
            return
        if origin == "null":
            self._exact.add(origin)
            return
        scheme, mark, rest = origin.partition("://")
        host, port = _host_and_port(rest)
        is_wild = host.startswith("*.")
        name = host[2:] if is_wild else host
        if (
            not mark
            or scheme[:1] not in _LETTERS
            or not _SCHEME.issuperset(scheme)
            or not _is_host(name)
            or (port is not None and not _is_port(port, scheme))
        ):
            raise ValueError(
                "an origin is scheme://host or scheme://host:port in lower case, without a path and without the port"
                f" that the scheme has anyway, and cannot be {origin!r}"
            )
        if is_wild:
            self._subdomains.append((f"{scheme}://", origin.partition("*")[2]))
        else:
            self._exact.add(origin)

    @property
    def has_null(self) -> bool:
        """Whether ``null`` is in the list: the origin of sandboxed frames and of files, which anybody can have."""
        return "null" in self._exact

    def allow(self, origin: str) -> bool:
        """Whether an Origin that came is one of them."""
        if self._ask is not None:
            return bool(self._ask(origin))
        return (
            self.is_everybody
            or origin in self._exact
            or any(
                len(origin) > len(before) + len(behind)
                and origin.startswith(before)
                and origin.endswith(behind)
                and _is_name(origin[len(before) : len(origin) - len(behind)])
                for before, behind in self._subdomains
            )
        )


def _host_and_port(rest: str) -> tuple[str, str | None]:
    if rest.startswith("["):
        host, bracket, behind = rest.partition("]")
        return host + bracket, behind[1:] if behind.startswith(":") else (behind or None)
    host, colon, port = rest.partition(":")
    return host, port if colon else None


def _is_host(host: str) -> bool:
    if host.startswith("["):
        return host.endswith("]") and len(host) > 2 and frozenset("0123456789abcdef:.").issuperset(host[1:-1])
    return _is_name(host)


def _is_name(name: str) -> bool:
    """Whether ``name`` is made of labels."""
    return bool(name) and _NAME.issuperset(name) and all(name.split("."))


def _is_port(port: str, scheme: str) -> bool:
    is_number = port.isascii() and port.isdigit() and len(port) <= 5 and port[0] != "0" and int(port) < 65536
    return is_number and _OWN_PORTS.get(scheme) != port
