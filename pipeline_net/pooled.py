"""A seat whose handler runs on a pool, so that it may block.

The loop hands each event to a queue of the seat, and the pool works that queue off: one event at a time and in order,
whichever of its threads is free.  What the handler fires or writes comes back to the loop as a task, so the rest of the
pipeline never notices.

A stage that is taken out while it is at work finishes the event that it is handling, and forwards what it makes of that
from its old place.  What else came, or comes meanwhile, waits, and goes to its neighbours once ``handler_removed`` has
returned.  So nothing is overtaken.

The queue is bounded the way everything inbound is: above ``_PAUSE_ABOVE`` waiting events the channel stops reading
until the handler has caught up.  A pool that takes no more jobs makes the event fail with its error, which closes the
channel unless a stage handles it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from .context import ChannelHandlerContext
from .errors import ChannelClosedError, PipelineError
from .event_bits import EVERY_INBOUND, EVERY_OUTBOUND
from .forwarding import FORWARDS, vacate
from .handler import ChannelDuplexHandler, ChannelHandler, InboundEvents, OutboundEvents

if TYPE_CHECKING:
    from .future import ChannelFuture
    from .loop import StageFacts
    from .pipeline import ChannelPipeline

_PAUSE_ABOVE: Final = 64  # events waiting for the pool before the channel stops reading
_RESUME_BELOW: Final = 16

_ADDED: Final = 0
_REMOVED: Final = 1
_CAUGHT: Final = 2
_REGISTERED: Final = 3
_ACTIVE: Final = 4
_READ: Final = 5
_READ_COMPLETE: Final = 6
_EOF: Final = 7
_WRITABILITY: Final = 8
_USER_EVENT: Final = 9
_INACTIVE: Final = 10
_UNREGISTERED: Final = 11
_BIND: Final = 12
_CONNECT: Final = 13
_ASK: Final = 14
_WRITE: Final = 15
_FLUSH: Final = 16
_SHUTDOWN: Final = 17
_CLOSE: Final = 18


class Executor(Protocol):
    """What ``executor=`` takes: a ``WorkerPool``, or a pool of ``concurrent.futures``."""

    def submit(self, fn: Any, /, *args: Any) -> Any:
        """Run ``fn(*args)`` on some thread, soon."""


class PooledContext(ChannelHandlerContext[Any, Any]):
    """The seat of a handler that runs on a pool: what it fires and writes comes back to the loop."""

    def __init__(
        self, pipeline: ChannelPipeline, name: str, handler: ChannelHandler, facts: StageFacts, executor: Executor
    ) -> None:
        if not hasattr(executor, "submit"):  # else the first event would say so, somewhere else and long after
            raise PipelineError(f"executor= is a WorkerPool, or anything with submit(fn, *args), not {executor!r}")
        super().__init__(pipeline, name, handler, facts)
        self.runs_on_pool = True
        proxy = _PoolProxy(handler, executor, self)
        self._proxy: _PoolProxy | None = proxy  # as long as there is something left to do
        self.events = proxy
        self.inbound = proxy
        self.outbound = proxy

    def take_all_of_a_kind(self) -> None:
        """Let every event of a direction queue up, once the handler overrides one of them, or they would overtake it.

        So the end of input comes after what was read before it, and ``close`` after what was written.
        """
        if isinstance(self.handler, InboundEvents) and self.mask & EVERY_INBOUND:
            self.mask |= EVERY_INBOUND
        if self.mask & EVERY_OUTBOUND:
            self.mask |= EVERY_OUTBOUND

    @property
    def is_busy(self) -> bool:
        """Whether events wait for the pool, or are being handled there, or wait for the stage to leave."""
        return self._proxy is not None and self._proxy.is_busy

    @property
    def is_leaving(self) -> bool:
        """Whether it has been told to leave, and has yet to finish what it is handling."""
        return self._proxy is not None and self._proxy.is_leaving

    def leave(self, successor: ChannelHandlerContext[Any, Any] | None = None) -> None:
        """Unseat the handler once it has finished what it is handling.

        Args:
            successor: the last of those that replace it, through which go the writes that it has not begun to handle.
        """
        if self._proxy is not None:
            self._proxy.leave(successor)

    def when_idle(self, fn: Callable[[], object]) -> None:
        """Call ``fn()`` on the loop when nothing waits for the pool any more."""
        assert self._proxy is not None, "only who is busy can become idle"
        self._proxy.on_idle = fn

    def part(self) -> None:
        """The handler has left, and has heard so: seat and proxy let go of each other, or both would have to wait for
        the garbage collector.
        """
        self._proxy = None

    def post(self, fn: Callable[..., object], *args: Any) -> None:
        """Call ``fn(*args)`` on the loop; when that has stopped, here: the others are still owed their goodbyes."""
        try:
            self.channel.loop.execute_until_stopped(fn, *args)
        except ChannelClosedError:
            fn(*args)

    def fire_channel_registered(self) -> None:
        self.post(ChannelHandlerContext.fire_channel_registered, self)

    def fire_channel_active(self) -> None:
        self.post(ChannelHandlerContext.fire_channel_active, self)

    def fire_channel_read(self, msg: Any) -> None:
        self.post(ChannelHandlerContext.fire_channel_read, self, msg)

    def fire_channel_read_complete(self) -> None:
        self.post(ChannelHandlerContext.fire_channel_read_complete, self)

    def fire_channel_eof(self) -> None:
        self.post(ChannelHandlerContext.fire_channel_eof, self)

    def fire_channel_writability_changed(self) -> None:
        self.post(ChannelHandlerContext.fire_channel_writability_changed, self)

    def fire_user_event_triggered(self, event: Any) -> None:
        self.post(ChannelHandlerContext.fire_user_event_triggered, self, event)

    def fire_channel_inactive(self) -> None:
        self.post(ChannelHandlerContext.fire_channel_inactive, self)

    def fire_channel_unregistered(self) -> None:
        self.post(ChannelHandlerContext.fire_channel_unregistered, self)

    def fire_exception_caught(self, exc: BaseException) -> None:
        self.post(ChannelHandlerContext.fire_exception_caught, self, exc)

    def bind(self, address: Any, promise: ChannelFuture[Any] | None = None) -> None:
        self.post(ChannelHandlerContext.bind, self, address, promise)

    def connect(self, address: Any, promise: ChannelFuture[Any] | None = None) -> None:
        self.post(ChannelHandlerContext.connect, self, address, promise)

    def read(self) -> None:
        self.post(ChannelHandlerContext.read, self)

    def write(self, msg: Any, promise: ChannelFuture[Any] | None = None) -> None:
        self.post(ChannelHandlerContext.write, self, msg, promise)

    def write_all(self, messages: list[Any], promise: ChannelFuture[Any] | None = None) -> None:
        self.post(ChannelHandlerContext.write_all, self, messages, promise)

    def write_part(self, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        ChannelHandlerContext.write(self, msg, promise)

    def flush(self) -> None:
        self.post(ChannelHandlerContext.flush, self)

    def shutdown_output(self, promise: ChannelFuture[Any] | None = None) -> None:
        self.post(ChannelHandlerContext.shutdown_output, self, promise)

    def close(self, promise: ChannelFuture[Any] | None = None) -> None:
        self.post(ChannelHandlerContext.close, self, promise)


class _PoolProxy(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Stands in for the handler on the loop: every event becomes an entry of the queue that the pool works off."""

    def __init__(self, handler: ChannelHandler, executor: Executor, seat: PooledContext) -> None:
        self._handler = handler
        self._executor = executor
        self._seat = seat
        self._waiting: deque[tuple[int, Any, Any]] = deque()
        self._running = False  # set and cleared on the loop only
        self._holding = False
        self._rejected = False  # its handler_added raised; set on the pool
        self.on_idle: Callable[[], object] | None = None
        self.is_leaving = False
        self._is_parted = False  # handler_removed is on its way, or was called
        self._successor: ChannelHandlerContext[Any, Any] | None = None
        self._skipped: list[tuple[int, Any, Any]] = []  # what came before it was told to leave, and was not begun
        self._later: list[tuple[int, Any, Any]] = []  # what came after that
        self._without_loop = False

    @property
    def is_busy(self) -> bool:
        return (self._running or self.is_leaving) and not self._without_loop

    def leave(self, successor: ChannelHandlerContext[Any, Any] | None) -> None:
        if not self.is_leaving:
            self.is_leaving = True
            self._successor = successor
            if not self._running:
                self._depart()

    def _queue(self, event: int, first: Any = None, second: Any = None) -> None:
        if self.is_leaving and event != _REMOVED:
            self._later.append((event, first, second))
            return
        self._waiting.append((event, first, second))
        if not self._running:
            try:
                self._executor.submit(self._work_off)
            except BaseException:
                self._waiting.pop()
                raise
            self._running = True
        if len(self._waiting) > _PAUSE_ABOVE and not self._holding:
            self._holding = True
            self._seat.channel.hold_reads()

    def _work_off(self) -> None:
        """Run what waits, on a pool thread; then let the loop decide whether there is more."""
        waiting = self._waiting
        for _ in range(len(waiting)):
            event, first, second = waiting.popleft()
            if (self.is_leaving or self._rejected) and event > _REMOVED:
                self._skipped.append((event, first, second))
                continue
            try:
                self._run(event, first, second)
            except BaseException as exc:  # noqa: BLE001 - it is offered to the handler, whose pool thread must go on
                self._rejected = self._rejected or event == _ADDED
                self._seat.post(self._failed, event, exc, second)
        try:
            self._seat.channel.loop.execute_until_stopped(self._worked_off)
        except ChannelClosedError:
            self._work_without_loop()

    def _work_without_loop(self) -> None:
        """The loop has stopped.  Run what it said last, and what it could not say any more: that it is over."""
        self._without_loop = True
        if not self._waiting:
            self._rest()
        if self._waiting:
            self._work_off()

    def _worked_off(self) -> None:
        self._running = False
        if self._holding and len(self._waiting) < _RESUME_BELOW:
            self._holding = False
            self._seat.channel.release_reads()
        if self._waiting:
            try:
                self._executor.submit(self._work_off)
                self._running = True
            except BaseException as exc:  # noqa: BLE001 - a pool that takes no more jobs fails the channel, not the loop
                self._give_up(exc)
        if not self._running:
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
        if self._seat.is_removed and not self._running and not self._waiting:
            self._seat.part()

    def _depart(self) -> None:
        """Let the handler hear that it was removed.  It keeps its seat until then: nothing may overtake what it has."""
        self._is_parted = True
        try:
            self._queue(_REMOVED)
        except BaseException as exc:  # noqa: BLE001 - a pool that takes no more jobs cannot keep a stage from leaving
            self._seat.pipeline.report_removal(self._seat, exc)
            self._let_pass()

    def _let_pass(self) -> None:
        """Give up the seat, and let go what the handler did not hear: straight to the neighbours."""
        self.is_leaving = False
        seat = self._seat
        seat.pipeline.unlink(seat, seat.prev, seat.next)
        below = seat.prev
        if self._successor is not None and not self._successor.is_removed:
            seat.prev = self._successor
        self._forward(self._skipped)
        above = seat.prev
        seat.prev = below  # what came later has been through the successors already
        self._forward(self._later)
        seat.prev = above
        vacate(seat)  # again, with the neighbours that it has now
        self._skipped = []
        self._later = []

    def _forward(self, events: list[tuple[int, Any, Any]]) -> None:
        seat = self._seat
        for event, first, second in events:
            if event == _CAUGHT:
                FORWARDS.exception_caught(seat, first)
            elif event < _BIND:
                _run_inbound(FORWARDS, seat, event, first)
            else:
                _run_outbound(FORWARDS, seat, event, first, second)

    def _give_up(self, exc: BaseException) -> None:
        """What waited will not be run: fail the operations, and tell the other stages."""
        while self._waiting:
            _, _, promise = self._waiting.popleft()
            if promise is not None:
                promise.fail_if_pending(exc)
        if self._holding:  # nothing waits any more; and without reading, nothing might come by which to notice that
            self._holding = False
            self._seat.channel.release_reads()
        self._seat.channel.pipeline.fire_exception_caught(exc)

    def _failed(self, event: int, exc: BaseException, second: Any) -> None:
        seat = self._seat
        if event == _ADDED:
            seat.pipeline.reject(seat, exc)
        elif event == _REMOVED:
            seat.pipeline.report_removal(seat, exc)
        elif event == _CAUGHT:
            seat.log_raising_catcher(exc)
        elif event == _CLOSE:
            seat.close_failed(exc, second)
        elif event >= _BIND:
            seat.refuse(exc, second)
        else:
            seat.catch(exc)

    def _run(self, event: int, first: Any, second: Any) -> None:
        handler = self._handler
        seat = self._seat
        if event == _ADDED:
            handler.handler_added(seat)
        elif event == _REMOVED:
            handler.handler_removed(seat)
        elif event == _CAUGHT:
            handler.exception_caught(seat, first)
        elif event < _BIND:
            assert isinstance(handler, InboundEvents)
            _run_inbound(handler, seat, event, first)
        else:
            assert isinstance(handler, OutboundEvents)
            _run_outbound(handler, seat, event, first, second)

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(_ADDED)

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(_REMOVED)

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        try:
            self._queue(_CAUGHT, exc)
        except BaseException:  # noqa: BLE001 - most likely ``exc`` itself: the pool takes no more jobs
            ChannelHandlerContext.fire_exception_caught(ctx, exc)

    def channel_registered(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(_REGISTERED)

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(_ACTIVE)

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self._queue(_READ, msg)

    def channel_read_complete(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(_READ_COMPLETE)

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(_EOF)

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(_WRITABILITY)

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        self._queue(_USER_EVENT, event)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(_INACTIVE)

    def channel_unregistered(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(_UNREGISTERED)

    def bind(self, ctx: ChannelHandlerContext[Any, Any], address: Any, promise: ChannelFuture[Any] | None) -> None:
        self._queue(_BIND, address, promise)

    def connect(self, ctx: ChannelHandlerContext[Any, Any], address: Any, promise: ChannelFuture[Any] | None) -> None:
        self._queue(_CONNECT, address, promise)

    def read(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(_ASK)

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        self._queue(_WRITE, msg, promise)

    def flush(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._queue(_FLUSH)

    def shutdown_output(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        self._queue(_SHUTDOWN, None, promise)

    def close(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        self._queue(_CLOSE, None, promise)


def _run_inbound(handler: InboundEvents, seat: PooledContext, event: int, first: Any) -> None:
    if event == _READ:
        handler.channel_read(seat, first)
    elif event == _READ_COMPLETE:
        handler.channel_read_complete(seat)
    elif event == _REGISTERED:
        handler.channel_registered(seat)
    elif event == _ACTIVE:
        handler.channel_active(seat)
    elif event == _EOF:
        handler.channel_eof(seat)
    elif event == _WRITABILITY:
        handler.channel_writability_changed(seat)
    elif event == _USER_EVENT:
        handler.user_event_triggered(seat, first)
    elif event == _INACTIVE:
        handler.channel_inactive(seat)
    else:
        assert event == _UNREGISTERED
        handler.channel_unregistered(seat)


def _run_outbound(handler: OutboundEvents, seat: PooledContext, event: int, first: Any, promise: Any) -> None:
    if event == _WRITE:
        handler.write(seat, first, promise)
    elif event == _FLUSH:
        handler.flush(seat)
    elif event == _BIND:
        handler.bind(seat, first, promise)
    elif event == _CONNECT:
        handler.connect(seat, first, promise)
    elif event == _ASK:
        handler.read(seat)
    elif event == _SHUTDOWN:
        handler.shutdown_output(seat, promise)
    else:
        assert event == _CLOSE
        handler.close(seat, promise)
