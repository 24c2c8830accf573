"""OutputLimit: how much may wait for a client that does not read what others have it sent.

Replies need none: a client that does not read its replies is not listened to either.  But messages of pub/sub, and what
MONITOR shows, come whether the client reads or not, so there must be an end to it.
"""

from __future__ import annotations

from typing import Final


class OutputLimit:
    """Bytes that may wait for one client: never more than ``hard``, and more than ``soft`` only for a while.

    What is above is closed at once, and what waited is dropped.  The defaults are those of the real server for
    subscribers.

    Raises:
        ValueError: a limit below 1, or a soft one above the hard one.
    """

    def __init__(self, hard: int = 32 * 1024 * 1024, soft: int = 8 * 1024 * 1024, soft_seconds: float = 60.0) -> None:
        if not 0 < soft <= hard:
            raise ValueError(f"the soft limit must be from 1 to the hard one of {hard}, but is {soft}")
        if not soft_seconds >= 0:
            raise ValueError(f"soft_seconds must not be negative, but is {soft_seconds!r}")
        self.hard: Final[int] = hard
        self.soft: Final[int] = soft
        self.soft_seconds: Final[float] = soft_seconds

    def __repr__(self) -> str:
        return f"OutputLimit({self.hard}, {self.soft}, {self.soft_seconds})"
