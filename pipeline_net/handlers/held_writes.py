"""HeldWrites: what a stage holds back on the way out, in order: writes, flushes, the end of output, closing.

A stage that delays writes has to delay all that came after them too, or a ``close()`` would overtake a file.  And what
it holds is pending like everything else: it counts at the channel's water marks and at its hard cap.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ..errors import ChannelClosedError
from ..file_region import FileRegion

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext
    from ..future import ChannelFuture
    from ..transport.timers import TimerHandle

WRITE: Final = 0
FLUSH: Final = 1
SHUTDOWN: Final = 2
CLOSE: Final = 3


def size_of(msg: Any) -> int:
    """Count the bytes of a message; 0 for what is not made of bytes yet."""
    if isinstance(msg, (bytes, bytearray)):
        return len(msg)
    if isinstance(msg, memoryview):
        return msg.nbytes
    if isinstance(msg, FileRegion):
        return msg.count
    return 0


class Held:
    """One operation that waits; ``size`` is how many bytes of it are held."""

    def __init__(self, operation: int, msg: Any, promise: ChannelFuture[Any] | None, size: int) -> None:
        self.operation = operation
        self.msg = msg
        self.promise = promise
        self.size = size


class HeldWrites:
    """A queue of operations.  The stage decides when the first one goes on."""

    def __init__(self) -> None:
        self.queue: deque[Held] = deque()
        self.bytes = 0
        self._is_ending = False  # shutdown_output() or close() waits: nothing may be written after it
        self._timer: TimerHandle | None = None

    def hold(
        self,
        ctx: ChannelHandlerContext[Any, Any],
        operation: int,
        msg: Any,
        promise: ChannelFuture[Any] | None,
        weight: int = 0,
    ) -> None:
        """Put an operation at the end of the queue, unless it comes after the end or would be too much.

        ``weight`` is how many bytes a message has that is not made of bytes itself.
        """
        channel = ctx.channel
        size = 0
        if operation == WRITE:
            if not channel.is_open or self._is_ending:
                if promise is not None:
                    closing = ChannelClosedError(f"the output of {channel!r} is being closed")
                    promise.fail_if_pending(closing if channel.is_open else channel.closed_error())
                return
            if channel.taken_write_bytes >= channel.options.write_buffer_limit:
                channel.refuse_overflow(promise)
                return
            size = weight or size_of(msg)
        elif operation == FLUSH:
            if self.queue and self.queue[-1].operation == FLUSH:
                return
        else:
            self._is_ending = True
            if operation == CLOSE and self._timer is None:
                # close() sends what was written before it for close_timeout seconds at most
                self._timer = ctx.loop.schedule(channel.options.close_timeout, channel.abort)
        self.queue.append(Held(operation, msg, promise, size))
        if size:
            self.bytes += size
            channel.hold_bytes(size)

    def shutdown_output(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        """End the output, behind all that is held."""
        if self.queue:
            self.hold(ctx, SHUTDOWN, None, promise)
        else:
            ctx.shutdown_output(promise)

    def close(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        """Close, behind all that is held, as long as that may still be sent."""
        if self.queue and ctx.channel.is_active:
            self.hold(ctx, CLOSE, None, promise)
        else:
            ctx.close(promise)

    def hold_first(
        self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None, weight: int = 0
    ) -> None:
        """Put a write in front of the queue: a part of one that goes on in parts."""
        self.queue.appendleft(Held(WRITE, msg, promise, weight))
        self.bytes += weight
        ctx.channel.hold_bytes(weight)

    def refuse_writes(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Give up what waits in front of the end of output, or of ``close()``: it will not be sent."""
        closing = ChannelClosedError(f"the output of {ctx.channel!r} is being closed")
        while self.queue and self.queue[0].operation in (WRITE, FLUSH):
            held = self.queue.popleft()
            self.release(ctx, held.size)
            if held.promise is not None:
                held.promise.fail_if_pending(closing)

    def let_out(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Let the first operation go on."""
        held = self.queue.popleft()
        if held.operation == WRITE:
            self.release(ctx, held.size)
            ctx.write(held.msg, held.promise)
        elif held.operation == FLUSH:
            ctx.flush()
        elif held.operation == SHUTDOWN:
            ctx.shutdown_output(held.promise)
        else:
            self._stop_timer()
            ctx.close(held.promise)

    def drop_first(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Forget the first operation, which nobody waits for any more."""
        self.release(ctx, self.queue.popleft().size)

    def release(self, ctx: ChannelHandlerContext[Any, Any], size: int) -> None:
        """So many bytes are passed on next, and not held any more."""
        if size:
            self.bytes -= size
            ctx.channel.hold_bytes(-size)

    def drop(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """The channel is closed: what was held never goes on, and whoever waits for it hears why."""
        self._stop_timer()
        self.release(ctx, self.bytes)
        error = ctx.channel.closed_error()
        while self.queue:
            held = self.queue.popleft()
            if held.promise is None:
                continue
            if held.operation == CLOSE:
                held.promise.fulfil(None)
            else:
                held.promise.fail_if_pending(error)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
