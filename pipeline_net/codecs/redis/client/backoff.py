"""Backoff: how long to wait before the next attempt to connect.

The pause doubles with each failure, up to a limit.  A random half of it is left out: when a server dies, all its
clients lose it in the same moment, and must not all come back in the same moment, again and again::

    attempt    1         2          3          4                       limit
    pause      25-50 ms  50-100 ms  100-200 ms 200-400 ms      …       half of it to all of it
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

_MOST_DOUBLINGS: Final = 60  # 2**60 seconds are longer than any limit; a float could not take many more


class Backoff:
    """Pauses that grow from ``base`` to ``limit`` seconds; ``chance`` gives numbers from 0 to 1."""

    def __init__(self, base: float, limit: float, chance: Callable[[], float] = random.random) -> None:
        self._base = base
        self._limit = limit
        self._chance = chance
        self._failures = 0

    def next(self) -> float:
        """Count one more failure; how long to wait now, in seconds."""
        whole = min(self._base * 2.0**self._failures, self._limit)
        self._failures = min(self._failures + 1, _MOST_DOUBLINGS)
        return whole * (0.5 + self._chance() / 2)

    def reset(self) -> None:
        """Begin anew: a connection has held."""
        self._failures = 0
