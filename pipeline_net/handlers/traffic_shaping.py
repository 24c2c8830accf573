"""TrafficShapingHandler: no more bytes a second than are allowed, for one connection or for many together.

A bucket is filled with so many bytes a second, up to its burst.  Who wants to move bytes takes them out, if need be
more than are in it, and waits until what is missing has been filled in.  So everybody who waits has a place in the
queue, and a thousand connections on one bucket share it without waking each other up.

* *Reading*: what has been read is passed on and paid for afterwards; while it is not paid, the channel does not read.
  The kernel's buffer fills, and the peer's own sending slows down.
* *Writing*: what may not go yet is held here, in order with everything that comes after it.  It is pending like any
  other write: the channel turns unwritable, and its hard cap holds.
"""

from __future__ import annotations

import threading
from math import inf
from typing import TYPE_CHECKING, Any, Final

from ..file_region import FileRegion
from ..handler import TransparentHandler
from .held_writes import FLUSH, WRITE, HeldWrites, size_of

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext
    from ..future import ChannelFuture
    from ..transport.timers import TimerHandle

_PIECE: Final = 0.05  # seconds' worth of bytes; a larger write goes out in pieces of this size …
_SMALLEST: Final = 512  # bytes; … or of this one, for less is not worth a system call
_JUST_NOW: Final = 1e-6  # seconds early is in time: deadlines are sums of binary fractions


class TokenBucket:
    """``rate`` bytes a second, and ``burst`` at once after a pause; may be shared by channels of any loops.

    Args:
        rate: bytes a second.
        burst: bytes; as many as in a second unless said otherwise.

    Raises:
        ValueError: one of them is not more than 0, or infinite.
    """

    def __init__(self, rate: float, burst: float | None = None) -> None:
        for name, value in (("rate", rate), ("burst", rate if burst is None else burst)):
            if not 0 < value < inf:
                raise ValueError(f"{name} must be more than 0 bytes, and finite, not {value!r}")
        self.rate = float(rate)
        self.burst = float(rate if burst is None else burst)
        self._lock = threading.Lock()  # taken for each piece, by whatever loop its channel lives on
        self._tokens = self.burst
        self._filled_at: float | None = None  # by the clock of the loops, which is one

    def take(self, count: int, now: float) -> float:
        """Take ``count`` bytes out, and tell how many seconds later they may move."""
        with self._lock:
            if self._filled_at is None or now > self._filled_at:
                if self._filled_at is not None:
                    self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.rate)
                self._filled_at = now
            self._tokens -= count
            return max(0.0, -self._tokens / self.rate)

    def give_back(self, count: int) -> None:
        """Put bytes back that were taken and will not move."""
        with self._lock:
            self._tokens = min(self.burst, self._tokens + count)

    def __repr__(self) -> str:
        return f"<TokenBucket {self.rate:g} bytes/s, burst {self.burst:g}>"


def _bucket(given: float | TokenBucket | None) -> TokenBucket | None:
    return given if given is None or isinstance(given, TokenBucket) else TokenBucket(given)


