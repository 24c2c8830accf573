"""AsyncioHost: an event loop of ours on the thread of an asyncio loop, which drives it.

The selector of a loop has a descriptor of its own (epoll, kqueue), which is readable when the loop has something to do.
So asyncio, or uvloop, watches that one descriptor for all of our channels::

    asyncio   ─ our selector is readable, or a deadline has come ─▶  run_once(0)
              ◀─ our next deadline ──────────────────────────────

Handlers then run on asyncio's own thread: a coroutine writes to a channel, and a handler completes a future of asyncio,
without a lock, and without a byte through a wake-up pipe.  Work that arises between two turns, such as what a coroutine
has written, is done in a turn that asyncio runs next (``call_soon``); only other threads need the descriptor.

The alternative, an asyncio loop in a thread beside ours, would hand every request over and back: two wake-ups, each a
system call and a change of threads, where here there is none.
"""

from __future__ import annotations

import asyncio
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Final

from ..future import ChannelFuture
from .event_loop import EventLoop
from .wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable

_SENDING: Final = 5.0  # seconds that channels have to send what was written, when the host is left


class _HostWakeup(Wakeup):
    """Wakes asyncio: from its own thread without a system call."""

    def __init__(self, host: asyncio.AbstractEventLoop, turn: Callable[[], object]) -> None:
        super().__init__()
        self._host = host
        self._turn = turn
        self._thread = get_ident()
        self.turn_is_due = False

    def wake(self) -> None:
        if get_ident() != self._thread or self._host.is_closed():
            super().wake()
        elif not self.turn_is_due:
            self.turn_is_due = True
            self._host.call_soon(self._turn)


class AsyncioHost:
    """Lets the running asyncio loop drive an ``EventLoop`` of ours: ``host.loop``.

    ::

        async with AsyncioHost() as host:
            server = ServerBootstrap(host.loop, initializer=…).bind("tcp://127.0.0.1:9000")
            …

    Leaving it closes what is open there, and sends what was written.

    Args:
        name: what the loop is called.

    Raises:
        RuntimeError: no asyncio loop is running.
        io.UnsupportedOperation: this machine's selector has no descriptor (Windows).
    """

    def __init__(self, name: str = "hosted") -> None:
        self._host = asyncio.get_running_loop()
        self._wakeup = _HostWakeup(self._host, self._turn)
        # No subclass: it would be interpreted, and each method that the loop calls on itself be looked up by name.
        self.loop: Final = EventLoop(name, wakeup=self._wakeup)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._is_closed = False
        try:
            self._host.add_reader(self.loop.fileno(), self._turn)
        except BaseException:
            self.loop.stop()
            raise
        self._turn()  # from now on the loop knows its thread

    def __repr__(self) -> str:
        return f"<AsyncioHost of {self.loop!r}>"

    def _turn(self) -> None:
        if self._is_closed:
            return
        self._wakeup.turn_is_due = False
        loop = self.loop
        loop.run_once(0)
        deadline = loop.next_deadline()
        if deadline is None or self._wakeup.turn_is_due:
            return
        if self._timer is not None:
            if self._timer_at <= deadline:
                return  # it fires early, and is then set anew
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._host.call_later(max(deadline - loop.time(), 0.0), self._deadline_has_come)

    def _deadline_has_come(self) -> None:
        self._timer = None
        self._turn()

    def close(self) -> None:
        """Close every channel at once, and let asyncio go; again is allowed."""
        if self._is_closed:
            return
        self._is_closed = True
        if not self._host.is_closed():
            self._host.remove_reader(self.loop.fileno())
        if self._timer is not None:
            self._timer.cancel()
        self.loop.stop()

    async def __aenter__(self) -> AsyncioHost:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.loop.close_listeners()
            self.loop.close_channels()
            await self.wait_until_empty(_SENDING)
        finally:
            self.close()

    async def wait_until_empty(self, seconds: float) -> bool:
        """Wait until no channel is open here, at most ``seconds``; says whether that is so."""
        empty: ChannelFuture[None] = ChannelFuture(self.loop)
        self.loop.when_empty(empty)
        try:
            async with asyncio.timeout(seconds):
                await empty
        except TimeoutError:
            return False
        return True
