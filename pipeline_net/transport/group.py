"""EventLoopGroup: several loops, each in a thread of its own, and a balancer that chooses among them.

Making a group starts nothing: ``bind``, ``connect``, ``next()`` or ``start()`` starts its threads.  It
ends in one of two ways:

    shutdown(timeout)   no new peers; the channels have so many seconds to finish, and are closed then
    leaving ``with``    the same without the patience: channels are closed at once

Closing sends what was written; a peer that does not take it in a few seconds is cut off.

Neither has a quiet period: when the last channel has gone, the loops end.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, TypeAlias

from .._mypyc import mypyc_attr
from ..errors import BlockingOperationError, ChannelClosedError
from ..future import ChannelFuture
from .balancer import Balancer, PeerAddress, make_balancer
from .event_loop import EventLoop
from .pool import WorkerPool
from .running import on_a_loop

_SENDING: Final = 5.0  # seconds that closing channels have to send what was written, before they are aborted
_ANSWER: Final = 5.0  # seconds that a loop has to run our task; a handler that blocks may be in its way


def usable_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@mypyc_attr(allow_interpreted_subclasses=True)
class EventLoopGroup:
    """Loops for servers and clients to live on.

    Args:
        loops: how many; ``None`` for one a usable core.
        name: loops and threads are called ``name-1``, ``name-2``, …
        balancer: ``"round-robin"``, ``"random"``, ``"least-connections"``, ``"source-hash"``, ``"consistent-hash"``, or
            anything with ``choose(loops, remote_address)``.
        busy_poll: seconds that a loop goes on asking the kernel after its last event before it sleeps, at most 1.  It
            answers sooner, and takes a core; see "Answer sooner" in the manual.  0 lets it sleep at once.

    Raises:
        ValueError: fewer than one loop, a balancer that nobody knows, or an impossible ``busy_poll``.
    """

    def __init__(
        self,
        loops: int | None = None,
        *,
        name: str = "loop",
        balancer: str | Balancer[EventLoop] = "round-robin",
        busy_poll: float = 0.0,
    ) -> None:
        count = usable_cores() if loops is None else loops
        if not isinstance(count, int):
            raise TypeError(f"loops= is the number of loops, not {count!r}")
        if count < 1:
            raise ValueError(f"a group needs at least 1 loop, not {count}")
        self.name = name
        self._balancer: Balancer[EventLoop] = make_balancer(balancer)
        self._pool = WorkerPool(name=f"{name}-worker")  # starts no thread before it has work
        self._process = os.getpid()
        self._is_started = False
        self._is_ending = False
        self._loops: tuple[EventLoop, ...] = ()
        try:
            for _ in range(count):
                self._loops += (EventLoop(name, busy_poll=busy_poll, pool=self._pool),)
        except OSError:  # no descriptors left
            for loop in self._loops:
                loop.stop()
            raise

    def __repr__(self) -> str:
        return f"<EventLoopGroup {self.name!r} of {len(self)} loops>"

    def __len__(self) -> int:
        return len(self._loops)

    def __iter__(self) -> Iterator[EventLoop]:
        return iter(self._loops)

    def next(self, remote_address: PeerAddress = None) -> EventLoop:
        """Let the balancer choose a loop for a connection with that peer.  The group runs from then on.

        Raises:
            TypeError: a balancer of yours chose what is no loop.
        """
        balancer: Any = self._balancer  # compiled, a typed one would be asked for a loop in words that name nobody
        loop = balancer.choose(self._loops, remote_address)
        if not isinstance(loop, EventLoop):
            raise TypeError(f"the balancer {self._balancer!r} chose {loop!r}, which is no EventLoop")
        if not self._is_started:
            self.start()  # what the loop is given to do would otherwise wait, without a word
        return loop

    def start(self) -> None:
        """Let every loop run in a thread of its own; again is allowed.

        Raises:
            ChannelClosedError: the group has been shut down.
        """
        if self._is_ending:
            raise ChannelClosedError(f"{self!r} has been shut down")
        for loop in self._loops:
            loop.start()
        self._is_started = True

    def shutdown(self, timeout: float = 5.0) -> None:
        """End gracefully: no new peers, ``timeout`` seconds for the channels to finish, then close what is left.

        With nothing open it takes milliseconds; again is allowed.

        Raises:
            BlockingOperationError: called on a loop, which would wait for itself.
        """
        self._end(timeout)

    def __enter__(self) -> EventLoopGroup:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end(0.0)

    def _end(self, patience: float) -> None:
        if self._process != os.getpid():
            return  # the parent's loops live on in the parent
        if on_a_loop():
            raise BlockingOperationError(f"{self!r} cannot be shut down on a loop, which could be one of its own")
        self._is_ending = True
        running = [loop for loop in self._loops if loop.has_thread and not loop.is_stopping]
        try:
            wait_for([ask(loop, loop.close_listeners) for loop in running], _ANSWER)
            if patience > 0:
                wait_for([_emptiness_of(loop) for loop in running], patience)
            for loop in running:
                ask(loop, loop.close_channels)
            wait_for([_emptiness_of(loop) for loop in running], _SENDING)
        finally:
            for loop in self._loops:
                loop.stop()
            self._pool.release()


@mypyc_attr(allow_interpreted_subclasses=True)
class LoneLoop:
    """One loop where a group is wanted.  Whoever made the loop starts it, or drives it from outside."""

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop

    def __iter__(self) -> Iterator[EventLoop]:
        return iter((self._loop,))

    def next(self, remote_address: PeerAddress = None) -> EventLoop:
        """There is only one."""
        return self._loop

    def start(self) -> None:
        """Leave it to whoever made it."""


Loops: TypeAlias = EventLoopGroup | LoneLoop


def as_group(loops: EventLoopGroup | EventLoop) -> Loops:
    """Let a single loop look like a group.

    Raises:
        TypeError: it is neither.
    """
    if not isinstance(loops, EventLoopGroup | EventLoop):
        raise TypeError(f"loops are an EventLoopGroup or an EventLoop, not {loops!r}")
    return LoneLoop(loops) if isinstance(loops, EventLoop) else loops


def ask(loop: EventLoop, fn: Any, *args: Any) -> ChannelFuture[None]:
    """Run ``fn(*args)`` on the loop; the future is done when that has returned, or when the loop has stopped."""
    done: ChannelFuture[None] = ChannelFuture(loop)
    try:
        loop.execute(_run, done, fn, args)
    except ChannelClosedError:
        done.set_result(None)  # a loop that has stopped has closed everything
    return done


def _run(done: ChannelFuture[None], fn: Any, args: tuple[Any, ...]) -> None:
    try:
        fn(*args)
    finally:
        done.fulfil(None)


def _emptiness_of(loop: EventLoop) -> ChannelFuture[None]:
    empty: ChannelFuture[None] = ChannelFuture(loop)
    try:
        loop.execute(loop.when_empty, empty)
    except ChannelClosedError:
        empty.set_result(None)
    return empty


def wait_for(futures: list[ChannelFuture[None]], timeout: float) -> bool:
    """Wait for all of them, at most ``timeout`` seconds; says whether they are done."""
    deadline = time.monotonic() + timeout
    for future in futures:
        try:
            future.exception(max(deadline - time.monotonic(), 0.0))
        except TimeoutError:
            return False
    return True
