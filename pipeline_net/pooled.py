"""A seat whose handler runs on a pool, so that it may block.

The loop hands each event to a queue of the seat, and the pool works that queue off: one event at a time and in order,
whichever of its threads is free.  What the handler fires or writes comes back to the loop as a task, so the rest of the
pipeline never notices.

The queue is bounded the way everything inbound is: above ``_PAUSE_ABOVE`` waiting events the channel stops reading
until the handler has caught up.  A pool that takes no more jobs makes the event fail with its error, which closes the
channel unless a stage handles it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

from .context import PASSES_ON, ChannelHandlerContext, logger
from .errors import ChannelClosedError
from .handler import ChannelDuplexHandler, ChannelHandler, InboundEvents, OutboundEvents

if TYPE_CHECKING:
    from .future import ChannelFuture
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

    def __init__(self, pipeline: ChannelPipeline, name: str, handler: ChannelHandler, executor: Executor) -> None:
        super().__init__(pipeline, name, handler)
        proxy = _PoolProxy(handler, executor, self)
        self.events = proxy
        self.inbound = proxy
        self.outbound = proxy

    def fire_channel_registered(self) -> None:
        self.channel.loop.execute(ChannelHandlerContext.fire_channel_registered, self)

    def fire_channel_active(self) -> None:
        self.channel.loop.execute(ChannelHandlerContext.fire_channel_active, self)

    def fire_channel_read(self, msg: Any) -> None:
        self.channel.loop.execute(ChannelHandlerContext.fire_channel_read, self, msg)

    def fire_channel_read_complete(self) -> None:
        self.channel.loop.execute(ChannelHandlerContext.fire_channel_read_complete, self)

    def fire_channel_eof(self) -> None:
        self.channel.loop.execute(ChannelHandlerContext.fire_channel_eof, self)

    def fire_channel_writability_changed(self) -> None:
        self.channel.loop.execute(ChannelHandlerContext.fire_channel_writability_changed, self)

    def fire_user_event_triggered(self, event: Any) -> None:
        self.channel.loop.execute(ChannelHandlerContext.fire_user_event_triggered, self, event)

    def fire_channel_inactive(self) -> None:
        self.channel.loop.execute(ChannelHandlerContext.fire_channel_inactive, self)

    def fire_channel_unregistered(self) -> None:
        self.channel.loop.execute(ChannelHandlerContext.fire_channel_unregistered, self)

    def fire_exception_caught(self, exc: BaseException) -> None:
        self.channel.loop.execute(ChannelHandlerContext.fire_exception_caught, self, exc)

    def bind(self, address: Any, promise: ChannelFuture[Any] | None = None) -> None:
        self.channel.loop.execute(ChannelHandlerContext.bind, self, address, promise)

    def connect(self, address: Any, promise: ChannelFuture[Any] | None = None) -> None:
        self.channel.loop.execute(ChannelHandlerContext.connect, self, address, promise)

    def read(self) -> None:
        self.channel.loop.execute(ChannelHandlerContext.read, self)

    def write(self, msg: Any, promise: ChannelFuture[Any] | None = None) -> None:
        self.channel.loop.execute(ChannelHandlerContext.write, self, msg, promise)

    def flush(self) -> None:
        self.channel.loop.execute(ChannelHandlerContext.flush, self)

    def shutdown_output(self, promise: ChannelFuture[Any] | None = None) -> None:
        self.channel.loop.execute(ChannelHandlerContext.shutdown_output, self, promise)

    def close(self, promise: ChannelFuture[Any] | None = None) -> None:
        self.channel.loop.execute(ChannelHandlerContext.close, self, promise)


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

    def _queue(self, event: int, first: Any = None, second: Any = None) -> None:
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
            try:
                self._run(event, first, second)
            except BaseException as exc:  # noqa: BLE001 - it is offered to the handler, whose pool thread must go on
                self._rejected = self._rejected or event == _ADDED
                if not self._tell_loop(self._failed, event, exc, second):
                    logger.error(
                        "%s: %r raised, and its loop has stopped", self._seat.channel, self._seat, exc_info=exc
                    )
        if not self._tell_loop(self._worked_off) and waiting:
            self._work_off()  # what the loop said last: among it that the handler was removed

    def _tell_loop(self, fn: Any, *args: Any) -> bool:
        """Whether there still is a loop to tell."""
        try:
            self._seat.channel.loop.execute(fn, *args)
        except ChannelClosedError:
            return False
        return True

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

    def _give_up(self, exc: BaseException) -> None:
        """What waited will not be run: fail the operations, and tell the other stages."""
        while self._waiting:
            _, _, promise = self._waiting.popleft()
            if promise is not None:
                promise.fail_if_pending(exc)
        self._seat.channel.pipeline.fire_exception_caught(exc)

    def _failed(self, event: int, exc: BaseException, second: Any) -> None:
        seat = self._seat
        if event == _ADDED:
            seat.pipeline.reject(seat, exc)
        elif event == _CAUGHT:
            seat.log_raising_catcher(exc)
        elif event >= _BIND:
            seat.refuse(exc, second)
        else:
            seat.catch(exc)

    def _run(self, event: int, first: Any, second: Any) -> None:
        # A handler that was not added hears no event: what had been queued for it goes on.
        handler = PASSES_ON if self._rejected and event != _REMOVED else self._handler
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
