"""EventLoop: one thread, one selector, its channels, its timers.

A turn of the loop, in this order::

    wait        until a descriptor is ready, a timer is due, or another thread has work for us
    events      each channel that is ready reads, and its pipeline runs
    flush       what they answered goes out, in one send for each channel; in between, too, when it has become much
    timers      those that are due now
    tasks       those that were there when this step began; what they add waits for the next turn
    flush       channels that were written to by a timer or a task

Nothing in a turn is unbounded: a channel reads a limited number of times, and only the tasks that were already there
are run, so neither a busy peer nor a task that adds itself again can starve the rest.
User code that raises is logged and never ends a loop; ``KeyboardInterrupt`` alone reaches whoever drives the loop.

A loop usually runs in a thread of its own (``start()``).  It may be lent one instead (``run()``), or be driven from
outside: whoever watches ``fileno()`` and wakes at ``next_deadline()`` calls ``run_once(0)``, all on that one thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import count
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

from .._mypyc import i64, mypyc_attr
from ..complaints import log_failure
from ..errors import BlockingOperationError, ChannelClosedError, ForeignThreadError, PipelineError
from ..future import ChannelFuture
from ..loop import Watched
from .allocator import settle_allocator
from .blocking_jobs import BlockingJobs
from .busy_poller import BusyPoller
from .forks import FORKS
from .poller import READ, Poller, make_poller
from .residents import Residents
from .running import RUNNING, Interrupts, LentThread, on_a_loop
from .timers import NEVER, TimerHandle, TimerQueue
from .wakeup import Wakeup

if TYPE_CHECKING:
    from ..channel import Channel
    from .pool import WorkerPool

logger = logging.getLogger("pipeline_net.loop")

_MAX_TASKS: Final = 4096  # tasks a turn, so that descriptors are looked at in between
GATHERED: Final = 16384  # bytes; when the answers to a turn's readers have come to so much, they leave
_LAST_ROUNDS: Final = 64  # turns that a stopping loop gives to tasks which add tasks
_JOBS_PATIENCE: Final = 2.0  # seconds that a stopping loop waits for the outcome of blocking work, to pass it on
_SENDING: Final = 5.0  # seconds that channels have to send what was written, when Ctrl-C ends run()
_STOP_PATIENCE: Final = 10.0  # seconds that stop() waits for the thread, which may be held up by a handler that blocks

_numbers: Final = count(1)
_monotonic: Final = time.monotonic  # looked up once: each turn asks
_this_thread: Final = get_ident  # likewise


@mypyc_attr(allow_interpreted_subclasses=True)
class EventLoop(Residents):
    """From any thread: ``execute``, ``schedule``, ``schedule_every``, ``run_blocking``, ``start``, ``stop``.

    Args:
        name: it is called ``name-1``, the next one ``name-2``, …
        busy_poll: seconds that it goes on asking after its last event before it sleeps; see ``EventLoopGroup``.
        poller: how it learns who is ready; the best that this machine has.
        pool: where ``run_blocking`` runs; threads of its own, made when there is work.
        wakeup: what wakes it from its sleep; a host, on whose thread it lives, has a way of its own.

    Raises:
        ValueError: an impossible ``busy_poll``.
    """

    def __init__(
        self,
        name: str = "loop",
        *,
        busy_poll: float = 0.0,
        poller: Poller | None = None,
        pool: WorkerPool | None = None,
        wakeup: Wakeup | None = None,
    ) -> None:
        super().__init__(f"{name}-{next(_numbers)}")
        self._poller: Poller = make_poller() if poller is None else poller
        if busy_poll:
            self._poller = BusyPoller(self._poller, busy_poll)
        self._wakeup: Wakeup = Wakeup() if wakeup is None else wakeup
        self._wake_fd = self._wakeup.fileno()
        self._poller.register(self._wake_fd, READ)
        self._jobs = BlockingJobs(self, pool)
        self._tasks: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._add_task: Callable[[Any], None] = self._tasks.append  # looked up once, like the clock
        self._next_task: Callable[[], tuple[Callable[..., object], tuple[Any, ...]]] = self._tasks.popleft
        self._timers = TimerQueue()
        self._unflushed: list[Channel] = []
        self._gathered: i64 = 0  # bytes that they want to send
        self._postponed: list[tuple[int, int]] = []  # events that a KeyboardInterrupt came before
        self._busy = False  # inside a turn, on the way to looking for tasks: nobody needs to wake us
        self._runner: threading.Thread | LentThread | None = None
        self._start_lock = threading.Lock()
        self._stopping = False
        self._stopped = False
        self._generation: i64 = FORKS.generation

    def __repr__(self) -> str:
        state = "stopped" if self._stopped else "running" if self.thread_id else "not started"
        return f"<EventLoop {self.name} {state}, {self.channels} channels>"

    # -- what any thread may ask --------------------------------------------------------------------

    @property
    def in_loop(self) -> bool:
        """Whether the caller is on this loop's thread; nobody is in a forked child, whatever its threads are called."""
        return _this_thread() == self.thread_id and self._generation == FORKS.generation

    @property
    def has_thread(self) -> bool:
        """Whether a thread runs it: its own, or one that called ``run()``.  Otherwise it is driven, or not run yet."""
        return self._runner is not None

    @property
    def is_stopping(self) -> bool:
        """Whether it has stopped, or is about to."""
        return self._stopping

    def time(self) -> float:
        return _monotonic()

    def execute(self, fn: Callable[..., object], *args: Any) -> None:
        """Run ``fn(*args)`` on the loop, after what was asked for earlier.

        Raises:
            ChannelClosedError: the loop has been stopped.
            PipelineError: the loop belongs to the process that this one was forked from.
        """
        if self._stopping or self._generation != FORKS.generation:
            self._refuse_unless_inside()
        task: Any = (fn, args)  # one object also where it is compiled, which _take_back() finds again
        self._add_task(task)
        if not self._busy:
            if self._stopped:
                self._take_back(task)  # it has stopped since we looked
            self._wakeup.wake()

    def _take_back(self, task: Any) -> None:
        tasks: Any = self._tasks
        with self._start_lock:
            for place in range(len(tasks)):
                if self._stopped and tasks[place] is task:
                    del tasks[place]
                    self._refuse()

    def execute_until_stopped(self, fn: Callable[..., object], *args: Any) -> None:
        with self._start_lock:  # or it could be added when the last task has been run
            if self._stopped or self._generation != FORKS.generation:
                self._refuse()
            self._tasks.append((fn, args))
        if not self._busy:
            self._wakeup.wake()

    def schedule(self, delay: float, fn: Callable[..., object], *args: Any) -> TimerHandle:
        """Run ``fn(*args)`` once, ``delay`` seconds from now."""
        return self._set_timer(delay, fn, args, 0.0)

    def schedule_every(self, interval: float, fn: Callable[..., object], *args: Any) -> TimerHandle:
        """Run ``fn(*args)`` every ``interval`` seconds until it is cancelled; first after one interval."""
        if not interval > 0:
            raise ValueError(f"an interval must be more than 0 seconds, not {interval!r}")
        return self._set_timer(interval, fn, args, interval)

    def _set_timer(
        self, delay: float, fn: Callable[..., object], args: tuple[Any, ...], interval: float
    ) -> TimerHandle:
        deadline = _monotonic() + (0.0 if delay < 0 else delay)  # what is late from the start waits its turn, too
        if self.in_loop and not self._stopped:
            if not self._busy:
                self._wakeup.wake()  # driven from outside: the driver must learn of the new deadline
            return self._timers.schedule(deadline, fn, args, interval)
        handle = self._timers.prepare(deadline, fn, args, interval)
        self.execute(self._timers.reschedule, handle, deadline)
        return handle

    def run_blocking(self, fn: Callable[..., Any], *args: Any) -> ChannelFuture[Any]:
        """Run ``fn(*args)`` on a pool thread, where it may block; the future is completed on the loop.

        While the interpreter exits nothing is begun any more: the future has failed with ``ChannelClosedError``.

        Raises:
            PoolFullError: too many such calls are waiting already.
            ChannelClosedError, PipelineError: like ``execute``.
        """
        if self._stopping or self._generation != FORKS.generation:
            self._refuse_unless_inside()
        try:
            return self._jobs.start(fn, args)
        except PipelineError:
            if self._stopping:
                self._refuse()  # the pool was released meanwhile
            raise

    def run_owed(self, fn: Callable[[], object]) -> None:
        self._jobs.start_owed(fn)

    # -- a thread of its own ------------------------------------------------------------------------

    def start(self) -> None:
        """Let a thread of its own run the loop; again is allowed.

        Raises:
            ChannelClosedError: it has been stopped.
        """
        with self._start_lock:
            if self._stopped or self._generation != FORKS.generation:
                self._refuse()
            if self._runner is None:
                self._runner = thread = threading.Thread(target=self._run, name=self.name, daemon=True)
                thread.start()

    def run(self) -> None:
        """Run the loop on the thread that calls, until ``stop()``, which is allowed from there, too.

        Nothing then needs a second thread, and a process with one thread gets more done; see "Serve without threads" in
        the manual.  On the main thread Ctrl-C lets the turn end, closes every channel, which sends what was written for
        5 seconds at most, and only then raises; a second one raises at once.  Afterwards the loop has stopped.

        Raises:
            KeyboardInterrupt: Ctrl-C.
            PipelineError: some thread runs it already; or this process was forked from a handler of it.
            BlockingOperationError: called on a loop.
            ChannelClosedError: it has been stopped.
        """
        if on_a_loop():
            raise BlockingOperationError(f"{self.name} cannot run on the thread of a loop, which has work to do")
        lent = LentThread()
        try:
            with self._start_lock:
                if self._stopped or self._generation != FORKS.generation:
                    self._refuse()
                self._refuse_second_driver()
                self._runner = lent
            self._run()
        finally:
            lent.give_back()
            if self._runner is lent and not self._stopped:  # Ctrl-C came before _run() could mind it
                self._runner = None
                self.stop()
        if self._generation != FORKS.generation:
            self._refuse()

    def stop(self) -> None:
        """Close every channel at once, let the thread end, and take no more work; again is allowed.

        The outcome of blocking work that is under way is passed on if it comes within 2 seconds.
        """
        if self._generation != FORKS.generation:
            return  # the parent's loop lives on in the parent
        self._stopping = True
        thread = self._runner
        if thread is None:
            if not self._stopped:
                self.thread_id = get_ident()
                self._shut_down()
            return
        self._wakeup.wake()
        if thread.ident != get_ident():
            thread.join(_STOP_PATIENCE)
            if thread.is_alive():
                logger.error("%s does not stop: some handler or task has blocked it", self.name)

    def _run(self) -> None:
        try:
            self.thread_id = get_ident()
            RUNNING.append(self)
            settle_allocator()
            with Interrupts(self._wakeup) as interrupts:
                is_on_main = interrupts.are_on_main
                while not self._stopping and self._generation == FORKS.generation:  # a task may have forked
                    self._turn(None)
                    if is_on_main and interrupts.have_come():
                        break
            if self._generation == FORKS.generation:
                self._run_tasks()  # who has asked for close() before stop() gets it
                if interrupts.came:
                    self._say_goodbye()
                    raise KeyboardInterrupt
        finally:
            if self in RUNNING:  # nobody is in a forked child
                RUNNING.remove(self)
            self._shut_down()

    def _say_goodbye(self) -> None:
        """Close every channel, and send for a while what was written."""
        until = _monotonic() + _SENDING
        self.close_listeners()
        self.close_channels()
        while self._members and not self._stopping and _monotonic() < until:
            self._turn(max(until - _monotonic(), 0.0))  # less would be for ever

    def _shut_down(self) -> None:
        if self._stopped or self._generation != FORKS.generation:
            return
        self._stopping = True
        try:
            self._wind_up()
        finally:  # also when Ctrl-C has cut that short: nobody must wait for a loop that will do nothing any more
            self._stopped = True
            self._busy = False
            self.thread_id = 0  # the number may be given to another thread
            self._poller.close()
            self._wakeup.close()
            self._jobs.release()

    def _wind_up(self) -> None:
        """Close what is open, and run what is left to do, until there is nothing more."""
        give_up_at = time.monotonic() + _JOBS_PATIENCE
        for _ in range(_LAST_ROUNDS):
            self.close_listeners()
            for channel in list(self._members):
                channel.abort()
            if not self._tasks:
                self._jobs.wait(max(give_up_at - time.monotonic(), 0.0))
            with self._start_lock:  # see execute_until_stopped()
                self._stopped = True
                self._busy = False  # so that execute() looks whether it came too late; the tasks are counted after
                self._stopped = not self._tasks
            if self._stopped:
                break
            self._run_tasks()

    def _refuse_unless_inside(self) -> None:
        """While stopping, only what is being wound up may ask for more; others could keep the loop alive for ever."""
        if self._stopped or self._generation != FORKS.generation or not self.in_loop:
            self._refuse()

    def _refuse(self) -> None:
        if self._generation != FORKS.generation:
            raise PipelineError(f"{self.name} was made before this process was forked: make loops after the fork")
        raise ChannelClosedError(f"{self.name} has been stopped")

    # -- driven from outside ------------------------------------------------------------------------

    def fileno(self) -> int:
        """A descriptor that is readable when ``run_once()`` has something to do."""
        return self._poller.fileno()

    def next_deadline(self) -> float | None:
        """When ``run_once()`` must be called at the latest, by ``time()``; ``None`` if only ``fileno()`` decides."""
        if self._tasks or self._unflushed or self._postponed:
            return _monotonic()
        return self._timers.next_deadline()

    def run_once(self, timeout: float | None = None) -> None:
        """Do one turn, waiting at most ``timeout`` seconds for something to do (``None``: until there is something)."""
        if self._stopped or self._generation != FORKS.generation:
            self._refuse()
        self._refuse_second_driver()
        self.thread_id = _this_thread()
        try:
            RUNNING.append(self)
            self._turn(timeout if timeout is None or timeout > 0.0 else 0.0)  # epoll takes less for "for ever"
        finally:
            if self in RUNNING:
                RUNNING.remove(self)
            if self._tasks or self._postponed or self._unflushed:
                self._wakeup.wake()  # whoever drives us looks at fileno()

    def _refuse_second_driver(self) -> None:
        if self._runner is not None:
            raise PipelineError(f"{self.name} runs in a thread already")
        if self._busy:
            raise PipelineError(f"{self.name} is in the middle of a turn, in which handlers are not called again")

    def _turn(self, timeout: float | None) -> None:
        deadline = self._timers.earliest()
        if deadline < NEVER:
            left = deadline - _monotonic()
            if left < 0.0:
                left = 0.0
            if timeout is None or left < timeout:
                timeout = left
        self._busy = False
        if self._tasks or self._unflushed or self._postponed:  # asked after _busy was cleared: see execute()
            timeout = 0.0
        events = self._poller.poll(timeout)
        self._busy = True
        if self._postponed:
            events = self._postponed + events
            self._postponed = []
        try:
            for fd, bits in events:
                watched = self._watched.get(fd)
                if watched is not None:
                    try:
                        watched.on_events(bits)
                        if self._generation != FORKS.generation:
                            return  # a handler has forked, and this is the child: all that is left is the parent's
                        if self._gathered >= GATHERED:
                            self._flush()
                    except KeyboardInterrupt:
                        self._postponed = events[[of for of, _ in events].index(fd) + 1 :]  # nobody tells them twice
                        raise
                    except BaseException as exc:  # noqa: BLE001 - nothing that fails may end a loop
                        self._events_failed(fd, watched, exc)
                elif fd == self._wake_fd:
                    self._wakeup.drain()
            if self._unflushed:
                self._flush()
            if deadline < NEVER and deadline <= _monotonic():
                self._timers.run_due(_monotonic(), self)
            if self._tasks:
                self._run_tasks()
            if self._unflushed:
                self._flush()
        finally:
            self._busy = False

    def _events_failed(self, fd: int, watched: Watched, exc: BaseException) -> None:
        log_failure(self, logger, exc, "what is watched", "%s: %r failed to handle its events", self.name, watched)
        if self._watched.get(fd) is watched:
            self.unwatch(fd)  # or it would be ready, and fail, for ever
        try:
            watched.events_failed(exc)
        except KeyboardInterrupt:
            raise
        except BaseException as failed:  # noqa: BLE001 - the same
            log_failure(self, logger, failed, "what gives up", "%s: %r failed to give up", self.name, watched)

    def _run_tasks(self) -> None:
        for _ in range(min(len(self._tasks), _MAX_TASKS)):
            if self._stopped or self._generation != FORKS.generation:
                return  # the task before has stopped us, which runs the others, or forked
            fn, args = self._next_task()
            try:
                fn(*args)
            except KeyboardInterrupt:
                raise
            except BaseException as exc:  # noqa: BLE001 - nothing that fails may end a loop
                log_failure(self, logger, exc, "a task", "%s: the task %r raised", self.name, fn)

    def _flush(self) -> None:
        if self._generation != FORKS.generation:
            return  # or the peers would hear parent and child
        unflushed = self._unflushed
        self._unflushed = []
        self._gathered = 0
        for channel in unflushed:
            if channel.flush_is_due:
                try:
                    channel.send_pending()
                except KeyboardInterrupt:
                    self._unflushed += unflushed  # those that have sent owe nothing
                    raise
                except BaseException as exc:  # noqa: BLE001 - nothing that fails may end a loop
                    log_failure(self, logger, exc, "what sends", "%s: %r failed to send", self.name, channel)
                    channel.fail(exc)

    # -- for transports: on the loop ----------------------------------------------------------------

    def flush_later(self, channel: Channel) -> None:
        """Let ``channel`` send when this turn ends.

        Raises:
            ForeignThreadError: called from another thread; here a handler that writes from one is caught.
        """
        if _this_thread() != self.thread_id:
            raise ForeignThreadError(
                f"{channel!r} is used from thread {threading.current_thread().name!r}, but belongs to {self.name}:"
                " from other threads use channel.write() and its siblings, which are thread-safe"
            )
        self._unflushed.append(channel)
        if not self._busy:
            self._wakeup.wake()

    def flush_with_others(self, channel: Channel, size: i64) -> None:
        """Let ``channel``, whose events are being handled, send its ``size`` bytes with the answers of others."""
        self._unflushed.append(channel)
        self._gathered += size

    def watch(self, fd: int, watched: Watched, interest: int) -> None:
        """Report to ``watched`` when ``fd`` is ready."""
        self._poller.register(fd, interest)
        self._watched[fd] = watched

    def rewatch(self, fd: int, interest: int) -> None:
        """Change what a watched descriptor is watched for."""
        if fd in self._watched:  # in a forked child nobody is: the selector is its parent's, too
            self._poller.modify(fd, interest)

    def unwatch(self, fd: int, edge_and_closed: bool = False) -> None:
        """Forget a descriptor; before it is closed.  ``edge_and_closed``: see ``Poller.forgets_closed``."""
        if fd not in self._watched:
            return
        del self._watched[fd]
        if not (edge_and_closed and self._poller.forgets_closed):
            self._poller.unregister(fd)
