"""PooledQueue: what waits for the handler of a seat on a pool, and who works it off.

At most one job of a seat is with the pool at a time.  It handles what waits when it begins, then the loop looks whether
there is more.  So events never overlap, and a seat with much to do does not keep a thread from the others.

What a handler raises is offered to its own ``exception_caught`` at once, on the same thread: whatever the handler
passes on, messages and exceptions, leaves it in one order, and the end of input comes behind all of it.

A pool without room refuses messages and user events, and those only while nothing of the seat is under way.  Everything
else is owed to the handler.  Such jobs are at most as many as there are seats, which is bound enough, and a
``WorkerPool`` takes them in any case.  Where a pool cannot, because it was released, or is one of somebody else's that
has a bound, the loop's own pool does.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from .context import ChannelHandlerContext
from .errors import ChannelClosedError, InterpreterExitError, PipelineError
from .forwarding import vacate
from .handler import ChannelDuplexHandler, ChannelHandler, InboundEvents, OutboundEvents
from .pooled_events import (
    ACTIVE,
    ADDED,
    ASK,
    BIND,
    CAUGHT,
    CLOSE,
    CONNECT,
    EOF,
    FLUSH,
    INACTIVE,
    READ,
    READ_COMPLETE,
    REGISTERED,
    REMOVED,
    SHUTDOWN,
    UNREGISTERED,
    USER_EVENT,
    WRITABILITY,
    WRITE,
    is_overridden,
    is_refusable,
    pass_by,
    run_inbound,
    run_outbound,
)

if TYPE_CHECKING:
    from .future import ChannelFuture
    from .on_pool import Executor
    from .pooled import PooledContext

_PAUSE_ABOVE: Final = 64  # events waiting for the pool before the channel stops reading
_RESUME_BELOW: Final = 16

# When a loop has stopped, whoever holds this does what it would have done: stages on several threads may say goodbye.
AFTER_LOOPS: Final = threading.RLock()


class PooledQueue(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Stands in for the handler on the loop: every event becomes an entry of the queue that the pool works off."""

    def __init__(self, handler: ChannelHandler, executor: Executor, seat: PooledContext) -> None:
        self._handler = handler
        self._inbound: InboundEvents = seat.inbound
        self._outbound: OutboundEvents = seat.outbound
        self._seat = seat
        self._submit: Any = executor.submit
        self._submit_anyway: Any = getattr(executor, "submit_anyway", None)
        self._waiting: deque[tuple[int, Any, Any]] = deque()
        self._running = False  # a job is with the pool; set and cleared on the loop only
        self._refusal: BaseException | None = None  # why the job is with the loop's pool: what fails messages there
        self._owes_complete = False  # a message was accepted since the last channel_read_complete
        self._owes_flush = False  # a write was accepted since the last flush
        self._holding = False
        self._rejected = False  # its handler_added raised; set on the pool
        self.on_idle: Callable[[], object] | None = None
        self.is_leaving = False
        self._is_parted = False  # handler_removed is on its way, or was called
        self._successor: ChannelHandlerContext[Any, Any] | None = None
        self._skipped: list[tuple[int, Any, Any]] = []  # what came before it was told to leave, and was not begun
        self._later: list[tuple[int, Any, Any]] = []  # what came after that
        self._is_alone = False  # the loop has stopped, and the thread that is here does what comes now

    @property
    def is_busy(self) -> bool:
        return self._running or self.is_leaving or len(self._waiting) > 0

    def leave(self, successor: ChannelHandlerContext[Any, Any] | None) -> None:
        if not self.is_leaving:
            self.is_leaving = True
            self._successor = successor
            if not self._running:
                self._depart()

    # -- on the loop: what comes ----------------------------------------------------------------------

    def _queue(self, event: int, first: Any = None, second: Any = None) -> None:
        """Let the pool handle an event, after what came before it."""
        if self.is_leaving and event != REMOVED:
            self._later.append((event, first, second))
            self._hold_if_many()
            return
        if not self._running and not self._is_alone:
            # Nothing is under way that it could overtake.
            if not is_overridden(event, self._seat.facts):
                pass_by(self._seat, event, first, second)
                return
            if not self._begin(event, first, second):
                return
        else:
            self._waiting.append((event, first, second))
            self._hold_if_many()
        if event == READ:
            self._owes_complete = True
        elif event == READ_COMPLETE:
            self._owes_complete = False
        elif event == WRITE:
            self._owes_flush = True
        elif event == FLUSH:
            self._owes_flush = False

    def _begin(self, event: int, first: Any, second: Any) -> bool:
        """Ask the pool for a thread for the first event; says whether it will have one."""
        self._waiting.append((event, first, second))
        try:
            self._ask(self._is_owed(event))
        except KeyboardInterrupt:
            raise  # what waits is looked at again, if somebody goes on driving the loop
        except BaseException as exc:
            self._waiting.pop()
            if event <= REMOVED:
                raise
            self._lose(event, first, second, exc)
            return False
        return True

    def _is_owed(self, event: int) -> bool:
        """Whether the pool has to take it.  The end of a batch of which nothing was accepted goes past the stage."""
        if event == READ_COMPLETE:
            return self._owes_complete
        if event == FLUSH:
            return self._owes_flush
        return not is_refusable(event)

    def _ask(self, is_owed: bool) -> None:
        """Ask for a thread, for what waits."""
        self._running = True
        self._refusal = None
        ticket: list[None] = [None]
        try:
            if self._submit_anyway is None:
                job = self._submit(self._work_off, ticket)
                watch = getattr(job, "add_done_callback", None)
                if watch is not None:
                    watch(self._job_ended)
            elif is_owed:
                self._submit_anyway(self._work_off, ticket)
            else:
                self._submit(self._work_off, ticket)
        except KeyboardInterrupt:  # before or after the pool had taken the job: nobody can tell
            if _take(ticket):
                self._running = False
                self._seat.post(self._ask_again)
            raise
        except BaseException as exc:
            self._running = False
            if not is_owed or isinstance(exc, InterpreterExitError):
                raise
            self._ask_loop(exc)

    def _ask_again(self) -> None:
        if not self._running:  # what came meanwhile has not asked
            self._worked_off()

    def _ask_loop(self, refusal: BaseException) -> None:
        """The pool takes no more: the loop's own pool does what is owed; messages fail with the ``refusal``."""
        self._running = True
        self._refusal = refusal
        try:
            self._seat.channel.loop.run_owed(self._work_off)
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - the first refusal says more than the second
            self._running = False
            raise refusal from None

    def _lose(self, event: int, first: Any, second: Any, exc: BaseException) -> None:
        """Nobody will handle the event: tell of a message, once; the neighbours hear of everything else."""
        if is_refusable(event) or event in (BIND, CONNECT):
            if second is None or not second.fail_if_pending(exc):
                pass_by(self._seat, CAUGHT, exc, None)
            return
        if self._is_owed(event) and CAUGHT < event < BIND:
            pass_by(self._seat, CAUGHT, exc, None)
        pass_by(self._seat, event, first, second)

    def _hold_if_many(self) -> None:
        if not self._holding and len(self._waiting) + len(self._later) > _PAUSE_ABOVE:
            self._holding = True
            self._seat.channel.hold_reads()

    def _release_if_few(self) -> None:
        if self._holding and len(self._waiting) + len(self._later) < _RESUME_BELOW:
            self._holding = False
            self._seat.channel.release_reads()

    # -- on the pool: what waits ----------------------------------------------------------------------

    def _work_off(self, ticket: list[None] | None = None) -> None:
        """Handle what waits, then let the loop decide whether there is more.

        Args:
            ticket: whoever takes it works; then there is no other job, whatever became of this one.
        """
        if ticket is not None and not _take(ticket):
            return
        self._handle_waiting()
        try:
            self._seat.channel.loop.execute_until_stopped(self._worked_off)
        except ChannelClosedError:
            self._work_without_loop()

    def _handle_waiting(self) -> None:
        waiting = self._waiting
        for _ in range(len(waiting)):
            event, first, second = waiting.popleft()
            if (self.is_leaving or self._rejected) and event > REMOVED:
                self._skipped.append((event, first, second))
            elif self._refusal is not None and is_refusable(event):
                self._seat.post(self._lose, event, first, second, self._refusal)
            else:
                self._handle(event, first, second)

    def _handle(self, event: int, first: Any, second: Any) -> None:
        seat = self._seat
        try:
            if event == ADDED:
                self._handler.handler_added(seat)
            elif event == REMOVED:
                self._handler.handler_removed(seat)
            elif event == CAUGHT:
                self._handler.exception_caught(seat, first)
            elif event < BIND:
                run_inbound(self._inbound, seat, event, first)
            else:
                run_outbound(self._outbound, seat, event, first, second)
        except BaseException as exc:  # noqa: BLE001 - it is offered to the handler, whose pool thread must go on
            if event == ADDED:
                self._rejected = True
                seat.post(self._reject, exc)
            elif event == REMOVED:
                seat.post(self._report_removal, exc)
            elif event == CAUGHT:
                seat.post(seat.log_raising_catcher, exc)
            elif event < BIND:
                self._offer(exc)
            else:
                if event == CLOSE and second is None:
                    seat.close()  # nobody waits for it, so those before it close all the same
                if second is None or not second.fail_if_pending(exc):
                    self._offer(exc)

    def _offer(self, exc: BaseException) -> None:
        """Let the handler hear at once of what it has raised, so that nothing gets between."""
        try:
            self._handler.exception_caught(self._seat, exc)
        except BaseException as raised:  # noqa: BLE001 - it ends there, as everywhere
            self._seat.post(self._seat.log_raising_catcher, raised)

    def _work_without_loop(self) -> None:
        """The loop has stopped.  Run what it said last, and what it could not say any more: that it is over."""
        while True:
            with AFTER_LOOPS:
                self._running = False
                if not self._waiting:
                    self._is_alone = True
                    self._rest()
                    self._is_alone = False
                if not self._waiting:
                    return
                self._running = True
            self._handle_waiting()

    # -- on the loop: afterwards ----------------------------------------------------------------------

    def _worked_off(self) -> None:
        self._running = False
        self._release_if_few()
        if self._waiting:  # which was accepted, so there is no refusing it
            try:
                self._ask(True)
            except KeyboardInterrupt:
                raise
            except BaseException as exc:  # noqa: BLE001 - a pool that takes no more jobs fails the channel, not the loop
                self._give_up(exc)
        if not self._running:
            self._rest()

    def _job_ended(self, job: Any) -> None:
        """Told by a pool of ``concurrent.futures``, which may have thrown away what it had taken."""
        if job.cancelled():
            self._seat.post(self._was_thrown_away)

    def _was_thrown_away(self) -> None:
        try:
            self._ask_loop(PipelineError("the pool was shut down and has thrown away what waited for it"))
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - as in _worked_off
            self._give_up(exc)
            self._rest()

    def _rest(self) -> None:
        """Nothing waits for the pool: do what had to wait for that."""
        if self.is_leaving:
            if not self._is_parted:
                self._depart()
            else:
                self._let_pass()
        on_idle = self.on_idle
        if on_idle is not None and not self.is_busy:
            self.on_idle = None
            on_idle()
        self._part_if_done()

    def _part_if_done(self) -> None:
        if self._seat.is_removed and not self.is_busy:
            self._seat.part()

    def _depart(self) -> None:
        """Let the handler hear that it was removed.  It keeps its seat until then: nothing may overtake what it has."""
        self._is_parted = True
        if is_overridden(REMOVED, self._seat.facts):
            try:
                self._queue(REMOVED)
                return
            except KeyboardInterrupt:
                raise
            except BaseException as exc:  # noqa: BLE001 - a pool that takes no more jobs cannot keep a stage from leaving
                self._report_removal(exc)
        self._let_pass()

    def _let_pass(self) -> None:
        """Give up the seat, and let go what the handler did not hear: straight to the neighbours."""
        self.is_leaving = False
        seat = self._seat
        seat.pipeline.unlink(seat, seat.prev, seat.next)
        below = seat.prev
        if self._successor is not None and not self._successor.is_removed:
            seat.prev = self._successor
        for event, first, second in self._skipped:
            pass_by(seat, event, first, second)
        above = seat.prev
        seat.prev = below  # what came later has been through the successors already
        for event, first, second in self._later:
            pass_by(seat, event, first, second)
        seat.prev = above
        vacate(seat)  # again, with the neighbours that it has now
        self._skipped = []
        self._later = []
        self._release_if_few()
        self._part_if_done()

    def _give_up(self, exc: BaseException) -> None:
        """No pool takes what waits: fail the messages, and let the neighbours hear the rest."""
        waiting = self._waiting.copy()
        self._waiting.clear()
        self._release_if_few()  # nothing waits any more; without reading, nothing might come by which to notice that
        for event, first, second in waiting:
            if event == REMOVED:
                self._report_removal(exc)
            else:
                self._lose(event, first, second, exc)

    def _reject(self, exc: BaseException) -> None:
        self._seat.pipeline.reject(self._seat, exc)

    def _report_removal(self, exc: BaseException) -> None:
        self._seat.pipeline.report_removal(self._seat, exc)

    # -- the events -----------------------------------------------------------------------------------

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(ADDED)

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(REMOVED)
        self._part_if_done()

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self._queue(CAUGHT, exc)

    def channel_registered(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(REGISTERED)

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(ACTIVE)

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self._queue(READ, msg)

    def channel_read_complete(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(READ_COMPLETE)

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(EOF)

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(WRITABILITY)

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        self._queue(USER_EVENT, event)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(INACTIVE)

    def channel_unregistered(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(UNREGISTERED)

    def bind(self, ctx: ChannelHandlerContext[Any, Any], address: Any, promise: ChannelFuture[Any] | None) -> None:
        self._queue(BIND, address, promise)

    def connect(self, ctx: ChannelHandlerContext[Any, Any], address: Any, promise: ChannelFuture[Any] | None) -> None:
        self._queue(CONNECT, address, promise)

    def read(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(ASK)

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        self._queue(WRITE, msg, promise)

    def flush(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(FLUSH)

    def shutdown_output(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        self._queue(SHUTDOWN, None, promise)

    def close(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        self._queue(CLOSE, None, promise)


def _take(ticket: list[None]) -> bool:
    """Take a ticket, which only one thread can."""
    try:
        ticket.pop()
    except IndexError:
        return False
    return True
