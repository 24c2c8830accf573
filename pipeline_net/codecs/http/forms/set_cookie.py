"""SetCookie: what a browser shall keep, and for whom.

Source: RFC 6265, section 4.1; draft-ietf-httpbis-rfc6265bis (SameSite, prefixes, limits); CHIPS (Partitioned)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from ....errors import EncodeError
from ..date import http_date
from ..grammar import is_token

if TYPE_CHECKING:
    from datetime import datetime

_MAX_SIZE: Final = 4096  # bytes of name and value together: browsers drop what is above
_MAX_ATTRIBUTE: Final = 1024  # bytes; browsers pass over what is above
_SAME_SITE: Final = ("Strict", "Lax", "None")
# RFC 6265 4.1.1: US-ASCII without controls, blanks, quotation marks, commas, semicolons and backslashes
_VALUE_CHARS: Final = frozenset(chr(code) for code in range(33, 127)) - frozenset('",;\\')
_PATH_CHARS: Final = frozenset(chr(code) for code in range(32, 127)) - frozenset(";")
_DOMAIN_CHARS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")


@attrs.frozen
class SetCookie:
    """A cookie for the browser: ``headers.add("set-cookie", str(SetCookie("session", key)))``.

    It says Secure, HttpOnly and SameSite=Lax unless it is told otherwise, and is for the whole site.

    Args:
        name: a token.  ``__Secure-`` and ``__Host-`` are promises, which browsers and we hold it to.
        value: visible ASCII without ``" , ; \\``; for anything else, encode it (``CookieSigner`` does).
        max_age: seconds; None for as long as the browser runs.
        expires: the same as a moment, with its time zone, for very old browsers.
        domain: also for its subdomains; None for this host alone, which is safer.
        path: for what lies under it; None for the folder of the request.
        secure: only over TLS (and to localhost).
        http_only: not for scripts.
        same_site: ``"Strict"``, ``"Lax"`` or ``"None"``; None leaves it to the browser.
        partitioned: separately for each site that embeds this one.

    Raises:
        EncodeError: a browser would refuse the cookie, or read another one.
    """

    name: str
    value: str
    max_age: int | None = attrs.field(default=None, kw_only=True)
    expires: datetime | None = attrs.field(default=None, kw_only=True)
    domain: str | None = attrs.field(default=None, kw_only=True)
    path: str | None = attrs.field(default="/", kw_only=True)
    secure: bool = attrs.field(default=True, kw_only=True)
    http_only: bool = attrs.field(default=True, kw_only=True)
    same_site: str | None = attrs.field(default="Lax", kw_only=True)
    partitioned: bool = attrs.field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        _check(is_token(self.name.encode("utf-8", "replace")), "the name of a cookie is a token", self.name)
        _check(
            _VALUE_CHARS.issuperset(self.value), 'the value of a cookie is visible ASCII without " , ; \\', self.value
        )
        size = len(self.name) + len(self.value)
        _check(size <= _MAX_SIZE, f"name and value of a cookie have at most {_MAX_SIZE} bytes", size)
        _check(
            self.path is None or (self.path.startswith("/") and _PATH_CHARS.issuperset(self.path)),
            "the path of a cookie begins with / and has no semicolon",
            self.path,
        )
        _check(
            self.domain is None or (bool(self.domain.strip(".-")) and _DOMAIN_CHARS.issuperset(self.domain)),
            "the domain of a cookie is a host name",
            self.domain,
        )
        for attribute in (self.path, self.domain):
            _check(len(attribute or "") <= _MAX_ATTRIBUTE, f"attributes have at most {_MAX_ATTRIBUTE} bytes", attribute)
        _check(
            self.same_site is None or self.same_site in _SAME_SITE, f"same_site is one of {_SAME_SITE}", self.same_site
        )
        _check(self.expires is None or self.expires.tzinfo is not None, "expires has a time zone", self.expires)
        self._check_promises()

    def _check_promises(self) -> None:
        lower = self.name.lower()  # browsers look at the prefixes without case
        if not self.secure:
            _check(self.same_site != "None", "SameSite=None wants secure=True", self.name)
            _check(not self.partitioned, "Partitioned wants secure=True", self.name)
            _check(not lower.startswith(("__secure-", "__host-")), "this prefix wants secure=True", self.name)
        if lower.startswith("__host-"):
            _check(self.domain is None and self.path == "/", '__Host- wants path="/" and no domain', self.name)

    @classmethod
    def deletion(cls, name: str, *, domain: str | None = None, path: str | None = "/", **attributes: Any) -> SetCookie:
        """Return what takes a cookie away; domain and path must be those that it was set with."""
        return cls(name, "", max_age=0, domain=domain, path=path, **attributes)

    def __str__(self) -> str:
        """What stands behind ``Set-Cookie:``."""
        parts = [f"{self.name}={self.value}"]
        if self.max_age is not None:
            parts.append(f"Max-Age={self.max_age:d}")
        if self.expires is not None:
            parts.append(f"Expires={http_date(self.expires.timestamp())}")
        if self.domain is not None:
            parts.append(f"Domain={self.domain}")
        if self.path is not None:
            parts.append(f"Path={self.path}")
        for is_said, word in ((self.secure, "Secure"), (self.http_only, "HttpOnly")):
            if is_said:
                parts.append(word)
        if self.same_site is not None:
            parts.append(f"SameSite={self.same_site}")
        if self.partitioned:
            parts.append("Partitioned")
        return "; ".join(parts)


def _check(holds: bool, rule: str, value: object) -> None:
    if not holds:
        raise EncodeError(f"{rule}: {value!r:.200}")
