r"""Url: where a request goes, taken apart strictly.

::

    https://user:secret@example.org:8443/path?query#fragment
    scheme  credentials    host     port target     dropped

A URL is often made of what somebody else has typed, so what could end a line early, or lead two programs to different
hosts, is refused here and not repaired: control characters, blanks, backslashes, hosts that only some resolvers take
for IP addresses.  What is merely not ASCII is brought into the form in which it travels: UTF-8 and percent in paths,
IDNA in hosts.

The host is encoded by the standard library, which knows IDNA of 2003.  Four characters mean another host in the
IDNA of 2008 that browsers speak (ß, ς, and two joiners); a name with one of those has to be given as ``xn--…``.

Source: RFC 3986, sections 3 and 5; RFC 9110, section 4; RFC 6874 (zones); RFC 5894, section 7.2 (the four characters).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote, unquote, urlencode, urljoin, urlsplit

import attrs

from ....errors import AddressError
from ....transport.address import parse_address
from .errors import UrlError

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_MAX_URL: Final = 8000  # characters; RFC 9110 4.1 asks for at least 8000 octets, and servers refuse what is longer
_FORBIDDEN: Final = re.compile(
    r"[\x00-\x20\x7f-\x9f\\\u2028\u2029]"
)  # controls, blanks, and what browsers take for "/"
_DEVIATING: Final = frozenset("ßς\u200c\u200d")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BRACKETS: Final = re.compile(r"\[[0-9A-Fa-f:.]+(?:%[^\[\]]+)?\](?::\d*)?")  # an IPv6 address, and perhaps a port
_SAFE: Final = "%/?:@!$&'()*+,;=-._~[]"  # RFC 3986 3.3, 3.4, and brackets, which everybody sends; the rest is encoded

Params: TypeAlias = "Mapping[str, Any] | Iterable[tuple[str, Any]]"


@attrs.frozen
class Url:
    """An absolute ``http`` or ``https`` URL, without its fragment; ``str(url)`` leaves out user and password."""

    scheme: str
    host: str
    """A name in ASCII and lower case, or an IP address without brackets."""
    port: int
    target: str
    """Path and query as they travel, ``/`` at least."""
    credentials: tuple[str, str] | None = attrs.field(default=None, repr=False)
    """User and password that the URL had before its host."""

    @property
    def origin(self) -> tuple[str, str, int]:
        """What two URLs share when they lead to the same server: RFC 9110, section 4.3.1."""
        return (self.scheme, self.host, self.port)

    @property
    def authority(self) -> str:
        """The value of Host: the port is left out where it is the usual one, a zone is nobody else's business."""
        host = self.host.partition("%")[0]
        if ":" in host:
            host = f"[{host}]"
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def path(self) -> str:
        """The target up to its query."""
        return self.target.partition("?")[0]

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    def with_params(self, params: Params) -> Url:
        """Append names and values to the query; a value that is a list stands for several.

        Raises:
            TypeError: they are a string, which may be a part of the URL already.
        """
        given: Any = params
        if isinstance(given, str | bytes):
            raise TypeError(f"params= are names and values, as in {{'q': 'two words'}}, not {given!r}")
        pairs = params.items() if isinstance(params, Mapping) else params
        query = urlencode([(name, value) for name, value in pairs if value is not None], doseq=True)
        if not query:
            return self
        joint = "" if self.target.endswith(("?", "&")) else "&" if "?" in self.target else "?"
        return attrs.evolve(self, target=f"{self.target}{joint}{query}")

    def join(self, reference: str) -> Url:
        """Follow a reference, such as the value of Location; credentials in it are not taken over.

        Raises:
            UrlError: it leads nowhere.
        """
        _refuse_characters(reference)
        try:
            joined = urljoin(str(self), reference)
        except ValueError as exc:
            raise UrlError(reference, str(exc)) from exc
        return attrs.evolve(parse_url(joined), credentials=None)


def parse_url(text: str, base: Url | None = None) -> Url:
    """Take a URL apart, and check it; a relative one needs a base.

    Raises:
        UrlError: it does not say where to go; the message says why.
    """
    if not isinstance(text, str):
        raise UrlError(repr(text), "a URL is a string")
    _refuse_characters(text)
    if base is not None and "://" not in text.partition("?")[0]:
        return _below(base, text)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as exc:
        raise UrlError(_without_credentials(text), str(exc)) from exc
    shown = _without_credentials(text)
    if parts.scheme not in DEFAULT_PORTS:
        raise UrlError(shown, f"a URL begins with http:// or https://, not with {parts.scheme!r}")
    if port == 0:
        raise UrlError(shown, "a port is from 1 to 65535")
    host = _checked_host(shown, parts.netloc, host)
    target = _as_it_travels(parts.path or "/")
    if not target.startswith("/"):
        raise UrlError(shown, "a path begins with /")
    if parts.query:
        target += "?" + _as_it_travels(parts.query)
    credentials = None
    if parts.username is not None:
        credentials = (unquote(parts.username), unquote(parts.password or ""))
    return Url(parts.scheme, host, DEFAULT_PORTS[parts.scheme] if port is None else port, target, credentials)


def _below(base: Url, text: str) -> Url:
    """Put a relative URL below a base as people expect it of an API's address: its path stays in front."""
    path, mark, query = text.partition("#")[0].partition("?")
    front = base.path.rstrip("/")
    target = f"{front}/{path.lstrip('/')}" if path else base.path
    return attrs.evolve(base, target=_as_it_travels(target) + (f"?{_as_it_travels(query)}" if mark else ""))


def _refuse_characters(text: str) -> None:
    found = _FORBIDDEN.search(text)
    if found is not None:
        raise UrlError(repr(_without_credentials(text)), f"a URL has no {found.group()!r}: encode it, as in %20")
    if len(text) > _MAX_URL:
        raise UrlError(f"{_without_credentials(text)[:100]}…", f"a URL has at most {_MAX_URL} characters")


def _checked_host(shown: str, netloc: str, host: str) -> str:
    """Return the host in the form in which it travels."""
    if not host:
        raise UrlError(shown, "the host is missing")
    place = netloc.rpartition("@")[2]
    if ("[" in place or "]" in place) and not _BRACKETS.fullmatch(place):
        raise UrlError(shown, "brackets are for an IPv6 address, and nothing else may stand beside it")
    if _DEVIATING & set(host):
        raise UrlError(shown, f"{host!r} is another name in IDNA 2003 and 2008: give it in the form xn--…")
    if "%" in host and not place.startswith("["):
        raise UrlError(shown, f"{host!r} is no host name")
    host = host.replace("%25", "%", 1)  # RFC 6874: the zone of an IPv6 address
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError as exc:
            raise UrlError(shown, f"{host!r} is no host name ({exc})") from exc
    try:
        return parse_address(f"tcp://[{host}]:1" if ":" in host else f"tcp://{host}:1").host
    except AddressError as exc:
        raise UrlError(shown, str(exc)) from exc


def _as_it_travels(text: str) -> str:
    return quote(_BAD_ESCAPE.sub("%25", text), safe=_SAFE)


def _without_credentials(text: str) -> str:
    scheme, mark, rest = text.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"
