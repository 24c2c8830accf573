"""The life of a channel, as a table.  A missing row is an error of ours, and says which.

::

    NEW ──register──▶ REGISTERED ──activate──▶ ACTIVE ──close──▶ CLOSING ──end──▶ CLOSED
     └───────close───────┴──────────▶ CLOSING           (end from anywhere: the peer or the network ended it)
"""

from __future__ import annotations

from typing import Final

NEW: Final = 0
REGISTERED: Final = 1
ACTIVE: Final = 2
CLOSING: Final = 3  # what was written is being sent; nothing more is taken
CLOSED: Final = 4
STATE_NAMES: Final = ("NEW", "REGISTERED", "ACTIVE", "CLOSING", "CLOSED")

REGISTER: Final = "register"
ACTIVATE: Final = "activate"
CLOSE: Final = "close"
END: Final = "end"

LIFE: Final[dict[tuple[int, str], int]] = {
    (NEW, REGISTER): REGISTERED,
    (REGISTERED, ACTIVATE): ACTIVE,
    (NEW, CLOSE): CLOSING,
    (REGISTERED, CLOSE): CLOSING,
    (ACTIVE, CLOSE): CLOSING,
    (NEW, END): CLOSED,
    (REGISTERED, END): CLOSED,
    (ACTIVE, END): CLOSED,
    (CLOSING, END): CLOSED,
}


def next_state(state: int, step: str) -> int:
    """Look up the table of a channel's life."""
    following = LIFE.get((state, step))
    if following is None:
        raise AssertionError(f"a channel that is {STATE_NAMES[state]} cannot {step}")
    return following
