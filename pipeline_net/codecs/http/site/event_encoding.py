r"""encode_event() and encode_comment(): server-sent events as they travel.

::

    encode_event("one\ntwo", event="news", id="7")     event: news
                                                       id: 7
                                                       data: one
                                                       data: two
                                                       (an empty line, which ends the event)

Source: WHATWG HTML, section 9.2.5, "Parsing an event stream"
"""

from __future__ import annotations

import re
from typing import Final

from ....errors import EncodeError

_LINE_ENDS: Final = re.compile("\r\n|\r|\n")  # and no others: str.splitlines() knows seven more
_MAX_RETRY: Final = 2**53  # milliseconds; what JavaScript can count


def encode_event(data: str, *, event: str | None = None, id: str | None = None, retry: int | None = None) -> bytes:
    """Encode one event.

    Args:
        data: text of any number of lines, whose ends arrive as LF, whatever they were.
        event: its name; clients that are told none call it ``message``.
        id: what a client sends as Last-Event-ID when it comes back; empty to forget the last one.
        retry: milliseconds after which a client comes back when the connection is lost.

    Raises:
        EncodeError: a name or an id has a CR, LF or NUL, which would end the line, or be ignored together with it; the
            time is not from 0 to 2**53.
    """
    lines: list[str] = []
    if event is not None:
        lines.append(f"event: {_one_line('the name of an event', event)}\n")
    if id is not None:
        lines.append(f"id: {_one_line('the id of an event', id)}\n")
    if retry is not None:
        lines.append(retry_line(retry))
    lines.extend(f"data: {line}\n" for line in _LINE_ENDS.split(data))
    lines.append("\n")
    return "".join(lines).encode("utf-8", "replace")


def retry_line(retry: int) -> str:
    """Encode how many milliseconds a client waits before it comes back."""
    if isinstance(retry, bool) or not isinstance(retry, int) or not 0 <= retry <= _MAX_RETRY:
        raise EncodeError(f"the time to come back after is a whole number of milliseconds, not {retry!r}")
    return f"retry: {retry}\n"


def encode_comment(text: str = "") -> bytes:
    """Encode a comment, which clients ignore; it keeps connections alive, and tells whether they are."""
    return "".join(f": {line}\n" for line in _LINE_ENDS.split(text)).encode("utf-8", "replace") + b"\n"


def _one_line(what: str, text: str) -> str:
    if "\n" in text or "\r" in text or "\0" in text:
        raise EncodeError(f"{what} has no line ends and no NUL, and so cannot be {text!r}")
    return text
