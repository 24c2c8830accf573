"""One bit an event: a seat's mask says which of them its handler overrides."""

from __future__ import annotations

from typing import Final

from .handler import INBOUND, OUTBOUND

# In the order of handler.INBOUND and handler.OUTBOUND, then exception_caught.
REGISTERED: Final = 1 << 0
ACTIVE: Final = 1 << 1
READ: Final = 1 << 2
READ_COMPLETE: Final = 1 << 3
EOF: Final = 1 << 4
WRITABILITY: Final = 1 << 5
USER_EVENT: Final = 1 << 6
INACTIVE: Final = 1 << 7
UNREGISTERED: Final = 1 << 8
BIND: Final = 1 << 9
CONNECT: Final = 1 << 10
ASK: Final = 1 << 11
WRITE: Final = 1 << 12
FLUSH: Final = 1 << 13
SHUTDOWN: Final = 1 << 14
CLOSE: Final = 1 << 15
EXCEPTION: Final = 1 << 16

EVERY_INBOUND: Final = 0x1FF | 1 << 16
EVERY_OUTBOUND: Final = 0xFE00


def mask_of(events: frozenset[str]) -> int:
    """Turn the names of events into the bits that seats compare."""
    mask = 0
    for bit, name in enumerate((*INBOUND, *OUTBOUND, "exception_caught")):
        if name in events:
            mask |= 1 << bit
    return mask
