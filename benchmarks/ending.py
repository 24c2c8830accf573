"""A run that is stopped in the middle: its servers end with it, and it says that nothing was written."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Final

_INTERRUPTED: Final = 130  # what a shell calls the end by Ctrl-C


def stopped_gently(main: Callable[[list[str]], int], arguments: list[str]) -> int:
    """Run ``main``; Ctrl-C, SIGTERM and SIGHUP unwind it, so that every ``with`` of a server ends that server.

    Left alone, SIGTERM would end this process at once, and nobody else: ten servers would stay behind.
    """

    def unwind(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, unwind)
    try:
        return main(arguments)
    except KeyboardInterrupt:
        print("\nstopped in the middle: nothing was written", file=sys.stderr)
        return _INTERRUPTED
