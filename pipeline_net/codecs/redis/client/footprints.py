"""Footprints: what a command leaves behind on its connection, for whoever uses that next.

Nearly all leave nothing.  WATCH and MULTI leave what DISCARD and UNWATCH undo.  What others leave is not undone one by
one: what a connection was before, its name for one, only the server knows, and RESET would undo the greeting, too.

Source: https://redis.io/docs/latest/commands/reset/ lists what a connection has.
"""

from __future__ import annotations

from typing import Final

from ..messages import Request

NOTHING: Final = 0
UNDONE: Final = 1  # by DISCARD and UNWATCH
LASTING: Final = 2

_OF_NAMES: Final = {b"WATCH": UNDONE, b"MULTI": UNDONE, b"READONLY": LASTING, b"READWRITE": LASTING, b"ASKING": LASTING}
# What CLIENT may be followed by without a trace.  All else is new to us, or lasts: SETNAME, TRACKING, NO-EVICT …
_TRACELESS: Final = frozenset(
    [
        *(b"GETNAME", b"GETREDIR", b"HELP", b"ID", b"INFO"),
        *(b"KILL", b"LIST", b"PAUSE", b"TRACKINGINFO", b"UNBLOCK", b"UNPAUSE"),
    ]
)


def footprint(command: Request) -> int:
    """Say what ``command`` leaves behind: ``NOTHING``, what is ``UNDONE``, or something ``LASTING``."""
    name = _word(command[0])
    if name == b"CLIENT" and len(command) > 1:
        return NOTHING if _word(command[1]) in _TRACELESS else LASTING
    if name == b"SCRIPT" and len(command) > 1:
        return LASTING if _word(command[1]) == b"DEBUG" else NOTHING
    return _OF_NAMES.get(name, NOTHING)


def _word(value: bytes | str | int | float) -> bytes:
    return value.upper() if isinstance(value, bytes) else str(value).upper().encode("utf-8", "replace")
