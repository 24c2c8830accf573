"""What handlers answer with, ready-made: HttpError, json_response(), redirect()."""

from __future__ import annotations

import json
from typing import Any, Final

from ..headers import Headers, HeadersLike
from ..messages import FullResponse
from ..status import reason_phrase

_JSON: Final = Headers({"content-type": "application/json"})
_REDIRECTIONS: Final = (301, 302, 303, 307, 308)


class HttpError(Exception):
    """A handler's way to say that a request is answered with an error: ``raise HttpError(404, "there is no note 7")``.

    Args:
        status: from 400 to 599.
        message: told to the peer; the phrase of the status, if it is left out.
        headers: of the response, such as Retry-After.

    Raises:
        ValueError: the status is not that of an error.
    """

    def __init__(self, status: int, message: str | None = None, headers: HeadersLike | None = None) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"the status of an error is from 400 to 599, not {status!r}")
        super().__init__(status, message)
        self.status: Final = status
        self.message: Final = f"{status} {reason_phrase(status)}".rstrip() if message is None else message
        self.headers: Final = headers

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"HttpError({self.status}, {self.message!r})"

    def response(self) -> FullResponse:
        """Make the plain answer: the message as text."""
        headers = Headers() if self.headers is None else Headers(self.headers)
        if "content-type" not in headers:
            headers.add("content-type", "text/plain; charset=utf-8")
        return FullResponse(self.status, headers, f"{self.message}\n".encode("utf-8", "replace"))


def json_response(value: Any, status: int = 200, headers: HeadersLike | None = None) -> FullResponse:
    """Answer with ``value`` as JSON: one line of UTF-8.

    Raises:
        TypeError: JSON has no such value.
        ValueError: a number is not finite, for which JSON has no word either; or the value contains itself.
    """
    body = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(
        "utf-8", "backslashreplace"
    )
    if headers is None:
        return FullResponse(status, _JSON.copy(), body + b"\n")  # whoever adds a cookie means this response only
    own = Headers(headers)
    if "content-type" not in own:
        own.add("content-type", "application/json")
    return FullResponse(status, own, body + b"\n")


def redirect(location: str, status: int = 303, *, elsewhere: bool = False) -> FullResponse:
    """Send the client to another place.

    By default that place is a path of this site, so that one which came with a request (``?next=/notes``) leads nobody
    away: browsers take ``//evil.example`` and ``/\\evil.example`` for the addresses of other hosts.

    Args:
        location: a path, with a query where there is one: ``/notes?page=2``; percent-encoded.
        status: 303 for "look there" after a POST, 307 or 308 to repeat the same request there, for now or for ever;
            301 and 302 are the old forms, after which browsers turn POST into GET.
        elsewhere: whether ``location`` is an ``http:`` or ``https:`` URL of any host.  Never one that a client gave.

    Raises:
        ValueError: the location is none of these, or has a character that no URL has; the status is no redirection.
    """
    if status not in _REDIRECTIONS:
        raise ValueError(f"a redirection has one of the statuses {_REDIRECTIONS}, not {status!r}")
    check_location(location, elsewhere=elsewhere)
    return FullResponse(status, {"location": location})


def check_location(location: str, *, elsewhere: bool = False) -> None:
    """Make sure that a client that follows ``location`` goes where the program wants it to go; see ``redirect``."""
    if not location or not all("!" <= character <= "~" for character in location):
        raise ValueError(f"a location is visible ASCII, percent-encoded where it is not, and not {location!r}")
    if elsewhere:
        scheme, mark, rest = location.partition("://")
        if scheme.lower() not in ("http", "https") or not mark or rest[:1] in ("", "/", "\\"):
            raise ValueError(f"a location elsewhere is an http: or https: URL with a host, not {location!r}")
    elif location[0] != "/" or location[1:2] in ("/", "\\"):
        raise ValueError(f"a location on this site begins with one slash, and not like {location!r}")
