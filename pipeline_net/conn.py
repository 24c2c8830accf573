"""Conn: a connection as an ``EventHandler`` sees it; and the stages that call the handler.

``serve()`` seats these stages on every connection, and nothing else does any I/O::

    wire ─▶ [PreWriteStage]  [codec]  ConnStage ─▶ handler.react(conn)

What has arrived is handed over as it came: as long as ``react`` consumes everything, no byte is copied.  Only what it
leaves goes into a ``RingBuffer``, whose block comes from a pool of the loop and goes back when the ring is empty, so
that an idle connection holds nothing.
"""

from __future__ import annotations

import logging
import reprlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Never, TypeAlias

from ._mypyc import mypyc_attr
from .channel import Channel
from .errors import ChannelClosedError, FrameTooLongError, PipelineError
from .event_handler import Action, EventHandler
from .handler import ChannelDuplexHandler, ChannelOutboundHandler
from .inbox import weight_of
from .ring_buffer import RingBuffer

if TYPE_CHECKING:
    from .context import ChannelHandlerContext
    from .future import ChannelFuture
    from .server import RunningServer

    Context: TypeAlias = ChannelHandlerContext[Any, Any]

logger = logging.getLogger("pipeline_net.server")

WriteCallback: TypeAlias = Callable[["Conn", BaseException | None], object]

_NO_FRAME: Final = object()  # a frame may be anything, b"" included


