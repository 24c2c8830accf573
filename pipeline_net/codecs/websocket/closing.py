"""The closing handshake, as a table.

::

             close()                      peer's Close
    OPEN ───────────────▶ CLOSING ───────────────────────▶ ENDING ──▶ ENDED
     │  Close goes out       │                               ▲  ▲       ▲
     │                       └── close_timeout ──────────────│──│───────┤
     └── peer's Close: ours goes out ────────────────────────┘  │       │
     └── broken rules, silence: Close goes out, TCP closes ─────│───────┤
     └── end of input: 1006 ────────────────────────────────────┴───────┘

In ENDING both have said Close.  RFC 6455 7.1.1 lets the server close the TCP connection first, so that it, and not the
client, waits in TIME_WAIT: a server does it at once, a client waits for it for ``close_timeout`` seconds.

Source: RFC 6455, sections 5.5.1, 7.1 and 7.2
"""

from __future__ import annotations

from typing import Final

# States.
OPEN: Final = 0
CLOSING: Final = 1  # our Close has gone, the peer's has not come
ENDING: Final = 2  # both have; TCP is to be closed by the server
ENDED: Final = 3  # the WebSocket is over, and TCP closes
STATE_NAMES: Final = ("OPEN", "CLOSING", "ENDING", "ENDED")

# Events.
WE_CLOSE: Final = 0
PEER_CLOSES: Final = 1
FAILED: Final = 2  # the peer broke the rules, or was silent for too long
INPUT_ENDS: Final = 3  # also: TCP is closed
TIME_IS_UP: Final = 4
EVENT_NAMES: Final = ("WE_CLOSE", "PEER_CLOSES", "FAILED", "INPUT_ENDS", "TIME_IS_UP")

# Actions.
NOTHING: Final = 0
SEND_CLOSE: Final = 1  # and wait for the peer's
ANSWER: Final = 2  # send ours, tell the application, let the server close TCP
FINISH: Final = 3  # tell the application, let the server close TCP
FAIL: Final = 4  # send Close if none has gone, tell the application, close TCP
LOSE: Final = 5  # tell the application 1006, close TCP
CLOSE_TCP: Final = 6

_NEVER: Final = (-1, -1)

TABLE: Final[list[list[tuple[int, int]]]] = [
    # in state     OPEN                   CLOSING               ENDING                ENDED
    # WE_CLOSE
    [(SEND_CLOSE, CLOSING), (NOTHING, CLOSING), (NOTHING, ENDING), (CLOSE_TCP, ENDED)],
    # PEER_CLOSES; a second one is not decoded
    [(ANSWER, ENDING), (FINISH, ENDING), _NEVER, (NOTHING, ENDED)],
    # FAILED; nothing is decoded in ENDING
    [(FAIL, ENDED), (FAIL, ENDED), _NEVER, (NOTHING, ENDED)],
    # INPUT_ENDS
    [(LOSE, ENDED), (LOSE, ENDED), (CLOSE_TCP, ENDED), (NOTHING, ENDED)],
    # TIME_IS_UP; the timer runs in CLOSING and ENDING
    [_NEVER, (LOSE, ENDED), (CLOSE_TCP, ENDED), (NOTHING, ENDED)],
]


def step(state: int, event: int) -> tuple[int, int]:
    """Look up what to do, and the state that follows."""
    action, following = TABLE[event][state]
    if action < 0:
        raise AssertionError(f"{EVENT_NAMES[event]} cannot happen to a WebSocket that is {STATE_NAMES[state]}")
    return action, following
