"""The timers of one loop: a heap of deadlines that holds 100 000 entries without noticing.

Nearly every network timer is cancelled before it fires (the answer came in time), so cancelling has to be as cheap as
scheduling.  Taking an entry out of the middle of a heap is not cheap; hence two structures:

* ``_heap`` orders ``(deadline, number)`` pairs and knows nothing else;
* ``_live`` maps the number to its handle.  A number that is not there any more is dead, and its pair is dropped when it
  reaches the top, or when more than half of all pairs are dead and the heap is rebuilt.

Numbers only grow, so equal deadlines keep the order in which they were scheduled.  Cancelling is one ``dict.pop``,
which is atomic and may be repeated: that is why it is allowed from any thread, while everything else belongs to the
thread that owns the queue.

A timer wheel was decided against: it needs a tick, rounds deadlines to it, and gains nothing at this size.

There is no clock in here: times are plain numbers on whatever clock the owner uses, which is how tests play time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import inf, nextafter
from typing import TYPE_CHECKING, Final

from .._mypyc import i64
from ..complaints import log_failure
from .forks import FORKS

if TYPE_CHECKING:
    from ..loop import Loop

logger = logging.getLogger("pipeline_net.loop")

_MAX_AT_ONCE: Final = 1024  # timers that are run before others have their turn: a peer may have set all to one moment
_COMPACT_FROM: Final = 64  # pairs; a heap smaller than this is not worth rebuilding

NEVER: Final = inf  # a deadline, if there is none
_UNKNOWN: Final = -1  # handles alive; it has to be found out
_NOT_QUEUED: Final = 0  # the number of a handle that was never put in; the first real one is 1


def _nothing(*args: object) -> None:
    """Stand in for the function of a cancelled timer."""


class TimerHandle:
    """One scheduled call, and the way to call it off.

    ``deadline`` and ``interval`` are seconds on the owner's clock; an ``interval`` of 0.0 means once.
    ``cancelled``, ``deadline``, ``interval``, ``fn`` and ``args`` are there to be read.
    """

    def __init__(
        self,
        live: dict[int, TimerHandle],
        number: int,
        deadline: float,
        fn: Callable[..., object],
        args: tuple[object, ...],
        interval: float,
    ) -> None:
        self.deadline: float = deadline
        self.interval: float = interval
        self.fn: Callable[..., object] = fn
        self.args: tuple[object, ...] = args
        self.cancelled: bool = False
        self._live: dict[int, TimerHandle] = live
        self._number: int = number

    def cancel(self) -> None:
        """Never call it, or never again, and let go of the function and its arguments now.

        From any thread, any number of times, also after the call has been made.
        """
        self.cancelled = True
        self._live.pop(self._number, None)
        self.fn = _nothing  # before the arguments: see run()
        self.args = ()

    def run(self) -> None:
        """Make the call; does nothing when another thread has cancelled it meanwhile."""
        args = self.args  # before the function: cancel() replaces them the other way round, and _nothing takes anything
        self.fn(*args)

    def __repr__(self) -> str:
        if self.cancelled:
            return f"<TimerHandle cancelled, was at {self.deadline:.3f}>"
        every = f" every {self.interval:.3f}" if self.interval else ""
        return f"<TimerHandle {self.fn!r} at {self.deadline:.3f}{every}>"


class TimerQueue:
    """Deadlines in order; ``len`` counts those that are neither cancelled nor taken."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._live: dict[int, TimerHandle] = {}
        self._last: int = 0
        self._earliest: float = NEVER  # what earliest() said, which is true as long as so many handles live …
        self._counted: i64 = _UNKNOWN  # … and none came or was taken
        self._taken: TimerHandle | None = None  # out of the heap, and not run yet

    def schedule(
        self, deadline: float, fn: Callable[..., object], args: tuple[object, ...], interval: float = 0.0
    ) -> TimerHandle:
        """Remember to call ``fn(*args)`` at ``deadline``.

        Raises:
            ValueError: for a deadline that is not a number, which would put the whole heap out of order.
        """
        _check(deadline)
        number = self._last + 1
        self._last = number
        handle = TimerHandle(self._live, number, deadline, fn, args, interval)
        self._live[number] = handle
        self._counted = _UNKNOWN
        heappush(self._heap, (deadline, number))
        self._compact()
        return handle

    def prepare(
        self, deadline: float, fn: Callable[..., object], args: tuple[object, ...], interval: float = 0.0
    ) -> TimerHandle:
        """Make a handle without putting it in: from any thread, which then asks the owner to :meth:`reschedule` it.

        Raises:
            ValueError: for a deadline that is not a number.
        """
        _check(deadline)
        return TimerHandle(self._live, _NOT_QUEUED, deadline, fn, args, interval)

    def reschedule(self, handle: TimerHandle, deadline: float) -> None:
        """Put a handle in with this deadline, whether it waits already, was taken or only prepared; not if cancelled.

        Raises:
            ValueError: for a deadline that is not a number.
        """
        _check(deadline)
        self._counted = _UNKNOWN
        self._live.pop(handle._number, None)
        number = self._last + 1
        self._last = number
        handle.deadline = deadline
        handle._number = number
        self._live[number] = handle
        if handle.cancelled:  # asked last: a cancel() that came before from another thread found the old number
            self._live.pop(number, None)
            return
        heappush(self._heap, (deadline, number))
        self._compact()

    def next_deadline(self) -> float | None:
        """Tell when the next call is due, or None when there is none."""
        self._compact()
        heap = self._heap
        while heap:
            deadline, number = heap[0]
            if number in self._live:
                return deadline
            heappop(heap)
        return None

    def earliest(self) -> float:
        """Tell what ``next_deadline`` does, or ``NEVER``; for who asks all the time.

        Another thread can only cancel, and then fewer are alive than were counted.
        """
        alive: i64 = len(self._live)
        if alive != self._counted:
            deadline = self.next_deadline()
            self._earliest = NEVER if deadline is None else deadline
            self._counted = alive
        return self._earliest

    def pop_due(self, now: float) -> TimerHandle | None:
        """Take the next entry whose deadline is not after ``now``, or return None.

        The caller runs it, and gives a repeating one back through :meth:`reschedule`.
        """
        handle = self._take(now)
        self._taken = None
        return handle

    def _take(self, now: float) -> TimerHandle | None:
        self._counted = _UNKNOWN
        heap = self._heap
        while heap:
            deadline, number = heap[0]
            if deadline > now:
                return None
            handle = self._live.get(number)
            if handle is None:
                heappop(heap)
                continue
            self._taken = handle  # before it is out: an interrupt may come in between
            heappop(heap)
            self._live.pop(number, None)
            return handle
        return None

    def run_due(self, now: float, owner: Loop) -> None:
        """Run those that are due at ``now``, a limited number of them; for one that raises, ``owner`` logs it.

        An interrupt loses none that it came before: whoever drives the loop may go on.
        """
        generation = FORKS.generation
        try:
            for _ in range(_MAX_AT_ONCE):
                handle = self._take(now)
                if handle is None or FORKS.generation != generation:
                    return  # the one before has forked, and this is the child: the others are the parent's
                self._run(handle, now, owner)
        except KeyboardInterrupt:
            taken = self._taken
            if taken is not None:
                self.reschedule(taken, taken.deadline)
            raise
        finally:
            self._taken = None

    def _run(self, handle: TimerHandle, now: float, owner: Loop) -> None:
        try:
            args = handle.args  # before the function: see TimerHandle.run()
            fn = handle.fn
            if handle.interval == 0.0:
                self._taken = None  # as good as run: nobody could tell how far it came
            fn(*args)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - nothing that fails may end a loop
            log_failure(owner, logger, exc, "a timer", "%s: the timer %r raised", owner.name, handle)
        finally:
            self._repeat(handle, now)  # also one that was interrupted
            self._taken = None

    def _repeat(self, handle: TimerHandle, now: float) -> None:
        """Put a handle in again that has been run, if it is one that repeats."""
        if handle.interval > 0 and not handle.cancelled:
            # On time as long as we keep up; after a delay, no burst to make up for what was missed.  Later than now
            # in any case: an interval too short for the clock would never let the turn end.
            following = handle.deadline + handle.interval
            self.reschedule(handle, following if following > now else nextafter(now, inf))

    def __len__(self) -> int:
        return len(self._live)

    def _compact(self) -> None:
        """Rebuild the heap once more than half of it is dead; spread over the cancellations, each pays O(1)."""
        size = len(self._heap)
        if size < _COMPACT_FROM or size <= 2 * len(self._live):
            return
        live = self._live
        self._heap = [pair for pair in self._heap if pair[1] in live]
        heapify(self._heap)


def _check(deadline: float) -> None:
    if deadline != deadline:
        raise ValueError("a deadline must be a number of seconds, not nan")
