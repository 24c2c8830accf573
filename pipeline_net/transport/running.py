"""On whose thread a loop runs, and what Ctrl-C does there."""

from __future__ import annotations

import os
import signal
import threading
from threading import get_ident
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Final

from .wakeup import Wakeup

if TYPE_CHECKING:
    from .residents import Residents

# Loops that a thread runs now, their own or whose it is lent, and those in a turn that somebody drives.  A list, for a
# driven loop comes and goes with each turn; those who want to know whether they are on a loop are about to wait.
RUNNING: Final[list[Residents]] = []


def _forked() -> None:
    """A child has none of the parent's loops, and gives its threads the same numbers.

    If a handler has forked, its child returns into the middle of what the loop was doing for some channel.
    """
    here = [loop for loop in RUNNING if loop.thread_id == get_ident()]
    RUNNING.clear()
    for loop in here:
        loop.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def on_a_loop() -> bool:
    """Whether the caller is on the thread of some loop, where waiting for another loop could be for ever."""
    thread = get_ident()
    return any(loop.thread_id == thread for loop in RUNNING.copy())


class LentThread:
    """The thread of somebody who calls ``run()``; to others it ends when it is given back."""

    def __init__(self) -> None:
        self.ident: Final = get_ident()
        self._returned = threading.Event()

    def give_back(self) -> None:
        self._returned.set()

    def join(self, timeout: float) -> None:
        self._returned.wait(timeout)

    def is_alive(self) -> bool:
        return not self._returned.is_set()


class Interrupts:
    """While it is entered on the main thread, the first Ctrl-C is only noted, and wakes the loop.

    Python would raise it in the middle of whatever a handler does, which would never be finished.  The second one does.
    Where somebody else takes care of the signal, it is left to them.
    """

    def __init__(self, wakeup: Wakeup) -> None:
        self.came = False
        self.are_on_main = threading.current_thread() is threading.main_thread()
        self._wakeup = wakeup
        self._handler = self._note  # one object, to be known again

    def have_come(self) -> bool:
        """Whether there was one; to be asked in each turn.

        Python runs the handlers of signals when it begins an interpreted function, such as this one, which is why this
        module is not compiled.  A busy loop whose stages are all compiled would never hear of them otherwise.
        """
        return self.came

    def __enter__(self) -> Interrupts:
        if self.are_on_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handler)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        self._restore()
        self._wakeup.wake()

    def _restore(self) -> None:
        if self.are_on_main and signal.getsignal(signal.SIGINT) is self._handler:
            signal.signal(signal.SIGINT, signal.default_int_handler)
