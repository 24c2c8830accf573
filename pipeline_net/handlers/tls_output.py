"""TlsOutput: the writing half of a TLS stage.

::

    write ─▶ [waiting]  ─▶ plain, joined ─▶ records ─▶ the channel
              │               until the batch ends, a record is full, or somebody flushes
              for the handshake, or behind a file that is read piece by piece

A ``write()`` of OpenSSL makes one record at least, with 22 bytes around it; so what is written in one batch of work is
joined.  Less than one record is kept back, and only until the batch ends.  What waits longer is counted at the
channel's water marks, and more than ``write_buffer_limit`` is refused, as everywhere.

Source: RFC 8446 6.1: "Each party MUST send a "close_notify" alert before closing its write side of the connection".
"""

from __future__ import annotations

import os
import reprlib
import ssl
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from .._mypyc import i64, mypyc_attr
from ..errors import ChannelClosedError, PipelineError, TlsError
from ..file_region import FileRegion
from ..handler import ChannelDuplexHandler
from .tls_life import CLOSE, CLOSED, CLOSING, END, FAIL, FAILED, HANDSHAKING, NEW, OPEN, next_state

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext
    from ..future import ChannelFuture
    from ..loop import Loop
    from ..transport.timers import TimerHandle

_RECORD: Final = 16384  # bytes of plain text in a record; RFC 8446 5.1
_PIECE: Final = 65536  # bytes of records that are handed to the channel as one
_LARGE: Final = 65536  # bytes; what is as long as this is not copied to be joined with others
_FILE_CHUNK: Final = 262144  # bytes of a file that are read and encrypted at once; the next when these are sent


class Scratch:
    """The two buffers that the TLS stages of one loop share; empty between any two calls.

    Only a KeyboardInterrupt can leave something in them, when a loop is driven on the main thread and goes on after it:
    whoever begins sweeps that out.
    """

    def __init__(self) -> None:
        self.incoming: Final = ssl.MemoryBIO()
        self.outgoing: Final = ssl.MemoryBIO()

    def sweep(self) -> None:
        self.incoming.read()
        self.outgoing.read()


def scratch_of(loop: Loop) -> Scratch:
    """Find the buffers of a loop."""
    scratch: Scratch | None = loop.shared.get("tls")
    if scratch is None:
        scratch = loop.shared["tls"] = Scratch()
    return scratch


