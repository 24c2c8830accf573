"""How many forks this process came through: a loop of the parent is of no use to the child."""

from __future__ import annotations

import os
from typing import Final

from .._mypyc import i64


class _Forks:
    """Counts them, so that a loop can tell whether it was made in this process."""

    def __init__(self) -> None:
        self.generation: i64 = 0
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forked)

    def forked(self) -> None:
        self.generation += 1


FORKS: Final = _Forks()
