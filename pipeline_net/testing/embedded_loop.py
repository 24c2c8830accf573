"""EmbeddedLoop: a loop that turns only when a test turns it, and whose time is virtual.

It does what ``transport.EventLoop`` does, in the same order (timers, tasks, flushes), with three differences:

* it belongs to the thread that made it, and runs when that thread calls ``run_pending()`` or ``advance()``;
* ``run_blocking`` runs on that thread too, as a task, so that its outcome is there after ``run_pending()``.  What runs
  there cannot wait for the loop, as it may on a pool's thread;
* what a task or a timer raises is logged, and also kept in ``exceptions``, for the test to see.

Other threads may ``execute`` and ``schedule``, as everywhere.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from itertools import count
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

from ..errors import PipelineError
from ..future import ChannelFuture
from ..loop import Listener, Loop
from ..transport.timers import TimerHandle, TimerQueue
from .clock import VirtualClock

if TYPE_CHECKING:
    from ..channel import Channel

logger = logging.getLogger("pipeline_net.testing")

_MOST_STEPS: Final = 1_000_000  # tasks and timers in one run_pending(); more is one that adds itself again for ever

_numbers: Final = count(1)


class EmbeddedLoop(Loop):
    """Runs what is pending when it is told to, on the thread that made it.

    ``exceptions`` is what tasks and timers have raised, and what reached the tail of an ``EmbeddedChannel``'s pipeline.
    """

    def __init__(self, clock: VirtualClock | None = None) -> None:
        super().__init__(f"embedded-{next(_numbers)}")
        self.clock = VirtualClock() if clock is None else clock
        self.exceptions: list[BaseException] = []
        self.is_running = False
        self._owner = get_ident()
        self._tasks: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._timers = TimerQueue()
        self._unflushed: list[Channel] = []
        self._steps = 0

    def __repr__(self) -> str:
        return f"<EmbeddedLoop {self.name} at {self.time():g} s, {len(self._tasks)} tasks, {len(self._timers)} timers>"

    # -- what any thread may ask --------------------------------------------------------------------

    @property
    def in_loop(self) -> bool:
        """Whether the caller is the thread that made the loop."""
        return get_ident() == self._owner

    def time(self) -> float:
        """Seconds of the virtual clock."""
        return self.clock.time()

    def execute(self, fn: Callable[..., object], *args: Any) -> None:
        """Run ``fn(*args)`` in the next ``run_pending()``, after what was asked for earlier."""
        self._tasks.append((fn, args))

    def schedule(self, delay: float, fn: Callable[..., object], *args: Any) -> TimerHandle:
        """Run ``fn(*args)`` once, when the clock has been advanced by ``delay`` seconds."""
        return self._set_timer(delay, fn, args, 0.0)

    def schedule_every(self, interval: float, fn: Callable[..., object], *args: Any) -> TimerHandle:
        """Run ``fn(*args)`` every ``interval`` seconds of the clock until it is cancelled; first after one interval."""
        if not interval > 0:
            raise ValueError(f"an interval must be more than 0 seconds, not {interval!r}")
        return self._set_timer(interval, fn, args, interval)

    def _set_timer(
        self, delay: float, fn: Callable[..., object], args: tuple[Any, ...], interval: float
    ) -> TimerHandle:
        deadline = self.clock.after(delay)
        if self.in_loop:
            return self._timers.schedule(deadline, fn, args, interval)
        handle = self._timers.prepare(deadline, fn, args, interval)
        self.execute(self._timers.reschedule, handle, deadline)
        return handle

    def run_blocking(self, fn: Callable[..., Any], *args: Any) -> ChannelFuture[Any]:
        """Run ``fn(*args)`` as a task of this loop; see the module."""
        promise: ChannelFuture[Any] = ChannelFuture(self)
        self.execute(_run_and_report, promise, fn, args)
        return promise

    def adopt_listener(self, listener: Listener) -> None:
        """Nothing: this loop has no end that one could be told of."""

    def forget_listener(self, listener: Listener) -> None:
        """Nothing, either."""

    # -- turning it: on the thread that made it -----------------------------------------------------

    def next_deadline(self) -> float | None:
        """Tell when, on the virtual clock, the next timer is due, or ``None`` when there is none."""
        return self._timers.next_deadline()

    def run_pending(self) -> None:
        """Run the timers that are due, all tasks, and the tasks that these add; then let channels send.

        Called from inside one of those, it returns at once: the outer call goes on until nothing is left.

        Raises:
            PipelineError: called from another thread; or there is no end to it.
        """
        self.must_be_in_loop()
        if self.is_running:
            return
        self.is_running = True
        self._steps = 0
        try:
            while self._turn():
                if self._steps > _MOST_STEPS:
                    raise PipelineError(f"{self!r}: {_MOST_STEPS} tasks and timers were run, and there are still more")
        finally:
            self.is_running = False

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass on the clock, stopping at each timer on the way to run it, and what it leads to.

        Raises:
            ValueError: for less than 0 seconds.
            PipelineError: called from a task or a timer, which cannot let time pass; and like ``run_pending``.
        """
        if self.is_running:
            raise PipelineError(f"{self!r}: time cannot be advanced from inside a task or a timer")
        target = self.clock.after(seconds)
        self.run_pending()
        deadline = self.next_deadline()
        while deadline is not None and deadline <= target:
            self.clock.advance(max(deadline - self.clock.time(), 0.0))
            self.run_pending()
            deadline = self.next_deadline()
        self.clock.advance(target - self.clock.time() if seconds >= 0 else seconds)
        self.run_pending()

    def flush_later(self, channel: Channel) -> None:
        """Let ``channel`` send once the tasks that are pending have run."""
        self.must_be_in_loop()
        self._unflushed.append(channel)

    def must_be_in_loop(self) -> None:
        """Refuse a foreign thread.

        Raises:
            PipelineError: the caller is not the thread that made the loop.
        """
        if not self.in_loop:
            raise PipelineError(f"{self!r} belongs to the thread that made it; others may execute() and schedule()")

    def _turn(self) -> bool:
        """Do one turn, in the order of ``EventLoop``; whether there was anything to do."""
        busy = False
        handle = self._timers.pop_due(self.clock.time())
        while handle is not None:
            busy = True
            try:
                self._run(handle.run, ())
            finally:  # one that was interrupted comes again, too
                if handle.interval > 0 and not handle.cancelled:
                    self._timers.reschedule(handle, self.clock.after(handle.interval))
            handle = self._timers.pop_due(self.clock.time())
        for _ in range(len(self._tasks)):  # what they add waits for the next turn
            busy = True
            fn, args = self._tasks.popleft()
            self._run(fn, args)
        unflushed = self._unflushed
        self._unflushed = []
        for channel in unflushed:
            busy = True
            if channel.flush_is_due:
                channel.send_pending()
        return busy

    def _run(self, fn: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._steps += 1
        try:
            fn(*args)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:
            logger.exception("%s: %r raised", self.name, fn)
            self.exceptions.append(exc)


def _run_and_report(promise: ChannelFuture[Any], fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if not promise.take_on():
        return
    try:
        result = fn(*args)
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # noqa: BLE001 - it is delivered to whoever asked
        promise.set_exception(exc)
    else:
        promise.set_result(result)
