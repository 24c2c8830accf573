"""ChannelFuture: a result that a loop will deliver.

The habits are those of ``concurrent.futures.Future``, with two differences that a loop makes necessary.  Callbacks run
as tasks of the channel's loop, never inside ``add_done_callback`` or inside the operation that completed the future: so
a callback that writes and waits for that write does not recurse, however long the chain.  And ``result()`` on the
loop's own thread raises instead of waiting for ever for something that only this thread can do.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Final, Generic

from typing_extensions import TypeVar

from ._mypyc import i64, mypyc_attr
from .errors import BlockingOperationError, ChannelClosedError, PipelineError

if TYPE_CHECKING:
    from .loop import Loop

T = TypeVar("T", default=Any)

logger = logging.getLogger("pipeline_net.future")

MAKING: Final = threading.Lock()  # held for a moment by who makes a future that several threads may ask for at once

_LONGEST: Final[float] = threading.TIMEOUT_MAX  # seconds; locks refuse to be waited for longer

_PENDING: Final = 0
_RUNNING: Final = 1  # the loop has taken it on: too late to cancel
_DONE: Final = 2
_CANCELLED: Final = 3


@mypyc_attr(allow_interpreted_subclasses=True)
class ChannelFuture(Generic[T]):
    """A result that the loop will deliver.  May be used from any thread, and awaited from asyncio."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self._lock = threading.Lock()
        self._state: i64 = _PENDING
        self._result: T | None = None
        self._exception: BaseException | None = None
        self._callbacks: list[Callable[[Any], object]] | None = None
        self._gates: list[threading.Lock] | None = None  # one for each thread that waits; opened at the end
        self._mirrors: list[Callable[[], object]] | None = None  # futures of other loops, told from whatever thread
        self._on_cancel: Callable[[], object] | None = None

    def __repr__(self) -> str:
        if self._state == _DONE:
            what = f"failed: {self._exception!r}" if self._exception is not None else f"done: {self._result!r}"
        else:
            what = "cancelled" if self._state == _CANCELLED else "pending"
        return f"<ChannelFuture {what}>"

    # -- asking -------------------------------------------------------------------------------------

    def done(self) -> bool:
        """Whether there is a result, an exception or a cancellation."""
        return self._state >= _DONE

    def cancelled(self) -> bool:
        """Whether it was cancelled in time."""
        return self._state == _CANCELLED

    def result(self, timeout: float | None = None) -> T:
        """Wait for the result, at most ``timeout`` seconds.

        Raises:
            TimeoutError: it did not come in time.
            BlockingOperationError: called on the loop that would have to deliver it.
            CancelledError: it was cancelled.
        """
        exc = self.exception(timeout)
        if exc is not None:
            raise exc
        return self._result  # type: ignore[return-value]  # None is T's own None here: done and not failed

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait like ``result()``, and return what went wrong, or ``None``."""
        if self._state < _DONE:
            self._wait(timeout)
        if self._state == _CANCELLED:
            raise CancelledError()
        return self._exception

    def _wait(self, timeout: float | None) -> None:
        if self.loop.in_loop:
            raise BlockingOperationError(
                f"{self!r} is waited for on {self.loop.name}, the loop that has to complete it: use add_done_callback"
            )
        gate = threading.Lock()  # an Event would do the same, with three more objects and some microseconds
        gate.acquire()
        with self._lock:
            if self._state >= _DONE:
                return
            if self._gates is None:
                self._gates = []
            self._gates.append(gate)
        started = time.monotonic()
        if gate.acquire(timeout=-1.0 if timeout is None else patience(timeout)):
            return
        with self._lock:
            if self._state >= _DONE:
                return  # it came in this very moment
            if self._gates is not None:
                self._gates.remove(gate)  # who asks again and again, for a moment each, leaves nothing behind
        raise TimeoutError(f"nothing came within {time.monotonic() - started:.3g} s")

    def add_done_callback(self, fn: Callable[[ChannelFuture[T]], object]) -> None:
        """Run ``fn(self)`` as a task of the loop once there is an outcome; if there is one already, as its next
        task.
        """
        with self._lock:
            if self._state < _DONE:
                if self._callbacks is None:
                    self._callbacks = []
                self._callbacks.append(fn)
                return
        self.loop.execute(fn, self)

    def add_mirror(self, tell: Callable[[], object]) -> None:
        """Call ``tell()``, which must not block or raise, once there is an outcome: on the thread that brings it.

        Unlike a callback it needs no turn of the loop, so that who awaits is told even when the loop has stopped.
        """
        with self._lock:
            if self._state < _DONE:
                if self._mirrors is None:
                    self._mirrors = []
                self._mirrors.append(tell)
                return
        tell()

    def remove_mirror(self, tell: Callable[[], object]) -> None:
        """Do not call ``tell()`` any more: who awaits again and again, for a moment each, leaves nothing behind."""
        with self._lock:
            if self._mirrors is not None and tell in self._mirrors:
                self._mirrors.remove(tell)

    def cancel(self) -> bool:
        """Give up on it.  ``False`` when it is done, or when the loop has already taken it on."""
        with self._lock:
            if self._state != _PENDING:
                return self._state == _CANCELLED
            self._state = _CANCELLED
            on_cancel = self._on_cancel
        if on_cancel is not None:
            try:
                self.loop.execute(on_cancel)
            except ChannelClosedError:
                logger.debug("%s has stopped, which has ended what %r was about", self.loop.name, self)
        self._announce()
        return True

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for it in a coroutine of asyncio; the result is delivered on asyncio's own thread."""
        return _asyncio_future(self).__await__()  # type: ignore[no-any-return]  # asyncio's future is typed Any here

    # -- answering: for whoever owns the promise ----------------------------------------------------

    def set_result(self, result: T) -> bool:
        """Complete it.  ``False`` when it was cancelled before.

        Raises:
            PipelineError: it has been completed already; a promise is completed exactly once.
        """
        return self._settle(result, None)

    def set_exception(self, exc: BaseException) -> bool:
        """Fail it.  ``False`` when it was cancelled before; raises like ``set_result``."""
        return self._settle(None, exc)

    def fail_if_pending(self, exc: BaseException) -> bool:
        """Fail it unless it has an outcome already; says whether it did."""
        with self._lock:
            if self._state >= _DONE:
                return False
            self._exception = exc
            self._state = _DONE  # last: who asks does so without the lock
        self._announce()
        return True

    def fulfil(self, result: T) -> None:
        """Complete it unless it has an outcome already, or another thread gives it one meanwhile."""
        with self._lock:
            if self._state >= _DONE:
                return
            self._result = result
            self._state = _DONE
        self._announce()

    def take_on(self) -> bool:
        """Say that the operation begins and can no longer be cancelled; ``False`` when it was cancelled before."""
        with self._lock:
            if self._state == _PENDING:
                self._state = _RUNNING
            return self._state != _CANCELLED

    def on_cancel(self, fn: Callable[[], object]) -> None:
        """Run ``fn()`` on the loop if somebody cancels: for operations that can be given up half-way, such as
        connecting.
        """
        if self._state < _DONE:  # or nobody would let go of it
            self._on_cancel = fn

    def _settle(self, result: T | None, exc: BaseException | None) -> bool:
        with self._lock:
            if self._state == _CANCELLED:
                return False
            if self._state == _DONE:
                raise PipelineError(f"a promise is completed exactly once, and this one has been: {self!r}")
            self._result = result
            self._exception = exc
            self._state = _DONE  # last: who asks does so without the lock
        self._announce()
        return True

    def _announce(self) -> None:
        with self._lock:
            gates = self._gates
            callbacks = self._callbacks
            mirrors = self._mirrors
            self._gates = None
            self._callbacks = None
            self._mirrors = None
            self._on_cancel = None
        if gates is not None:
            for gate in gates:
                gate.release()
        if mirrors is not None:
            for tell in mirrors:
                tell()
        if callbacks is not None:
            for fn in callbacks:
                try:
                    self.loop.execute(fn, self)
                except ChannelClosedError:
                    self._tell_at_last(fn)

    def _tell_at_last(self, fn: Callable[[ChannelFuture[T]], object]) -> None:
        """The loop takes nothing new any more; but it may still be winding up."""
        try:
            self.loop.execute_until_stopped(fn, self)
        except ChannelClosedError:
            logger.warning("%s has stopped: %r will not be told of %r", self.loop.name, fn, self)


