"""Retries: when a request may be sent again, and when.

Source: RFC 9110, sections 9.2.2 (idempotent methods) and 10.2.3 (Retry-After); RFC 9112, section 9.3.1.
"""

from __future__ import annotations

import random
import time
from typing import Final

from ..headers import Headers
from .request import PreparedRequest

# RFC 9110 9.2.2: "PUT, DELETE, and safe request methods defined by this specification are idempotent."
IDEMPOTENT: Final = frozenset(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])

_MOST_DIGITS: Final = 9  # of a number of seconds; more are longer than any limit
_MOST_DOUBLINGS: Final = 30


def can_repeat(request: PreparedRequest) -> bool:
    """Whether sending it twice does what sending it once does, and its body is still there to be sent."""
    return request.method in IDEMPOTENT and has_body_again(request)


def has_body_again(request: PreparedRequest) -> bool:
    """Whether its body, if it has one, can be sent once more."""
    return request.body is None or request.body.can_repeat


def pause_before(retry: int, first: float) -> float:
    """How many seconds to wait before retry number ``retry``, counted from 0."""
    return first * 2.0 ** min(retry, _MOST_DOUBLINGS) * (0.5 + random.random() / 2)


def asked_pause(status: int, headers: Headers, limit: float | None) -> float | None:
    """Say how many seconds a response asks us to stay away; ``None`` if it does not, or for longer than ``limit``."""
    if limit is None or status not in (429, 503):
        return None
    value = headers.get("retry-after")
    if value is None:
        return None
    seconds: float
    if value.isascii() and value.isdigit():
        seconds = float(value) if len(value) <= _MOST_DIGITS else float("inf")
    else:
        from email.utils import parsedate_to_datetime  # few servers send a date here

        try:
            seconds = max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
        except (ValueError, OverflowError):  # it is no date either
            return None
    return seconds if seconds <= limit else None
