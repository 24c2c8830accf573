"""Threads for work that blocks, so that a loop never has to.

The threads and their end are :class:`concurrent.futures.ThreadPoolExecutor`'s.  What it lacks is a bound: its queue
grows until memory ends, which is how a slow database takes a whole server down.  Here the job that finds no room is
refused at once, and the caller decides what that means.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.thread import ThreadPoolExecutor  # not when it is needed: there may be no descriptor to read it
from types import TracebackType
from typing import Final, TypeVar, TypeVarTuple

from ..errors import BlockingOperationError, InterpreterExitError, PipelineError, PoolFullError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

DEFAULT_QUEUE_LIMIT: Final = 1024  # jobs; a second of waiting when each takes a millisecond of one thread
_MOST_BY_DEFAULT: Final = 32  # threads; blocked ones are cheap, but not free (the standard library's number)


class WorkerPool:
    """A bounded pool of threads, started by the first job.

    Args:
        threads: at most so many run at once; None takes the number of cores plus 4, at most 32.
        queue_limit: jobs that may wait while all threads are busy.
        name: the threads are called ``name-1``, ``name-2``, …

    Raises:
        ValueError: for less than one thread, or room for less than one job.
    """

    def __init__(
        self, threads: int | None = None, queue_limit: int = DEFAULT_QUEUE_LIMIT, *, name: str = "worker"
    ) -> None:
        if threads is None:
            threads = min(_MOST_BY_DEFAULT, (os.cpu_count() or 1) + 4)
        if threads < 1:
            raise ValueError(f"a pool needs at least 1 thread, not {threads}")
        if queue_limit < 1:
            raise ValueError(f"queue_limit must be at least 1 job, not {queue_limit}")
        self.threads: Final = threads
        self.queue_limit: Final = queue_limit
        self.name: Final = name
        # One entry for each job that may still be taken on.  Taking one out and putting one back are indivisible, so
        # that whoever submits and the workers need no lock between them.
        self._places = deque([None] * (threads + queue_limit))
        self._lock = threading.Lock()  # starting and releasing exclude each other
        self._executor: ThreadPoolExecutor | None = None
        self._released = False
        self._workers: set[int] = set()

    def submit(self, fn: Callable[[*Ts], T], *args: *Ts) -> Future[T]:
        """Run ``fn(*args)`` on a thread of the pool; from any thread, and never blocking.

        Raises:
            PoolFullError: all threads are busy and ``queue_limit`` jobs wait already.
            PipelineError: the pool was released; or, as ``InterpreterExitError``, the interpreter exits.
        """
        return self._submit(False, fn, args)

    def submit_anyway(self, fn: Callable[[*Ts], T], *args: *Ts) -> Future[T]:
        """Like ``submit``, and never refused for want of room: for jobs that must not be lost, and of which something
        else than ``queue_limit`` is the bound, as there is one for each connection.

        Raises:
            PipelineError: the pool was released; or, as ``InterpreterExitError``, the interpreter exits.
        """
        return self._submit(True, fn, args)

    def _submit(self, anyway: bool, fn: Callable[[*Ts], T], args: tuple[*Ts]) -> Future[T]:
        executor = self._executor or self._start()
        has_place = True
        try:
            self._places.pop()
        except IndexError:
            has_place = False
        if not has_place and not anyway:
            if self._released:
                raise self._was_released()
            raise PoolFullError(
                f"the pool {self.name!r} has no room: its {self.threads} threads are busy"
                f" and {self.queue_limit} jobs wait, which is queue_limit"
            )
        future: Future[T] = Future()
        try:
            executor.submit(self._run, future, has_place, fn, args)
        except RuntimeError as exc:
            if self._released:  # by another thread, just now
                self._give_back(has_place)
                raise self._was_released() from exc
            # No thread could be started, or the interpreter is on its way out.  The executor may have queued the job
            # all the same: let it not run, and give its place back when a thread comes to it.
            is_exiting = _says_exit(exc)
            if anyway and not is_exiting and self._workers:
                return future  # it has, and one of the threads that there are will come to it
            future.cancel()
            if is_exiting:
                self._give_back(has_place)  # no thread will
                raise InterpreterExitError(f"the pool {self.name!r} takes no more jobs: the interpreter exits") from exc
            raise
        return future

    def release(self) -> None:
        """Finish every job that was submitted, and end the threads; the second time, and later, there is nothing to do.

        Raises:
            BlockingOperationError: called by one of the pool's own jobs, which would wait for itself.
        """
        if threading.get_ident() in self._workers:
            raise BlockingOperationError(f"a job of the pool {self.name!r} cannot release it: it would wait for itself")
        with self._lock:
            self._released = True
            executor = self._executor
        if executor is not None:
            executor.shutdown(wait=True)
            self._workers.clear()  # the numbers of ended threads are given to new ones

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def __repr__(self) -> str:
        state = "released" if self._released else f"room for {len(self._places)} more jobs"
        return f"<WorkerPool {self.name!r}: {self.threads} threads, {state}>"

    def _start(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._released:
                raise self._was_released()
            if self._executor is None:
                self._executor = ThreadPoolExecutor(
                    self.threads, initializer=_begin_worker, initargs=(self.name, itertools.count(1), self._workers)
                )
            return self._executor

    def _was_released(self) -> PipelineError:
        return PipelineError(f"the pool {self.name!r} was released and takes no more jobs")

    def _give_back(self, place: bool) -> None:
        if place:
            self._places.append(None)

    def _run(self, future: Future[T], has_place: bool, fn: Callable[[*Ts], T], args: tuple[*Ts]) -> None:
        # A cancelled job keeps its place until a thread comes to it; were it given away at once, submitting and
        # cancelling would let the executor's queue grow without bound.
        if not future.set_running_or_notify_cancel():
            self._give_back(has_place)
            return
        try:
            result = fn(*args)
        except BaseException as exc:  # noqa: BLE001 - SystemExit too is the job's outcome, and no reason to lose a thread
            self._give_back(has_place)
            future.set_exception(exc)
            del future  # or the exception's traceback would hold this frame, and this frame the exception
        else:
            self._give_back(has_place)  # before the result: whoever waits for it may submit the next job
            future.set_result(result)


def _says_exit(exc: RuntimeError) -> bool:
    """Whether a job was refused because the interpreter exits, and not for want of threads.

    The standard library has no error of its own for it, but several words, each with this one among them: "cannot
    schedule new futures after shutdown", "can't register atexit after shutdown", "can't create new thread at
    interpreter shutdown".  That the executor was shut down by us has been looked at before.
    """
    return "shutdown" in str(exc)


def _begin_worker(name: str, numbers: Iterator[int], workers: set[int]) -> None:
    # A function, not a method: the threads would hold the pool, and a forgotten pool could never be collected.
    threading.current_thread().name = f"{name}-{next(numbers)}"
    workers.add(threading.get_ident())
