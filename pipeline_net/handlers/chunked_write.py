"""ChunkedWriteHandler: writes what is too large to be written at once, piece by piece, as fast as the peer takes it.

A gigabyte that is written as ``bytes`` lies in memory until the slowest of peers has read it.  Written as a file, or as
an iterator that makes it as it goes, it costs a piece or two at a time.

Each piece is written with a promise, and the next ones follow when there is room: while the channel is writable, and
in any case one, so that others who keep the channel busy cannot stop it.

The kernel can send a real file by itself, without reading it into Python: write a ``FileRegion``, which this stage lets
pass in its turn.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeAlias

from ..complaints import log_failure
from ..errors import PipelineError
from ..file_region import FileRegion
from ..handler import ChannelOutboundHandler
from .held_writes import FLUSH, WRITE, Held, HeldWrites

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext
    from ..future import ChannelFuture

Chunked: TypeAlias = "bytes | bytearray | memoryview | FileRegion | Iterator[bytes] | BinaryIO"

logger = logging.getLogger("pipeline_net.handlers")

_CHUNK: Final = 65536  # bytes read from a file at once


class ChunkedWriteHandler(ChannelOutboundHandler[Chunked, bytes | bytearray | memoryview | FileRegion]):
    """Iterators of bytes, and binary files → bytes, piece by piece; everything else → the same, in its turn.

    ::

        ctx.write(open("film.mp4", "rb"))               # read 64 KiB at a time, and closed when done
        ctx.write(b"%d\\n" % n for n in range(10**9))    # made as it is sent

    What is written after such a message waits until it is done, as do ``shutdown_output()`` and ``close()``.  The
    promise of the write is kept when the last piece has been sent.  The iterator or file is the stage's from then on,
    which closes it (if it has a ``close()``) when it is done, has failed, or the channel has closed; a ``close()`` that
    raises is logged.

    An iterator or file that raises fails its write.  If pieces of it have been sent already, the channel is aborted:
    the peer must not take the half for the whole.

    Iterators run, and files are read, on the loop: what blocks there blocks every channel of it.

    Args:
        chunk_size: bytes read from a file at once.

    Raises:
        PipelineError: to all stages: the stage was taken out while it had something to send; the channel is aborted.
        ValueError: ``chunk_size`` is below 1.
    """

    def __init__(self, chunk_size: int = _CHUNK) -> None:
        if chunk_size < 1:
            raise ValueError(f"chunk_size must be at least 1 byte, not {chunk_size}")
        self._chunk_size = chunk_size
        self._held = HeldWrites()
        self._ctx: ChannelHandlerContext[Any, Any] | None = None
        self._under_way = 0  # pieces that were written and are not sent yet
        self._is_pumping = False
        self._begun = False  # the first message of the queue has given its first piece, which is _next
        self._next: Any = None  # written when it is known whether it is the last one
        self._has_sent = False  # pieces of the first message are on their way
        self._flushes = False  # somebody has asked for all that is held to be sent

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._ctx = ctx

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._ctx = None
        if self._held.queue and ctx.channel.is_open:
            ctx.channel.abort(PipelineError("a stage was taken out while it was writing something piece by piece"))
        self._drop(ctx)

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if not self._held.queue and not _is_source(msg):
            ctx.write(msg, promise)
            return
        held = self._held
        before = len(held.queue)
        held.hold(ctx, WRITE, msg, promise)
        if len(held.queue) == before and _is_source(msg):
            _close(ctx, msg)  # it was refused
        self._pump(ctx)

    def flush(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._held.queue:
            self._held.hold(ctx, FLUSH, None, None)
            self._flushes = True
        ctx.flush()  # and what was passed on already need not wait

    def shutdown_output(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        self._held.shutdown_output(ctx, promise)

    def close(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        self._held.close(ctx, promise)

    # -- how it is done -----------------------------------------------------------------------------

    def _pump(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Pass on what there is room for."""
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            while self._held.queue and ctx.channel.is_open:
                first = self._held.queue[0]
                if first.operation != WRITE or not _is_source(first.msg):
                    self._held.let_out(ctx)
                elif self._under_way == 0 or ctx.channel.is_writable:
                    self._write_piece(ctx, first)
                else:
                    break
        finally:
            self._is_pumping = False
        if self._flushes:
            self._flushes = len(self._held.queue) > 0
            ctx.flush()
        if not ctx.channel.is_open:
            self._drop(ctx)

    def _write_piece(self, ctx: ChannelHandlerContext[Any, Any], first: Held) -> None:
        promise = first.promise
        if not self._begun and promise is not None and not promise.take_on():
            self._done_with_first(ctx)  # cancelled in time
            return
        try:
            if not self._begun:
                self._next = self._piece(first.msg)
                self._begun = True
            piece = self._next
            self._next = None if piece is None else self._piece(first.msg)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - it fails the write, or ends the channel
            self._source_raised(ctx, exc)
            return
        is_last = self._next is None
        if is_last:
            self._done_with_first(ctx)
        if piece is None:  # there was none at all
            if promise is not None:
                promise.fulfil(None)
            return
        if promise is None or not is_last:
            promise = ctx.new_promise()
        self._has_sent = not is_last
        self._under_way += 1
        promise.add_done_callback(self._piece_is_sent)
        ctx.write(piece, promise)

    def _piece(self, source: Any) -> Any:
        """Take the next piece; ``None`` when there is none."""
        if hasattr(source, "read"):  # asked first: a file is an iterator, too, of its lines
            piece = source.read(self._chunk_size)
            if not isinstance(piece, bytes):
                raise PipelineError(f"{source!r} is no file in binary mode that blocks: it gave {type(piece).__name__}")
            return piece if piece else None
        for piece in source:
            if piece is None:
                raise PipelineError(f"{source!r} gave None, which is no message")
            return piece
        return None

    def _piece_is_sent(self, sent: ChannelFuture[Any]) -> None:
        self._under_way -= 1
        ctx = self._ctx
        if ctx is None:
            return
        failure = sent.exception()
        if failure is not None and ctx.channel.is_open:
            ctx.channel.abort(failure)  # a piece is missing: the peer must not take the rest for the whole
            return
        self._pump(ctx)

    def _source_raised(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        has_sent = self._has_sent
        promise = self._held.queue[0].promise
        self._done_with_first(ctx)
        if promise is not None:
            promise.fail_if_pending(exc)
        if has_sent:
            ctx.channel.abort(exc)
        elif promise is None:
            ctx.catch(exc)

    def _done_with_first(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        first = self._held.queue.popleft()
        self._begun = False
        self._next = None
        self._has_sent = False
        _close(ctx, first.msg)

    def _drop(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        for held in self._held.queue:
            if held.operation == WRITE and _is_source(held.msg):
                _close(ctx, held.msg)
        self._begun = False
        self._next = None
        self._held.drop(ctx)


def _is_source(msg: Any) -> bool:
    return isinstance(msg, Iterator) or hasattr(msg, "read")


def _close(ctx: ChannelHandlerContext[Any, Any], source: Any) -> None:
    """Let a source go.  What that raises cannot undo what was read: it is logged, and others get their turn."""
    close = getattr(source, "close", None)
    if close is None:
        return
    try:
        close()
    except KeyboardInterrupt:
        raise
    except BaseException as exc:  # noqa: BLE001 - see above
        what = "%r, which was written piece by piece, cannot be closed"
        log_failure(ctx.channel.loop, logger, exc, "a source", what, source)
