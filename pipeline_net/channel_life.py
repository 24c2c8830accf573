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

REGISTER: Final = 0
ACTIVATE: Final = 1
CLOSE: Final = 2
END: Final = 3
STEP_NAMES: Final = ("register", "activate", "close", "end")

_NEVER: Final = -1

LIFE: Final[list[list[int]]] = [
    # in state NEW         REGISTERED  ACTIVE   CLOSING  CLOSED
    [REGISTERED, _NEVER, _NEVER, _NEVER, _NEVER],  # register
    [_NEVER, ACTIVE, _NEVER, _NEVER, _NEVER],  # activate
    [CLOSING, CLOSING, CLOSING, _NEVER, _NEVER],  # close
    [CLOSED, CLOSED, CLOSED, CLOSED, _NEVER],  # end
]


def next_state(state: int, step: int) -> int:
    """Look up the table of a channel's life."""
    following = LIFE[step][state]
    if following == _NEVER:
        raise AssertionError(f"a channel that is {STATE_NAMES[state]} cannot {STEP_NAMES[step]}")
    return following
