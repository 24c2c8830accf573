"""A poller that asks again and again for a while before it sleeps.

Whoever sleeps must be woken, and that takes longer than answering: the kernel fetches a core out of its rest, and on a
virtual machine asks the hypervisor to.  Where an answer counts in microseconds and a core may be spent on it, the loop
stays awake for as long as the next message usually takes to come.  It spends that time after each time it was busy; a
loop with nothing to do sleeps like any other.
"""

from __future__ import annotations

import time
from threading import current_thread
from typing import Final

from .poller import Poller

_monotonic: Final = time.monotonic
_LONGEST: Final = 1.0  # seconds; who would wait for longer does not mind being woken


class BusyPoller(Poller):
    """Another poller, and patience.

    Args:
        poller: what is asked; owned by this one from now on.
        busy_poll: seconds that it is asked, without sleeping, before it may sleep.

    Raises:
        ValueError: ``busy_poll`` is not more than 0, or more than one second.
    """

    def __init__(self, poller: Poller, busy_poll: float) -> None:
        if not 0 < busy_poll <= _LONGEST:
            raise ValueError(f"busy_poll= must be more than 0 seconds and at most {_LONGEST:g}, not {busy_poll!r}")
        self._poller = poller
        self._busy_poll: float = busy_poll
        self.forgets_closed = poller.forgets_closed

    def register(self, fd: int, interest: int) -> None:
        self._poller.register(fd, interest)

    def modify(self, fd: int, interest: int) -> None:
        self._poller.modify(fd, interest)

    def unregister(self, fd: int) -> None:
        self._poller.unregister(fd)

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        events = self._poller.poll(0.0)
        if events or (timeout is not None and timeout <= 0):
            return events
        began = _monotonic()
        patience = self._busy_poll if timeout is None or timeout > self._busy_poll else timeout
        while _monotonic() < began + patience:
            events = self._poller.poll(0.0)
            if events:
                return events
        current_thread()  # interpreted, so it hears of a Ctrl-C that came while we asked: compiled code does not
        return self._poller.poll(None if timeout is None else max(timeout - patience, 0.0))

    def fileno(self) -> int:
        return self._poller.fileno()

    def close(self) -> None:
        self._poller.close()