@mypyc_attr(allow_interpreted_subclasses=True)
class TlsOutput(ChannelDuplexHandler[bytes, bytes, bytes, bytes]):
    """bytes → records; and how the connection ends."""

    def __init__(self, close_notify_timeout: float) -> None:
        self.failure: TlsError | None = None
        """What ended it."""
        self.state: i64 = NEW
        self.tls: Any = None  # ssl.SSLObject, which is no native class
        self.seat: ChannelHandlerContext[Any, Any] | None = None
        self.scratch: Scratch = _NO_SCRATCH
        self.in_batch = False
        self.peer_is_done = False  # it has said close_notify
        self.connect_promise: ChannelFuture[Any] | None = None
        self._close_notify_timeout = close_notify_timeout
        self._timer: TimerHandle | None = None
        self._plain: list[bytes] = []  # written in this batch, not encrypted yet
        self._plain_size: i64 = 0
        self._promises: list[ChannelFuture[Any]] | None = None  # of what is in _plain
        self._encrypts_soon = False
        self._is_encrypting = False  # whoever is told of it and writes, flushes or closes must not get in between
        self._waiting: deque[tuple[Any, ChannelFuture[Any] | None]] | None = None
        self._waiting_size: i64 = 0
        self._is_letting_out = False  # what waits is being encrypted
        self._file_sent: i64 = 0  # bytes of the file at the front
        self._file_is_under_way = False
        self._output_is_shut = False
        # What was asked for too early.
        self._shutdown_is_due = False
        self._shutdown_promises: list[ChannelFuture[Any]] = []
        self._close_is_due = False
        self._close_promises: list[ChannelFuture[Any]] = []

    # -- writing ------------------------------------------------------------------------------------

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if self.state != OPEN or self._waiting is not None or self._output_is_shut or not isinstance(msg, bytes):
            self._write_with_care(ctx, msg, promise)
            return
        if promise is not None:
            if not promise.take_on():
                return  # cancelled in time
            if self._promises is None:
                self._promises = []
            self._promises.append(promise)
        size: i64 = len(msg)
        if size >= _LARGE and self._plain:
            self._encrypt_plain(ctx, False)
        self._plain.append(msg)
        self._plain_size += size
        if self._plain_size >= _RECORD:
            self._encrypt_plain(ctx, True)
        if self._plain and not self.in_batch and not self._encrypts_soon:
            self._encrypts_soon = True
            ctx.loop.execute(self._encrypt_soon)

    def _write_with_care(
        self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None
    ) -> None:
        channel = ctx.channel
        if self.state == FAILED or self.state == CLOSED or self._close_is_due or self._output_is_shut:
            if promise is not None:
                promise.fail_if_pending(self.failure or ChannelClosedError(f"the output of {channel!r} is shut down"))
            return
        if self._shutdown_is_due or self.state == CLOSING:
            if promise is not None:
                promise.fail_if_pending(ChannelClosedError(f"the output of {channel!r} is shut down"))
            return
        size = _size_of(ctx, msg)
        if isinstance(msg, (bytearray, memoryview)):
            msg = bytes(msg)  # it may change before it is encrypted
        if self.state == OPEN and self._waiting is None and not isinstance(msg, FileRegion):
            self.write(ctx, msg, promise)
            return
        if channel.taken_write_bytes >= channel.options.write_buffer_limit:
            channel.refuse_overflow(promise)
            return
        if promise is not None and not promise.take_on():
            return
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append((msg, promise))
        self._waiting_size += size
        channel.hold_bytes(size)
        if self.state == OPEN:
            self.let_out(ctx)

    def flush(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._plain:
            self._encrypt_plain(ctx, False)
        ctx.flush()

    def _encrypt_soon(self) -> None:
        """The batch of work has ended in which something was written."""
        self._encrypts_soon = False
        if self._plain and self.seat is not None and not self.in_batch:
            self._encrypt_plain(self.seat, False)

    def encrypt_batch(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Encrypt what was written in the batch that ends."""
        if self._plain:
            self._encrypt_plain(ctx, False)

    def _encrypt_plain(self, ctx: ChannelHandlerContext[Any, Any], may_keep: bool) -> None:
        """Encrypt what was written; with ``may_keep``, full records only, unless somebody waits for the rest."""
        if self._is_encrypting:
            return  # its turn comes when this is done
        plain = self._plain
        promises = self._promises
        self._promises = None
        data = plain[0] if len(plain) == 1 else b"".join(plain)
        self._plain = []
        size = self._plain_size
        self._plain_size = 0
        if may_keep and promises is None and size % _RECORD:
            whole = size - size % _RECORD
            self._plain.append(data[whole:])
            self._plain_size = size - whole
            self._encrypt(ctx, data, whole)
        else:
            self._encrypt(ctx, data, size)
        if promises is not None:
            for promise in promises:
                if self.state == OPEN and self.failure is None:
                    ctx.write(b"", promise)  # kept as soon as what was written before it has gone
                else:
                    promise.fail_if_pending(self.failure or ctx.channel.closed_error())
        if self._waiting is None:
            self._do_what_is_due(ctx)

    def _encrypt(self, ctx: ChannelHandlerContext[Any, Any], data: bytes, end: i64) -> None:
        """Put the first ``end`` bytes into records, and write these."""
        if self.state != OPEN or self.failure is not None:
            return  # nothing can be encrypted any more
        write = self.tls.write
        outgoing = self.scratch.outgoing
        if outgoing.pending:
            self.scratch.sweep()
        try:
            if end == len(data) and end <= _RECORD:
                if end > 0:
                    write(data)
                    ctx.write(outgoing.read(), None)
                return
            view = memoryview(data)
            done: i64 = 0
            self._is_encrypting = True
            while done < end and self.state == OPEN:
                stop = done + _RECORD if done + _RECORD < end else end
                done += write(view[done:stop])
                if done == end or outgoing.pending > _PIECE:
                    ctx.write(outgoing.read(), None)
        except ssl.SSLError as exc:
            self.fail(ctx, caused_by(exc, f"nothing more can be encrypted for {ctx.channel.remote_address!r}"))
        finally:
            self._is_encrypting = False

    def send(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Send what TLS itself has to say."""
        if self.scratch.outgoing.pending:
            ctx.write(self.scratch.outgoing.read(), None)
            if not ctx.channel.options.auto_flush:
                ctx.flush()

    # -- what waits ---------------------------------------------------------------------------------

    def let_out(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Encrypt what waits, as far as that goes now; then do what waits for that."""
        if self._is_letting_out or self._file_is_under_way:
            return
        self._is_letting_out = True
        released = 0
        try:
            while self._waiting and self.state == OPEN and not self._file_is_under_way:
                msg, promise = self._waiting[0]
                if isinstance(msg, FileRegion):
                    self.encrypt_batch(ctx)
                    if not self._read_file(ctx, msg):
                        break
                    continue
                self._waiting.popleft()
                released += len(msg)
                self._plain.append(msg)
                self._plain_size += len(msg)
                if promise is not None:
                    if self._promises is None:
                        self._promises = []
                    self._promises.append(promise)
                if self._plain_size >= _RECORD:
                    self._encrypt_plain(ctx, True)
        finally:
            self._is_letting_out = False
        if self.state != OPEN:
            return  # and whoever changed that has dropped the rest
        if self._waiting is not None and not self._waiting:
            self._waiting = None
        self.encrypt_batch(ctx)
        self._release(ctx, released)
        if self._waiting is None:
            self._do_what_is_due(ctx)

    def _do_what_is_due(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Shut the output or close, if that was asked for while something was still to be encrypted."""
        if self._shutdown_is_due and self.state == OPEN:
            self._shut_down(ctx)
        if self._close_is_due and self.state == OPEN:
            self._close_now(ctx)

    def _release(self, ctx: ChannelHandlerContext[Any, Any], count: int) -> None:
        if count:
            self._waiting_size -= count
            ctx.channel.hold_bytes(-count)

    def _read_file(self, ctx: ChannelHandlerContext[Any, Any], region: FileRegion) -> bool:
        """Encrypt the next chunk of the file at the front; the one after it once this one is sent.  Whether all is
        done.
        """
        assert self._waiting is not None, "the file waits there"
        promise = self._waiting[0][1]
        left = region.count - self._file_sent
        try:
            # From a file with holes, or on another machine, it may be less than was asked for.
            chunk = os.pread(region.file.fileno(), min(left, _FILE_CHUNK), region.offset + self._file_sent)
            if not chunk and left:
                raise OSError(f"{region!r}: the file has become shorter than it was")
        except (OSError, ValueError) as exc:  # it has become shorter, or somebody has closed it
            ctx.flush()  # what was written before it
            ctx.channel.fail(exc)  # which drops what waits, as soon as the stages hear of it
            return False
        self._encrypt(ctx, chunk, len(chunk))
        self._file_sent += len(chunk)
        if self._file_sent >= region.count:
            self._waiting.popleft()
            self._file_sent = 0
            if promise is not None:
                ctx.write(b"", promise)
            self._release(ctx, region.count)
            return True
        self._file_is_under_way = True
        sent = ctx.new_promise()
        sent.add_done_callback(self._chunk_is_sent)
        ctx.write(b"", sent)
        return False

    def _chunk_is_sent(self, sent: ChannelFuture[Any]) -> None:
        self._file_is_under_way = False
        if self.seat is not None and self.state == OPEN and sent.exception() is None:
            self.let_out(self.seat)

    # -- the end ------------------------------------------------------------------------------------

    def shutdown_output(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        """Say close_notify, after what was written before, and shut the channel's output."""
        if self.state in (NEW, HANDSHAKING) or (
            self.state == OPEN and (self._waiting is not None or self._is_encrypting)
        ):
            self._shutdown_is_due = True
            if promise is not None:
                self._shutdown_promises.append(promise)
        elif self.state == OPEN and not self._output_is_shut:
            if promise is not None:
                self._shutdown_promises.append(promise)
            self._shut_down(ctx)
        else:
            ctx.shutdown_output(promise)

    def _shut_down(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._shutdown_is_due = False
        promises = self._shutdown_promises
        self._shutdown_promises = []
        self._say_goodbye(ctx)
        for promise in promises:
            ctx.shutdown_output(promise)
        if not promises:
            ctx.shutdown_output(None)
        if self.peer_is_done and self.state == OPEN:
            ctx.pipeline.close()  # both halves are shut

    @property
    def output_is_shut(self) -> bool:
        """Whether we have said close_notify."""
        return self._output_is_shut

    def _say_goodbye(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Encrypt the rest, and close_notify after it; once."""
        while self._plain and self.state == OPEN:
            self._encrypt_plain(ctx, False)  # whoever hears of it may have written more
        if self._output_is_shut or self.state != OPEN or self.failure is not None:
            return
        self._output_is_shut = True
        self.scratch.sweep()
        try:
            self.tls.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass  # it also looks whether the peer has said goodbye, which we hear of when it does
        except ssl.SSLError as exc:
            self.fail(ctx, caused_by(exc, f"no close_notify for {ctx.channel.remote_address!r}"))
            return
        self.send(ctx)

    def close(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        """Send what was written before, then close_notify, and close; when something waits, once that is sent."""
        if self.state == CLOSING or self._close_is_due:
            if promise is not None:
                self._close_promises.append(promise)
        elif self.state == HANDSHAKING and self._waiting:
            self._close_is_due = True  # the timer of the handshake runs already
            if promise is not None:
                self._close_promises.append(promise)
        elif self.state == OPEN:
            if promise is not None:
                self._close_promises.append(promise)
            if self._waiting is not None or self._is_encrypting:
                self._close_is_due = True
                self.set_timer(ctx.channel.options.close_timeout or 1e-9)
            else:
                self._close_now(ctx)
        else:
            self.forget(ctx, ctx.channel.closed_error())
            ctx.close(promise)

    def _close_now(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._close_is_due = False
        self._say_goodbye(ctx)
        if self.state != OPEN:
            return  # that failed
        if self._close_notify_timeout > 0 and not self.peer_is_done and ctx.channel.input_open:
            self.state = next_state(self.state, CLOSE)
            self.set_timer(self._close_notify_timeout)
            if not ctx.channel.auto_read:
                ctx.read()
        else:
            self.end(ctx)

    def end(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """TLS has nothing more to say: close the channel."""
        self.forget(ctx, ctx.channel.closed_error())
        if not self._close_promises:
            ctx.close(None)
        self.pass_on_close(ctx)

    def pass_on_close(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Let the channel keep the promises of closing that were kept back."""
        promises = self._close_promises
        self._close_promises = []
        for promise in promises:
            ctx.close(promise)

    def fail(self, ctx: ChannelHandlerContext[Any, Any], error: TlsError) -> None:
        """Tell the peer why (the alert lies there), tell the stages, and close."""
        if self.state in (CLOSED, FAILED):
            return
        self.state = next_state(self.state, FAIL)
        self.failure = error
        self.send(ctx)
        promise = self.connect_promise
        self.connect_promise = None
        self.forget(ctx, error)
        try:
            if promise is None or not promise.fail_if_pending(error):
                self.exception_caught(ctx, error)
        finally:
            self.end(ctx)

    def forget(self, ctx: ChannelHandlerContext[Any, Any], error: BaseException) -> None:
        """It is over: nothing is kept, and nobody is left waiting."""
        self.state = next_state(self.state, END)
        self.set_timer(0.0)
        self._plain = []
        self._plain_size = 0
        promises = self._shutdown_promises
        self._shutdown_promises = []
        if self._promises is not None:
            promises += self._promises
            self._promises = None
        if self.connect_promise is not None:
            promises.append(self.connect_promise)
            self.connect_promise = None
        if self._waiting is not None:
            promises += [promise for _, promise in self._waiting if promise is not None]
            self._waiting = None
            self._release(ctx, self._waiting_size)
        for promise in promises:
            promise.fail_if_pending(self.failure or error)

    def set_timer(self, seconds: float) -> None:
        """Call ``time_is_up()`` after so many seconds, instead of whatever was set before; 0 for never."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds > 0 and self.seat is not None:
            self._timer = self.seat.loop.schedule(seconds, self.time_is_up)

    def time_is_up(self) -> None:
        """What was waited for did not come."""
        raise NotImplementedError


def _size_of(ctx: ChannelHandlerContext[Any, Any], msg: Any) -> int:
    if isinstance(msg, FileRegion):
        return msg.count
    if isinstance(msg, (bytes, bytearray, memoryview)):
        return ctx.channel.size_of(msg)
    raise PipelineError(
        f"nobody turned {reprlib.repr(msg)} ({type(msg).__name__}) into bytes, and only these can be encrypted:"
        f" an encoder is missing, or stands behind the stage that writes, in\n{ctx.pipeline!r}"
    )


def caused_by(exc: Exception, what: str) -> TlsError:
    """Wrap an error of OpenSSL: say it in its words, without the place in its source."""
    reason = getattr(exc, "verify_message", "") or getattr(exc, "reason", "") or str(exc)
    error = TlsError(f"{what}: {str(reason).replace('_', ' ').lower()}")
    error.__cause__ = exc
    return error


_NO_SCRATCH: Final = Scratch()  # of a stage that has no seat yet
