"""VirtualClock: time that stands still until a test lets it pass."""

from __future__ import annotations

from typing import Final

_DIGITS: Final = 9  # nanoseconds: three times 0.1 s are 0.3 s, and not the 0.30000000000000004 s of binary fractions


class VirtualClock:
    """Seconds that only ever grow, and only when told to.

    ``clock.time`` can be given to whatever takes a function that returns the time.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = round(float(start), _DIGITS)

    def time(self) -> float:
        """Tell the time, in seconds."""
        return self._now

    def after(self, seconds: float) -> float:
        """Tell which time it will be ``seconds`` from now."""
        return round(self._now + seconds, _DIGITS)

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass.

        Raises:
            ValueError: for less than 0 seconds.
        """
        if not seconds >= 0:
            raise ValueError(f"time passes by 0 or more seconds, not by {seconds!r}")
        self._now = self.after(seconds)

    def __repr__(self) -> str:
        return f"<VirtualClock at {self._now:g} s>"
