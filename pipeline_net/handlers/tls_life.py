"""The life of a TLS stage, as a table.  A missing row is an error of ours, and says which.

::

    NEW ──start──▶ HANDSHAKING ──done──▶ OPEN ──close──▶ CLOSING ──end──▶ CLOSED
     │                  │                 │                 │                ▲
     │                  ├──────fail───────┴──────▶ FAILED ◀─┘                │
     └──────────────────┴─────────────────┴──────────────────end─────────────┘

``OPEN`` covers the half-closed: each direction has a flag of its own.  ``CLOSING`` has said its close_notify, and waits
for the peer's.
"""

from __future__ import annotations

from typing import Final

NEW: Final = 0  # the channel is not connected yet
HANDSHAKING: Final = 1
OPEN: Final = 2
CLOSING: Final = 3
CLOSED: Final = 4  # the rest is the channel's business
FAILED: Final = 5
STATE_NAMES: Final = ("NEW", "HANDSHAKING", "OPEN", "CLOSING", "CLOSED", "FAILED")

START: Final = "start"
DONE: Final = "done"
CLOSE: Final = "close"
END: Final = "end"
FAIL: Final = "fail"

LIFE: Final[dict[tuple[int, str], int]] = {
    (NEW, START): HANDSHAKING,
    (NEW, FAIL): FAILED,  # more was written than may wait
    (NEW, END): CLOSED,
    (HANDSHAKING, DONE): OPEN,
    (HANDSHAKING, FAIL): FAILED,
    (HANDSHAKING, END): CLOSED,
    (OPEN, CLOSE): CLOSING,
    (OPEN, FAIL): FAILED,
    (OPEN, END): CLOSED,
    (CLOSING, FAIL): FAILED,
    (CLOSING, END): CLOSED,
    (CLOSED, END): CLOSED,
    (FAILED, END): FAILED,
}


def next_state(state: int, step: str) -> int:
    """Look up the table of a TLS stage's life."""
    following = LIFE.get((state, step))
    if following is None:
        raise AssertionError(f"a TLS stage that is {STATE_NAMES[state]} cannot {step}")
    return following