@mypyc_attr(allow_interpreted_subclasses=True)
class Conn:
    """A connection: what has arrived on it, and where answers go.

    ``async_write``, ``async_writev``, ``wake`` and ``close`` are for any thread; everything else is for the callbacks.

    Raises:
        BufferError: ``peek`` or ``next`` want more bytes than there are; nothing is consumed.
        ChannelClosedError: ``write`` after the connection was closed.
        PipelineError: ``write`` on a thread that is not the connection's loop.
    """

    def __init__(self, server: RunningServer, channel: Channel) -> None:
        self.server: Final = server
        self.channel: Final = channel
        self.context: Any = None
        """Whatever the application wants to remember about this connection."""
        # Unconsumed bytes lie in one of the two: in the chunk that came last, from _pos on, or in the ring.
        self._fresh = b""
        self._pos = 0
        self._ring: RingBuffer | None = None

    @property
    def local_address(self) -> Any:
        """Our end: a tuple, or a path.  Still readable after close."""
        return self.channel.local_address

    @property
    def remote_address(self) -> Any:
        """The peer's end: a tuple, or a path.  Still readable after close."""
        return self.channel.remote_address

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.remote_address!r}, {self.buffered} bytes unread>"

    # -- reading ------------------------------------------------------------------------------------

    @property
    def buffered(self) -> int:
        """How many bytes have arrived and are not consumed yet."""
        waiting = len(self._fresh) - self._pos
        return waiting if self._ring is None else waiting + len(self._ring)

    def read(self) -> bytes:
        """Consume everything that has arrived; ``b""`` when that is nothing."""
        data = self._fresh
        if self._pos or not data:
            return self.next(self.buffered)
        self._fresh = b""
        return data

    def peek(self, n: int) -> bytes:
        """Look at the next ``n`` bytes."""
        start = self._pos
        if 0 <= n <= len(self._fresh) - start:
            return self._fresh[start : start + n]
        return self._ring_with(n).peek_bytes(n)

    def next(self, n: int) -> bytes:
        """Consume the next ``n`` bytes."""
        start = self._pos
        end = start + n
        if n < 0 or end > len(self._fresh):
            return self._ring_with(n).read(n)
        data = self._fresh[start:end]
        self._skip_to(end)
        return data

    def discard(self, n: int) -> int:
        """Drop the next ``n`` bytes, or all if there are fewer; return how many."""
        if n < 0:
            raise ValueError(f"discard({n}): a count of bytes is not negative")
        if self._ring is not None and len(self._ring) > 0:
            return self._ring.discard(n)
        dropped = min(n, len(self._fresh) - self._pos)
        self._skip_to(self._pos + dropped)
        return dropped

    def reset_buffer(self) -> None:
        """Drop everything that has arrived."""
        self._fresh = b""
        self._pos = 0
        if self._ring is not None:
            self._ring.clear()

    def read_frame(self) -> Any:
        """Consume the frame for which ``react`` runs; None when it is consumed already, or there is none.

        Without a codec a frame is whatever has arrived.
        """
        return self.read() if self.buffered else None

    # -- writing ------------------------------------------------------------------------------------

    def write(self, data: Any) -> None:
        """Send ``data``, through the codec if there is one; on the loop only.

        What several callbacks write while one batch is read is sent together.
        """
        channel = self.channel
        if not channel.loop.in_loop:
            raise PipelineError(
                f"write() on {self!r} from a foreign thread: use async_write(), which is for any thread"
            )
        if not channel.is_open:
            raise channel.closed_error()
        channel.pipeline.write(data)

    def async_write(self, data: Any, callback: WriteCallback | None = None) -> None:
        """Send ``data`` from any thread, through the codec; what one thread sends arrives in order.

        It counts at once: for ``conn.channel.is_writable``, and at ``write_buffer_limit``, which closes the connection.

        Args:
            callback: called with the connection and None on the loop, once the kernel has taken the last byte; or
                with what prevented that.  Without one, data for a connection that is closed is dropped, and data that
                the codec refuses closes it.
        """
        self._post(Posted([data]), callback)

    def async_writev(self, data: Sequence[Any], callback: WriteCallback | None = None) -> None:
        """Send several pieces like ``async_write``, with nothing of anybody else's in between; the callback
        comes once, after the last.
        """
        self._post(Posted(list(data)), callback)

    def _post(self, posted: Posted, callback: WriteCallback | None) -> None:
        posted.is_awaited = callback is not None
        written = self.channel.write(posted)
        if callback is not None:
            self.report_to(callback, written)

    def report_to(self, callback: WriteCallback, written: ChannelFuture[None]) -> None:
        """Call back, on the loop, once ``written`` has an outcome."""
        report = _Report(self, callback)
        try:
            written.add_done_callback(report)
        except ChannelClosedError:
            report(written)  # the loop has stopped, so nobody is left but the caller

    # -- the rest, for any thread -------------------------------------------------------------------

    def wake(self) -> None:
        """Run ``react`` on the loop, whether or not anything has arrived; does nothing on a closed connection."""
        try:
            self.channel.loop.execute(self.channel.fire_user_event, _WAKE)
        except ChannelClosedError:
            logger.debug("%r is not woken: its loop has stopped", self)

    def close(self) -> None:
        """Close, after what was written before has been sent."""
        self.channel.close()

    # -- for the stage ------------------------------------------------------------------------------

    def receive(self, chunk: Any) -> None:
        """Bytes have arrived, or a frame."""
        if self._ring is None or self._ring.is_empty:
            self._fresh = chunk
        else:
            self._set_aside(chunk)

    def keep_rest(self) -> None:
        """``react`` has returned: move what it left into the ring, so that the chunk can go."""
        rest = self._fresh[self._pos :]
        self._fresh = b""
        self._pos = 0
        self._set_aside(rest)

    def _set_aside(self, data: bytes) -> None:
        ring = self._ring
        if ring is None:
            ring = self._ring = RingBuffer(pool=self.server.block_pool(self.channel.loop))
        limit = self.server.handler.read_buffer_limit
        if len(ring) + len(data) > limit:
            raise FrameTooLongError(len(ring) + len(data), limit)
        ring.write(data)

    def _skip_to(self, pos: int) -> None:
        if pos == len(self._fresh):
            self._fresh = b""
            self._pos = 0
        else:
            self._pos = pos

    def _ring_with(self, n: int) -> RingBuffer:
        """The ring, if ``n`` bytes can be had from it."""
        if n < 0:
            raise ValueError(f"a count of bytes is not negative, and this one is {n}")
        if self._ring is None or n > len(self._ring):
            raise BufferError(f"short buffer: {n} bytes are wanted, {self.buffered} are there")
        return self._ring