def patience(seconds: float) -> float:
    """How long a lock may be waited for by who says ``seconds``, who may mean for ever (``inf``) or not at all."""
    if seconds > _LONGEST:
        return _LONGEST
    return seconds if seconds > 0.0 else 0.0


def completed(loop: Loop, result: T) -> ChannelFuture[T]:
    """Make a future that has its result already."""
    future: ChannelFuture[T] = ChannelFuture(loop)
    future.set_result(result)
    return future


def failed(loop: Loop, exc: BaseException) -> ChannelFuture[Any]:
    """Make a future that has failed already."""
    future: ChannelFuture[Any] = ChannelFuture(loop)
    future.set_exception(exc)
    return future


def wait_in_line(line: deque[ChannelFuture[Any]], future: ChannelFuture[Any]) -> None:
    """Put ``future`` behind those that wait for something, and forget the last ones if they have given up.

    Who asks every second and does not wait longer may do so for days before anything comes.
    """
    while line and line[-1].done():
        line.pop()
    line.append(future)


class _Mirror:
    """A future of the running asyncio loop that shows the outcome of ``source``; cancelling it cancels the source.

    It is no closure: in the compiled build those that know of each other would have to wait for the garbage collector.
    """

    def __init__(self, source: ChannelFuture[Any], host: Any) -> None:
        self._source = source
        self._host = host  # the asyncio loop
        self._future: Any = host.create_future()

    def begin(self) -> Any:
        """Show it from now on; returns asyncio's future."""
        self._future.add_done_callback(self.pass_on_cancel)
        self._source.add_mirror(self.tell)
        return self._future

    def tell(self) -> None:
        """There is an outcome; on the thread that brings it."""
        try:
            self._host.call_soon_threadsafe(self.deliver)
        except RuntimeError:
            logger.warning("the asyncio loop that awaited %r is closed", self._source)

    def deliver(self) -> None:
        """Show the outcome; on asyncio's thread."""
        future = self._future
        if future.done():
            return
        if self._source.cancelled():
            future.cancel()
            return
        exc = self._source.exception()
        if isinstance(exc, StopIteration):  # asyncio refuses it, for a coroutine that raised it would seem to return
            error = RuntimeError(f"{exc!r} was raised, which no coroutine may pass on")
            error.__cause__ = exc
            future.set_exception(error)
        elif exc is not None:
            future.set_exception(exc)
        else:
            future.set_result(self._source.result())

    def pass_on_cancel(self, future: Any) -> None:
        """Whoever awaited has been told, or has stopped waiting."""
        if future.cancelled() and not self._source.cancel():
            self._source.remove_mirror(self.tell)


def _asyncio_future(source: ChannelFuture[Any]) -> Any:
    """Mirror ``source`` in a future of the running asyncio loop; cancelling the mirror cancels the source."""
    import asyncio  # only whoever awaits pays for asyncio

    return _Mirror(source, asyncio.get_running_loop()).begin()
