"""A seat whose handler runs on a pool, so that it may block.

The loop hands each event to a queue of the seat, and the pool works that queue off: one event at a time and in order,
whichever of its threads is free.  What the handler fires or writes comes back to the loop as a task, so the rest of the
pipeline never notices.

A stage that is taken out while it is at work finishes the event that it is handling, and forwards what it makes of that
from its old place.  What else came, or comes meanwhile, waits, and goes to its neighbours once ``handler_removed`` has
returned.  So nothing is overtaken.

The queue (``pooled_queue``) is bounded the way everything inbound is: above 64 waiting events the channel stops reading
until the handler has caught up.  A message that a full pool refuses is an exception for the next stages, which closes
the channel unless one of them handles it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .context import ChannelHandlerContext
from .errors import ChannelClosedError, PipelineError
from .event_bits import EOF, EVERY_INBOUND, EVERY_OUTBOUND, INACTIVE, UNREGISTERED
from .handler import ChannelHandler
from .pooled_queue import AFTER_LOOPS, PooledQueue

if TYPE_CHECKING:
    from .future import ChannelFuture
    from .loop import StageFacts
    from .on_pool import Executor
    from .pipeline import ChannelPipeline


class PooledContext(ChannelHandlerContext[Any, Any]):
    """The seat of a handler that runs on a pool: what it fires and writes comes back to the loop."""

    def __init__(
        self, pipeline: ChannelPipeline, name: str, handler: ChannelHandler, facts: StageFacts, executor: Executor
    ) -> None:
        if not hasattr(executor, "submit"):  # else the first event would say so, somewhere else and long after
            raise PipelineError(f"executor= is a WorkerPool, or anything with submit(fn, *args), not {executor!r}")
        super().__init__(pipeline, name, handler, facts)
        self.runs_on_pool = True
        queue = PooledQueue(handler, executor, self)
        self._queue: PooledQueue | None = queue  # as long as there is something left to do
        self.events = queue
        self.inbound = queue
        self.outbound = queue

    def take_all_of_a_kind(self) -> None:
        """Let every event of a direction queue up, once the handler overrides one of them, or they would overtake it.

        So the end of input comes after what was read before it, and ``close`` after what was written.  The end of input
        waits for writes, too: what they raise may have to be answered.
        """
        if self.mask & EVERY_INBOUND:  # exception_caught is one of them, also of a handler that hears no other
            self.mask |= EVERY_INBOUND
        if self.mask & EVERY_OUTBOUND:
            self.mask |= EVERY_OUTBOUND | EOF | INACTIVE | UNREGISTERED

    @property
    def is_busy(self) -> bool:
        """Whether events wait for the pool, or are being handled there, or wait for the stage to leave."""
        return self._queue is not None and self._queue.is_busy

    @property
    def is_leaving(self) -> bool:
        """Whether it has been told to leave, and has yet to finish what it is handling."""
        return self._queue is not None and self._queue.is_leaving

    def leave(self, successor: ChannelHandlerContext[Any, Any] | None = None) -> None:
        """Unseat the handler once it has finished what it is handling.

        Args:
            successor: the last of those that replace it, through which go the writes that it has not begun to handle.
        """
        if self._queue is not None:
            self._queue.leave(successor)

    def when_idle(self, fn: Callable[[], object]) -> None:
        """Call ``fn()`` on the loop when nothing waits for the pool any more."""
        assert self._queue is not None, "only who is busy can become idle"
        self._queue.on_idle = fn

    def part(self) -> None:
        """The handler has left, and has heard so: seat and queue let go of each other, or both would have to wait for
        the garbage collector.
        """
        self._queue = None

    def post(self, fn: Callable[..., object], *args: Any) -> None:
        """Call ``fn(*args)`` on the loop; when that has stopped, here: the others are still owed their goodbyes."""
        try:
            self.channel.loop.execute_until_stopped(fn, *args)
        except ChannelClosedError:
            with AFTER_LOOPS:
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