class FramedConn(Conn):
    """A connection with a codec: ``react`` runs once for each frame, and reads that one."""

    def __init__(self, server: RunningServer, channel: Channel) -> None:
        super().__init__(server, channel)
        self._frame: Any = _NO_FRAME

    def receive(self, chunk: Any) -> None:
        self._frame = chunk
        if isinstance(chunk, bytes):
            self._fresh = chunk

    def keep_rest(self) -> None:
        self.reset_buffer()  # the frame was for this call of react

    def read(self) -> bytes:
        frame = self.read_frame()
        if frame is None:
            return b""
        if not isinstance(frame, bytes):
            raise PipelineError(f"the codec makes {type(frame).__name__}, not bytes: use conn.read_frame()")
        return frame

    def read_frame(self) -> Any:
        frame = self._frame
        if frame is _NO_FRAME:
            return None
        if isinstance(frame, bytes) and len(self._fresh) - self._pos != len(frame):
            frame = super().next(self.buffered)  # part of it was consumed with next() or discard()
        self.reset_buffer()
        return frame

    def reset_buffer(self) -> None:
        super().reset_buffer()
        self._frame = _NO_FRAME


class Posted:
    """What ``async_write`` sends through the pipeline: pieces that stay together."""

    def __init__(self, pieces: list[Any]) -> None:
        self.pieces = pieces
        self.is_awaited = False  # somebody wants to hear of its end, also of a bad one

    @property
    def pending_bytes(self) -> int:
        """What it counts until the loop comes to it."""
        return sum(map(weight_of, self.pieces))


class _Report:
    """Tells the callback of ``async_write`` how it ended."""

    def __init__(self, conn: Conn, callback: WriteCallback) -> None:
        self._conn = conn
        self._callback = callback

    def __call__(self, written: ChannelFuture[None]) -> None:
        try:
            self._callback(self._conn, written.exception())
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - it costs the connection, like what any other callback raises
            self._conn.channel.pipeline.fire_exception_caught(exc)


_WAKE: Final = object()  # a user event: run react


