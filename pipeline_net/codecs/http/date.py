"""DateClock: the Date of responses, written once a second.

RFC 9110 6.6.1: "An origin server with a clock … MUST generate a Date header field in all 2xx (Successful), 3xx
(Redirection), and 4xx (Client Error) responses"
"""

from __future__ import annotations

import time
from typing import Final

from ...loop import Loop

_now: Final = time.time
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(seconds: float) -> str:
    """Write a time as HTTP wants it: ``Sun, 06 Nov 1994 08:49:37 GMT``, whatever the language of this machine."""
    at = time.gmtime(seconds)
    return (
        f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year:04}"
        f" {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT"
    )


class DateClock:
    """Knows what time it is, in bytes, and looks anew when the second is over."""

    def __init__(self) -> None:
        self._until: float = 0.0
        self._since: float = 0.0
        self._line = b""

    def line_and_end(self) -> bytes:
        r"""Return ``date: …\r\n`` and the empty line that ends a head, because Date goes last."""
        now: float = _now()
        if not self._since <= now < self._until:  # also when the clock was set back
            self._since = float(int(now))
            self._until = self._since + 1.0
            self._line = f"date: {http_date(now)}\r\n\r\n".encode("ascii")
        return self._line


def clock_of(loop: Loop) -> DateClock:
    """Find the clock that the connections of ``loop`` share; loops share nothing."""
    clock = loop.shared.get("http.date")
    if clock is None:
        clock = loop.shared["http.date"] = DateClock()
    assert isinstance(clock, DateClock)
    return clock