class TrafficShapingHandler(TransparentHandler[bytes]):
    """bytes → the same, not faster than allowed.

    Seat it next to the wire.  For a limit of each connection and one of all together, seat two::

        everybody = TokenBucket(10_000_000)
        wire() >> TrafficShapingHandler(write=everybody) >> TrafficShapingHandler(read=100_000, write=100_000) >> …

    Args:
        read: bytes a second from the peer, or a bucket to share.
        write: bytes a second to the peer, or a bucket to share.

    Raises:
        WriteBufferOverflowError: more is held than ``write_buffer_limit`` allows; the channel closes.
        ValueError: neither is given, or a rate is not more than 0, or infinite.
    """

    def __init__(self, read: float | TokenBucket | None = None, write: float | TokenBucket | None = None) -> None:
        if read is None and write is None:
            raise ValueError("nothing is shaped: give read or write")
        self._read = _bucket(read)
        self._write = _bucket(write)
        self._largest = max(int(self._write.rate * _PIECE), _SMALLEST) if self._write is not None else 0  # bytes
        self._read_timer: TimerHandle | None = None  # set while reads are held
        self._read_until = 0.0
        self._held = HeldWrites()
        self._write_timer: TimerHandle | None = None
        self._paid = 0  # bytes of the first held write that were taken out of the bucket, and go when the timer fires
        self._is_releasing = False

    # -- reading ------------------------------------------------------------------------------------

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        bucket = self._read
        if bucket is not None:
            now = ctx.loop.time()
            wait = bucket.take(size_of(msg), now)
            if wait > 0:
                self._read_until = now + wait
                if self._read_timer is None:
                    ctx.channel.hold_reads()
                    self._read_timer = ctx.loop.schedule(wait, self._read_on, ctx)
        ctx.fire_channel_read(msg)

    def _read_on(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        wait = self._read_until - ctx.loop.time()
        if wait > _JUST_NOW:
            self._read_timer = ctx.loop.schedule(wait, self._read_on, ctx)  # more has come meanwhile
            return
        self._read_timer = None
        ctx.channel.release_reads()

    # -- writing ------------------------------------------------------------------------------------

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if self._write is None:
            ctx.write(msg, promise)
            return
        if self._held.queue or self._is_releasing:
            self._held.hold(ctx, WRITE, msg, promise)
            self._release(ctx)
            return
        size = size_of(msg)
        wait = 0.0
        if 0 < size <= self._largest:
            wait = self._write.take(size, ctx.loop.time())
        if size > self._largest or wait > 0:
            self._hold_first(ctx, msg, promise, size if wait > 0 else 0, wait)
        else:
            ctx.write(msg, promise)

    def _hold_first(
        self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None, paid: int, wait: float
    ) -> None:
        self._is_releasing = True  # whoever hears that the channel is full now, and writes, comes after this
        try:
            self._paid = paid
            self._held.hold(ctx, WRITE, msg, promise)
        finally:
            self._is_releasing = False
        if paid and self._held.queue:
            self._write_timer = ctx.loop.schedule(wait, self._write_on, ctx)
        else:
            self._give_back()  # it was refused
            self._release(ctx)

    def flush(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._held.queue:
            self._held.hold(ctx, FLUSH, None, None)
        else:
            ctx.flush()

    def shutdown_output(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        self._held.shutdown_output(ctx, promise)

    def close(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        self._held.close(ctx, promise)

    def _release(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Pass on what is paid for; pay for the next piece, and wait for it if need be."""
        if self._is_releasing or self._write_timer is not None:
            return
        self._is_releasing = True
        try:
            while self._held.queue and ctx.channel.is_open:
                if self._held.queue[0].operation != WRITE or self._held.queue[0].size == 0:
                    self._held.let_out(ctx)
                    continue
                if self._paid == 0:
                    wait = self._pay(ctx)
                    if wait > 0:
                        self._write_timer = ctx.loop.schedule(wait, self._write_on, ctx)
                        break
                self._pass_paid(ctx)
        finally:
            self._is_releasing = False

    def _pay(self, ctx: ChannelHandlerContext[Any, Any]) -> float:
        """Take the bytes of the next piece out of the bucket; how long until they may move."""
        bucket = self._write
        assert bucket is not None, "only what is shaped is held"
        self._paid = min(self._held.queue[0].size, self._largest)
        return bucket.take(self._paid, ctx.loop.time())

    def _pass_paid(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Pass on the first piece of the first write, or all of it."""
        first = self._held.queue[0]
        count = self._paid
        self._paid = 0
        if count == first.size:
            self._held.let_out(ctx)
            return
        if first.promise is not None and not first.promise.take_on():  # from the first piece on it cannot be cancelled
            self._give_back_bytes(count)
            self._held.drop_first(ctx)
            return
        if isinstance(first.msg, FileRegion):
            file, offset, left = first.msg.file, first.msg.offset, first.msg.count
            try:
                piece: Any = FileRegion(file, offset, count)
                first.msg = FileRegion(file, offset + count, left - count)
            except (OSError, ValueError) as exc:  # it has become shorter, or somebody has closed it
                ctx.flush()  # what was passed on before
                ctx.channel.fail(exc)
                return
        else:
            view = memoryview(first.msg).cast("B")
            piece = bytes(view[:count])
            first.msg = view[count:]
        first.size -= count
        self._held.release(ctx, count)
        ctx.write(piece)

    def _write_on(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._write_timer = None
        self._release(ctx)

    # -- life ---------------------------------------------------------------------------------------

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._stop(ctx)
        self._held.drop(ctx)
        ctx.fire_channel_inactive()

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._stop(ctx)
        while self._held.queue and ctx.channel.is_open:
            self._held.let_out(ctx)  # nobody is left to hold it back
        self._held.drop(ctx)

    def _stop(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None
            ctx.channel.release_reads()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        self._give_back()

    def _give_back(self) -> None:
        count = self._paid
        self._paid = 0
        self._give_back_bytes(count)

    def _give_back_bytes(self, count: int) -> None:
        if count and self._write is not None:
            self._write.give_back(count)