class ConnStage(ChannelDuplexHandler[Any, Never, Any, Any]):
    """bytes, or the codec's frames → ``react``; what the callbacks return → the wire."""

    def __init__(self, handler: EventHandler, conn: Conn) -> None:
        self._handler = handler
        self._conn = conn
        self._server = conn.server
        self._is_framed = isinstance(conn, FramedConn)
        self._is_opened = False
        self._reason: BaseException | None = None  # what ended the connection, unless that was in good order

    @property
    def unread_bytes(self) -> int:
        return self._conn.buffered

    def channel_active(self, ctx: Context) -> None:
        if self._server.is_ready:
            self._open(ctx)
        else:
            ctx.channel.hold_reads()
            self._server.when_ready(ctx.loop, self._open_late, ctx)

    def _open_late(self, ctx: Context) -> None:
        channel = ctx.channel
        if channel.is_active:
            self._guarded(ctx, self._open)
            channel.release_reads()

    def _open(self, ctx: Context) -> None:
        if not self._server.take(self._conn):
            ctx.close()  # it came while the server was shutting down
            return
        self._is_opened = True
        self.obey(ctx, "on_opened", self._handler.on_opened(self._conn))

    def channel_read(self, ctx: Context, msg: Any) -> None:
        conn = self._conn
        conn.receive(msg)
        self._react(ctx)

    def _react(self, ctx: Context) -> None:
        conn = self._conn
        reply = self._handler.react(conn)
        if type(reply) is bytes:
            ctx.write(reply)
        elif reply is not None:
            self.obey(ctx, "react", reply)
        if conn._fresh or self._is_framed:
            conn.keep_rest()

    def user_event_triggered(self, ctx: Context, event: Any) -> None:
        if event is not _WAKE:
            ctx.fire_user_event_triggered(event)
        elif self._is_opened and ctx.channel.is_open:
            self._react(ctx)

    def channel_eof(self, ctx: Context) -> None:
        if self._is_opened:
            self.obey(ctx, "on_eof", self._handler.on_eof(self._conn))
        else:
            ctx.close()

    def channel_inactive(self, ctx: Context) -> None:
        if self._is_opened:
            self._is_opened = False
            try:
                action = self._handler.on_closed(self._conn, self._reason)
                self.obey(ctx, "on_closed", action, may_send=False)
            finally:
                self._conn.reset_buffer()
                self._server.forget(self._conn)
        ctx.fire_channel_inactive()

    def exception_caught(self, ctx: Context, exc: BaseException) -> None:
        if self._reason is None:
            self._reason = exc
        ctx.fire_exception_caught(exc)  # the tail logs it, and closes

    def write(self, ctx: Context, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if not isinstance(msg, Posted):
            ctx.write(msg, promise)
        elif msg.is_awaited:
            ctx.write_all(msg.pieces, promise)
        else:
            # Without a promise, what the codec refuses is no secret between the two: it closes the connection.
            ctx.write_all(msg.pieces)

    def obey(self, ctx: Context, callback: str, reply: Any, *, may_send: bool = True) -> None:
        """Do what a callback has returned: send, then act."""
        data, action = take_apart(callback, reply, may_send=may_send, any_data=self._is_framed)
        if data is not None:
            ctx.write(data)
        if action is Action.CLOSE:
            ctx.close()
        elif action is Action.SHUTDOWN:
            self._server.shutdown()

    def _guarded(self, ctx: Context, step: Callable[[Context], None]) -> None:
        """Run a step that no event of the pipeline has brought, with the same care for what it raises."""
        try:
            step(ctx)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            ctx.catch(exc)


class PreWriteStage(ChannelOutboundHandler[Any, Any]):
    """Shows the handler what goes to the wire, and sends what it gives instead.  Seated only for a handler that
    cares.
    """

    def __init__(self, handler: EventHandler, conn: Conn) -> None:
        self._handler = handler
        self._conn = conn

    def write(self, ctx: Context, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if not isinstance(msg, (bytes, bytearray, memoryview)):
            ctx.write(msg, promise)  # a region of a file: nothing that could be shown
            return
        try:
            reply = self._handler.pre_write(self._conn, msg)
            data, action = take_apart("pre_write", reply)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:
            if promise is not None:
                ctx.catch(exc)  # raising fails the promise alone; but a callback that raises costs its connection
            raise
        ctx.write(msg if data is None else data, promise)
        if action is Action.CLOSE:
            ctx.pipeline.close()
        elif action is Action.SHUTDOWN:
            self._conn.server.shutdown()


def take_apart(callback: str, reply: Any, *, may_send: bool = True, any_data: bool = False) -> tuple[Any, Action]:
    """Split what a callback returned into what to send (None: nothing) and what to do.

    Args:
        may_send: whether there is anybody to send to.
        any_data: whether a codec decides what can be sent.

    Raises:
        PipelineError: the callback may not return that.
    """
    if reply is None:
        return None, Action.NONE
    if isinstance(reply, Action):
        return None, reply
    data, action = reply, Action.NONE
    if isinstance(reply, tuple) and len(reply) == 2 and isinstance(reply[1], Action):
        data, action = reply
    if data is None:
        return None, action
    if not may_send:
        raise PipelineError(
            f"{callback} returned {reprlib.repr(reply)}: there is nobody to send to; return an Action or None"
        )
    if not any_data and not isinstance(data, (bytes, bytearray, memoryview)):
        raise PipelineError(
            f"{callback} returned {reprlib.repr(reply)}: return bytes, an Action, (bytes, Action) or None"
        )
    return data, action
