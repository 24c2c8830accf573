r"""AccessRecord, common_format() and combined_format(): one line about one request, as log analysers read it.

::

    192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] "GET /notes HTTP/1.1" 200 128 "https://example.org/" "curl/8.0"
    └ client      └ when it came                └ as it was asked   └ status, bytes   └ Referer     └ User-Agent

What a client sends is written so that it stays inside its quotes and its line: quotes and backslashes behind a
backslash, everything that is not visible ASCII as ``\xhh``, as Apache does.  So a log has one line for each request,
and nobody can write another one into it.

Source: Apache, "Common Log Format" and "Combined Log Format"
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeAlias

from ..messages import Request

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# What stands in a line for each character of a client's text.
_ESCAPES: Final = {code: f"\\x{code:02x}" for code in range(256) if not 32 <= code < 127}
_ESCAPES.update({ord('"'): '\\"', ord("\\"): "\\\\"})


class AccessRecord:
    """What is known about a request when it is over.

    ``request`` is ``None`` for bytes that were none.  ``status`` is that of the response; 499 if the client left before
    one began.  ``bytes_sent`` are those of the body, as they were handed over.  ``duration`` are seconds from the head
    of the request to the end of the response; ``time`` is when it came, in seconds since 1970.  ``is_complete`` says
    whether the response was written to its end.
    """

    def __init__(self, request: Request | None, client: str, time: float, began: float = 0.0) -> None:
        self.request: Final = request
        self.client: Final = client
        self.time: Final = time
        self.began: Final = began  # by the clock of the loop
        self.status = 0
        self.bytes_sent = 0
        self.duration = -1.0  # it is not over
        self.is_complete = False

    def __repr__(self) -> str:
        asked = "bytes" if self.request is None else f"{self.request.method} {self.request.target}"
        return f"<AccessRecord {self.client} {asked} {self.status} {self.bytes_sent} bytes {self.duration:.3f} s>"


Format: TypeAlias = Callable[[AccessRecord], str]


def common_format(record: AccessRecord) -> str:
    """Write a line of the Common Log Format."""
    request = record.request
    asked = "-"
    if request is not None:
        asked = f"{escaped(request.method)} {escaped(request.target)} HTTP/{request.version}"
    when = _time_in_log(int(record.time))
    return f'{escaped(record.client)} - - [{when}] "{asked}" {record.status} {record.bytes_sent or "-"}'


def combined_format(record: AccessRecord) -> str:
    """Write a line of the Combined Log Format: the common one, Referer and User-Agent."""
    return f'{common_format(record)} "{_header(record, "referer")}" "{_header(record, "user-agent")}"'


def timed_format(record: AccessRecord) -> str:
    """Write a line of the Combined Log Format, and behind it the microseconds that it took."""
    return f"{combined_format(record)} {int(record.duration * 1_000_000)}"


def escaped(text: str) -> str:
    """Write a client's text so that it can stand between quotes."""
    return (
        text
        if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text
        else text.translate(_ESCAPES)
    )


def _header(record: AccessRecord, name: str) -> str:
    value = None if record.request is None else record.request.headers.get(name)
    return "-" if not value else escaped(value)


@lru_cache(maxsize=16)
def _time_in_log(seconds: int) -> str:
    """``06/Nov/1994:08:49:37 +0000``, whatever the language and the time zone of this machine."""
    at = time.gmtime(seconds)
    return (
        f"{at.tm_mday:02}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year:04}:{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} +0000"
    )
