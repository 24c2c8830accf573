"""Cookies: what a request looks like to the standard library's ``http.cookiejar``, which does the work.

A client has a jar only if it is given one: clients are shared by all of a program, and cookies belong to one user.

The library's jar takes any number of cookies; here it is given at most ``MAX_LINES`` lines of a response, and none when
it has ``MAX_COOKIES``, so that a server cannot fill the memory.  It knows no public suffixes: a ``DefaultCookiePolicy``
with ``allowed_domains`` or ``strict_domain`` is the way to be stricter.

Source: the documentation of ``http.cookiejar``: what it asks of requests and responses.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from ....complaints import complaints_of
from ..headers import Headers
from .url import DEFAULT_PORTS, Url

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

    from ....loop import Loop

_logger: Final = logging.getLogger("pipeline_net.http")

MAX_LINES: Final = 64  # Set-Cookie lines of one response; browsers take 50 to 180 cookies of one site in all
MAX_COOKIES: Final = 3000  # in a jar, of all sites; RFC 6265 6.1: "At least 3000 cookies total"


class _Asked:
    """A request, as a jar wants to see it."""

    unverifiable = False  # somebody asked for it: it is no image on a page

    def __init__(self, url: Url) -> None:
        self._url = url
        self.type = url.scheme
        self.host = url.authority
        self.origin_req_host = url.host
        self.cookie: str | None = None

    def get_full_url(self) -> str:
        default = DEFAULT_PORTS[self._url.scheme]
        return str(self._url) if self._url.port == default else f"{self.type}://{self.host}{self._url.target}"

    def has_header(self, name: str) -> bool:
        return name.lower() == "cookie" and self.cookie is not None

    def get_header(self, name: str, default: Any = None) -> Any:
        return self.cookie if name.lower() == "cookie" and self.cookie is not None else default

    def add_unredirected_header(self, name: str, value: str) -> None:
        if name.lower() == "cookie":
            self.cookie = value


class _Answered:
    """The headers of a response, as a jar wants to see them."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def info(self) -> _Answered:
        return self

    def get_all(self, name: str, default: Any = None) -> Any:
        return self._headers.get_all(name)[:MAX_LINES] or default


def cookie_for(jar: CookieJar, url: Url) -> str | None:
    """Ask the jar what belongs into the header Cookie; ``None`` if nothing does."""
    asked = _Asked(url)
    jar.add_cookie_header(asked)  # type: ignore[arg-type]  # the documentation asks for these methods, not for the class
    return asked.cookie


def keep_cookies(loop: Loop, jar: CookieJar, url: Url, headers: Headers) -> None:
    """Let the jar take what a response has set, as far as its policy allows."""
    if "set-cookie" not in headers:
        return
    if len(jar) >= MAX_COOKIES:
        jar.clear_expired_cookies()
        if len(jar) >= MAX_COOKIES:
            level = complaints_of(loop).level(_logger, logging.WARNING, "cookies for which the jar has no room")
            _logger.log(level, "%s: the jar has %d cookies, and takes no more", url, len(jar))
            return
    jar.extract_cookies(_Answered(headers), _Asked(url))  # type: ignore[arg-type]  # as above: methods, not classes
