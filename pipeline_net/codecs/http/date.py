"""DateClock: the Date of responses, written once a second.

On a loop, a timer throws the line away when its second is over, and the next response writes a new one and sets the
timer again; so a response asks no clock, and a loop without responses has no timer.  As timers are looked at once a
turn, a Date may be that of the moment when the turn began.  RFC 9110 6.6.1: "In theory, the date ought to represent the
moment just before generating the message content.  In practice, a sender can generate the date value at any time during
message origination."

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
    """Knows what time it is, in bytes, and looks anew when the second is over.

    Args:
        loop: whose timer says that it is over; without one, the clock is asked each time.
    """

    def __init__(self, loop: Loop | None = None) -> None:
        self._loop = loop
        self._line: bytes | None = None  # what is sent until the timer says that the second is over
        self._second = -1
        self._written = b""

    def line_and_end(self) -> bytes:
        r"""Return ``date: …\r\n`` and the empty line that ends a head, because Date goes last."""
        line = self._line
        return self._look() if line is None else line

    def _look(self) -> bytes:
        now: float = _now()
        second = int(now)
        if second != self._second:
            self._second = second
            self._written = f"date: {http_date(now)}\r\n\r\n".encode("ascii")
        if self._loop is not None:
            self._line = self._written
            # No method of ours: an interrupt may come when one begins, and then nobody would end the second any more.
            self._loop.schedule(1.0 - now % 1.0, setattr, self, "_line", None)
        return self._written


def clock_of(loop: Loop) -> DateClock:
    """Find the clock that the connections of ``loop`` share; loops share nothing."""
    clock = loop.shared.get("http.date")
    if clock is None:
        clock = loop.shared["http.date"] = DateClock(loop)
    assert isinstance(clock, DateClock)
    return clock
