"""WebSocketUrl: ``ws://host:port/path?query`` taken apart.

Source: RFC 6455, section 3
"""

from __future__ import annotations

import base64
import re
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from ...errors import AddressError

_PORTS: Final = {"ws": 80, "wss": 443}
# urlsplit() leaves some controls out, and sees another host than browsers do, which take a backslash for a slash.
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_KEPT: Final = "/?!$&'()*+,;=:@-._~%[]"  # of a path and a query; anything else is percent-encoded


class WebSocketUrl:
    """Where a WebSocket is.

    Raises:
        AddressError: it is no ``ws://`` or ``wss://`` URL, or has a fragment.
    """

    def __init__(self, url: str) -> None:
        found = _FORBIDDEN.search(url)
        if found is not None:
            raise AddressError(f"bad URL {url!r}: it has no {found.group()!r}; encode it, as in %20")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as exc:
            raise AddressError(f"bad URL {url!r}: {exc}") from exc
        if parts.scheme not in _PORTS:
            raise AddressError(f"bad URL {url!r}: it begins with ws:// or wss://")
        if "#" in url:
            # RFC 6455 3: "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used"
            raise AddressError(f"bad URL {url!r}: it has no fragment (#)")
        if not parts.hostname:
            raise AddressError(f"bad URL {url!r}: it names a host")
        self.is_secure = parts.scheme == "wss"
        self.host = _host_in_ascii(url, parts.hostname)
        self.port = _PORTS[parts.scheme] if port is None else port
        name = f"[{self.host}]" if ":" in self.host else self.host
        self.host_header = name if self.port == _PORTS[parts.scheme] else f"{name}:{self.port}"
        target = quote(parts.path or "/", safe=_KEPT)
        self.target = f"{target}?{quote(parts.query, safe=_KEPT)}" if parts.query else target
        self.authorization: str | None = None
        """Basic credentials, if the URL has any (RFC 7617)."""
        if parts.username is not None:
            credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self.authorization = "Basic " + base64.b64encode(credentials.encode()).decode("ascii")

    @property
    def address(self) -> str:
        """Where a bootstrap connects to: ``tcp://host:port``, ``tls://host:port``."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.is_secure else 'tcp'}://{name}:{self.port}"

    def __repr__(self) -> str:
        return f"<WebSocketUrl {'wss' if self.is_secure else 'ws'}://{self.host_header}{self.target}>"


def _host_in_ascii(url: str, host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as exc:
        raise AddressError(f"bad URL {url!r}: {exc}") from exc
