"""BlockingJobs: what a loop has asked the threads of a pool to do, and how it hears of the outcome."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..errors import ChannelClosedError, InterpreterExitError
from ..future import ChannelFuture, failed
from .pool import WorkerPool

if TYPE_CHECKING:
    from ..loop import Loop

_Job: TypeAlias = tuple[ChannelFuture[Any], Callable[..., Any], tuple[Any, ...]]

logger = logging.getLogger("pipeline_net.loop")

_has_told: Final = threading.Event()  # that the interpreter exits, which one line for all loops says


class BlockingJobs:
    """The jobs of one loop; without a pool it makes one of its own for the first of them."""

    def __init__(self, loop: Loop, pool: WorkerPool | None) -> None:
        self._loop = loop
        self._pool = pool
        self._own_pool: WorkerPool | None = None
        self._lock = threading.Lock()
        self._unfinished: set[Future[Any]] = set()

    def start(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> ChannelFuture[Any]:
        """Run ``fn(*args)`` on a thread of the pool; from any thread.

        Raises:
            PoolFullError: all threads are busy, and as many jobs wait as may.
            PipelineError: the pool was released.
        """
        promise: ChannelFuture[Any] = ChannelFuture(self._loop)
        try:
            job = self._where().submit(self._run, [(promise, fn, args)])
        except InterpreterExitError as exc:
            return self._refused_at_exit(exc)
        self._unfinished.add(job)
        job.add_done_callback(self._unfinished.discard)
        return promise

    def start_owed(self, fn: Callable[[], object]) -> None:
        """Run ``fn()`` on a thread of the pool, even if it is full; nobody hears of the outcome.

        Raises:
            PipelineError: the pool was released; or, as ``InterpreterExitError``, the interpreter exits.
        """
        job: Future[Any] = self._where().submit_anyway(fn)
        self._unfinished.add(job)
        job.add_done_callback(self._unfinished.discard)

    def _refused_at_exit(self, cause: InterpreterExitError) -> ChannelFuture[Any]:
        # Loops are daemons and go on until the very end.  What they do then is nobody's mistake and no news, so it
        # must not end in a traceback for every job.
        error = ChannelClosedError(f"{self._loop.name} begins no more blocking work: the interpreter exits")
        error.__cause__ = cause
        if not _has_told.is_set():
            _has_told.set()
            logger.warning("%s", error)
        return failed(self._loop, error)

    def wait(self, seconds: float) -> None:
        """Wait until all have ended, and the loop has been told of it; at most so long."""
        jobs = self._unfinished.copy()
        if jobs:
            from concurrent.futures import wait  # here, for most programs never need it

            wait(jobs, seconds)

    def release(self) -> None:
        """End the pool that was made for this loop, when its jobs have."""
        if self._own_pool is not None:
            self._own_pool.release()

    def _where(self) -> WorkerPool:
        if self._pool is not None:
            return self._pool
        with self._lock:
            if self._own_pool is None:
                self._own_pool = WorkerPool(name=f"{self._loop.name}-worker")
            return self._own_pool

    def _run(self, job: list[_Job]) -> None:
        """Run ``job``, which comes in a list so that it can be taken out: an exception refers to those on whose way it
        was raised, and their arguments; among them must not be the promise, which will refer to the exception.
        """
        promise, fn, args = job.pop()
        if not promise.take_on():
            return
        try:
            result = fn(*args)
        except BaseException as exc:  # noqa: BLE001 - it is delivered to whoever asked
            promise.set_exception(exc)
            del promise, args
        else:
            promise.set_result(result)
