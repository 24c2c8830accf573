"""The life of a client's connection, as a table.

::

             OPEN             CONNECTED           GREETED
    IDLE ────────▶ CONNECTING ────────▶ GREETING ────────▶ READY
      ▲                │   ▲                │                │
      │ REFUSED        │   │ RETRY          │                │
      └────────────────┼───┼────────────────┤                │
                  LOST ▼   │           LOST ▼           LOST │
                       PAUSED ◀─────────────◀────────────────┘        CLOSE, END: from everywhere to CLOSED

``REFUSED`` is a server that does not want us (a wrong password): trying again by ourselves would not help.  ``END`` is
a connection that was lost and must not be made again; ``CLOSE`` is our own wish.  What is not in the table is a mistake
of ours.
"""

from __future__ import annotations

from typing import Final

from ....errors import PipelineError

IDLE: Final = 0  # nobody has needed it yet
CONNECTING: Final = 1
GREETING: Final = 2  # connected; HELLO, AUTH and the like are under way
READY: Final = 3
PAUSED: Final = 4  # lost; a timer will try again
CLOSED: Final = 5

STATE_NAMES: Final = ("IDLE", "CONNECTING", "GREETING", "READY", "PAUSED", "CLOSED")

OPEN: Final = 0
CONNECTED: Final = 1
GREETED: Final = 2
LOST: Final = 3
RETRY: Final = 4
REFUSED: Final = 5
END: Final = 6
CLOSE: Final = 7

INPUT_NAMES: Final = ("OPEN", "CONNECTED", "GREETED", "LOST", "RETRY", "REFUSED", "END", "CLOSE")

TRANSITIONS: Final[dict[tuple[int, int], int]] = {
    (IDLE, OPEN): CONNECTING,
    (IDLE, END): CLOSED,
    (IDLE, CLOSE): CLOSED,
    (CONNECTING, CONNECTED): GREETING,
    (CONNECTING, LOST): PAUSED,
    (CONNECTING, END): CLOSED,
    (CONNECTING, CLOSE): CLOSED,
    (GREETING, GREETED): READY,
    (GREETING, LOST): PAUSED,
    (GREETING, REFUSED): IDLE,
    (GREETING, END): CLOSED,
    (GREETING, CLOSE): CLOSED,
    (READY, LOST): PAUSED,
    (READY, END): CLOSED,
    (READY, CLOSE): CLOSED,
    (PAUSED, RETRY): CONNECTING,
    (PAUSED, END): CLOSED,
    (PAUSED, CLOSE): CLOSED,
}


def next_state(state: int, event: int) -> int:
    """Look up where ``event`` leads.

    Raises:
        PipelineError: nowhere: a mistake of the caller.
    """
    following = TRANSITIONS.get((state, event))
    if following is None:
        raise PipelineError(f"a connection that is {STATE_NAMES[state]} cannot {INPUT_NAMES[event]}")
    return following
