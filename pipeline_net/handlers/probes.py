"""Probes: does a connection that begins with these bytes speak a certain protocol?

A probe is called with the bytes that are here, and answers ``True``, ``False``, or ``None`` for "I need more of them".
More bytes must never turn a yes into a no, or a no into a yes; then the answer does not depend on how they arrive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from ..errors import DecodeError
from .client_hello import ClientHello, read_client_hello

Probe: TypeAlias = Callable[[bytes], "bool | None"]

_HANDSHAKE: Final = 0x16
_MAJOR: Final = 3
_HIGHEST_MINOR: Final = 4
_CLIENT_HELLO: Final = 1
_TYPE_AT: Final = 5  # of the handshake message, behind the head of the first record


class Prefix:
    """Yes if the bytes begin with one of ``prefixes``.

    Raises:
        ValueError: there is no prefix, or an empty one.
    """

    def __init__(self, *prefixes: bytes) -> None:
        if not prefixes or b"" in prefixes:
            raise ValueError(f"prefixes must have at least a byte each, but are {prefixes!r}")
        self._prefixes = prefixes

    def __call__(self, data: bytes) -> bool | None:
        if data.startswith(self._prefixes):
            return True
        if any(prefix.startswith(data) for prefix in self._prefixes):
            return None
        return False

    def __repr__(self) -> str:
        return f"Prefix({', '.join(map(repr, self._prefixes))})"


def tls(data: bytes) -> bool | None:
    """Whether a TLS handshake begins: a record of type 22, version 3.x, with a ClientHello inside."""
    size = len(data)
    if size > 0 and data[0] != _HANDSHAKE:
        return False
    if size > 1 and data[1] != _MAJOR:
        return False
    if size > 2 and data[2] > _HIGHEST_MINOR:
        return False
    if size > _TYPE_AT:
        return data[_TYPE_AT] == _CLIENT_HELLO
    return None


class HelloProbe:
    """Yes if a TLS handshake begins whose ClientHello is right; subclasses say what that is."""

    def accepts(self, hello: ClientHello) -> bool:
        """Whether this is the ClientHello that is meant."""
        raise NotImplementedError

    def __call__(self, data: bytes) -> bool | None:
        try:
            hello = read_client_hello(data)
        except DecodeError:
            return False  # no TLS, or none that anybody could speak
        return None if hello is None else self.accepts(hello)


class ServerName(HelloProbe):
    """Yes if a TLS client means one of these hosts: ``"a.example"``, or ``"*.example"`` for any host right below.

    Raises:
        ValueError: there is no name, an asterisk elsewhere than alone in front, or a character beyond ASCII.
    """

    def __init__(self, *names: str) -> None:
        if not names:
            raise ValueError("name at least one host")
        self._hosts: set[str] = set()
        self._domains: set[str] = set()
        for name in names:
            lower = name.lower()
            host = lower.removeprefix("*.")
            if not host or "*" in host:
                raise ValueError(f'an asterisk stands for the first label alone, as in "*.example", not as in {name!r}')
            if not host.isascii():
                raise ValueError(f"{name!r}: clients ask for names in their ASCII form, xn--…")
            (self._hosts if host == lower else self._domains).add(host)

    def accepts(self, hello: ClientHello) -> bool:
        name = hello.server_name
        if name is None:
            return False
        return name in self._hosts or name.partition(".")[2] in self._domains


class Alpn(HelloProbe):
    """Yes if a TLS client offers one of these protocols (``"h2"``, ``"http/1.1"``, …)."""

    def __init__(self, *protocols: str) -> None:
        if not protocols:
            raise ValueError("name at least one protocol")
        self._protocols = frozenset(protocols)

    def accepts(self, hello: ClientHello) -> bool:
        return not self._protocols.isdisjoint(hello.alpn)


_METHODS: Final = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE")

http1: Final = Prefix(
    # RFC 9112 3.2: a target begins with a slash, or is an asterisk, or a whole URI (for proxies)
    *(method + b" " + target for method in _METHODS for target in (b"/", b"*", b"http://", b"https://")),
    b"CONNECT ",
)
"""HTTP/1: a known method, and what a target begins with.  ``GET name`` is none: that is what people type into Redis."""

http2: Final = Prefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")  # RFC 9113 3.4
"""HTTP/2 without TLS: its preface."""

resp: Final = Prefix(*(b"*%d" % digit for digit in range(10)))
"""Redis: a command as programs send it, an array.  What people type (inline commands) looks like any other text."""

ssh: Final = Prefix(b"SSH-")  # RFC 4253 4.2
"""SSH: a client's first line.  Some wait for the server's before: see ``silent`` of ``SniffHandler``."""

proxy: Final = Prefix(b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n")
"""The PROXY protocol, version 1 or 2."""
