"""Conditions of requests: whether the client has the file already, or means another version of it.

RFC 9110 13.2.2 has the order, and that a client which sends both a tag and a date means the tag::

    If-Match, or else If-Unmodified-Since      false → 412
    If-None-Match, or else If-Modified-Since   false → 304
    Range, if If-Range allows it               → 206

Source: RFC 9110, sections 8.8, 13.1 and 13.2
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_tz  # not by the first request with a date: there may be no descriptor to read it
from typing import Final

from ..headers import Headers

PROCEED: Final = 200
NOT_MODIFIED: Final = 304
FAILED: Final = 412

_TAG: Final = re.compile(r'(?:W/)?"[^"]*"')


def answer_to(headers: Headers, etag: str, modified: int) -> int:
    """Look at the conditions of a GET or a HEAD: ``PROCEED``, ``NOT_MODIFIED`` or ``FAILED``.

    Args:
        etag: of the file as it is, strong, in its quotes.
        modified: when it was changed, in whole seconds since 1970.
    """
    match = headers.get("if-match")
    if match is not None:
        if match != "*" and etag not in _TAG.findall(match):  # the strong comparison: a weak one is never the same
            return FAILED
    else:
        unchanged_since = seconds_of(headers.get("if-unmodified-since"))
        if unchanged_since is not None and modified > unchanged_since:
            return FAILED
    none_match = headers.get("if-none-match")
    if none_match is not None:
        if none_match == "*" or etag in [tag.removeprefix("W/") for tag in _TAG.findall(none_match)]:
            return NOT_MODIFIED
        return PROCEED
    changed_since = seconds_of(headers.get("if-modified-since"))
    if changed_since is not None and modified <= changed_since:
        return NOT_MODIFIED
    return PROCEED


def allows_range(headers: Headers, etag: str, modified: int, now: float) -> bool:
    """Whether If-Range, if it is there, names the file as it is.

    RFC 9110 8.8.2.2: a date can stand for one version only if the file had not changed for a second when it was given.
    """
    validator = headers.get("if-range")
    if validator is None:
        return True
    if '"' in validator:
        return validator == etag
    return seconds_of(validator) == modified < int(now)


def seconds_of(date: str | None) -> int | None:
    """Read one of the three forms of an HTTP date; ``None`` for nothing, and for what is none: it is ignored."""
    if date is None:
        return None
    try:
        parts = parsedate_tz(date)
        return None if parts is None else int(datetime(*parts[:6], tzinfo=UTC).timestamp()) - (parts[9] or 0)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None  # 31 February, or digits without end
