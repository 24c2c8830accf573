"""ChannelOutput: the writing half of a channel.

Writes are counted in bytes, exactly; also those of other threads that wait in the inbox.  More than
``write_buffer_high`` pending: not writable, and reading from that peer pauses.  Less than ``write_buffer_low``:
writable again.  What stages hold back counts, too (``hold_bytes``).  Promises are kept apart from the data, each with
the count of bytes at which it is fulfilled; so a write without a promise costs no object at all.

``shutdown_output()`` takes no more, and tells the peer once all is sent.
"""

from __future__ import annotations

import reprlib
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ._mypyc import i64, mypyc_attr
from .channel_life import ACTIVE, CLOSING, NEW
from .errors import ChannelClosedError, PipelineError, WriteBufferOverflowError
from .file_region import FileRegion
from .inbox import Inbox
from .loop import OptionFacts, Watched
from .pipeline import ChannelPipeline

if TYPE_CHECKING:
    from .context import ChannelHandlerContext
    from .future import ChannelFuture

_MANY: Final = 256  # pieces; so many small ones that wait for a slow peer become one …
_SMALL: Final = 256  # bytes; … if they are smaller than this on average: a bytes object costs 33 more, and its place


@mypyc_attr(allow_interpreted_subclasses=True)
class ChannelOutput(Watched):
    """Takes what the pipeline's head is given to write, and keeps the books of it."""

    def __init__(self, facts: OptionFacts) -> None:
        self._pipeline: ChannelPipeline | None = None
        self.state: i64 = NEW
        self.is_open = True  # nobody has closed it yet
        self.was_active = False
        self.input_open = True
        self.output_open = True
        self.has_room = True  # no more than the water marks allow waits here
        self.is_said_writable = True  # what the stages were told
        self._unfinished: i64 = 0  # messages of which some parts are still to be written
        self._tells_later = False
        self.inbox: Inbox | None = None  # made for the first thread that needs it
        self.room_until: i64 = facts.high  # written may grow up to here without a further thought
        self.unsent: list[Any] = []  # what waits to be sent, oldest first
        self.keeps_empty = False  # whether messages without a byte are put there too
        self.joins_small = False  # whether the peer does not see where one message ends and the next begins
        self._loose = 0  # pieces that were put there since the last ones were joined
        self.written: i64 = 0  # bytes taken, ever
        self.sent: i64 = 0  # bytes that the kernel has taken, ever
        self.held: i64 = 0  # bytes that were written to stages which have not passed them on yet
        self.flush_is_due = False
        self._promises: deque[tuple[int, ChannelFuture[Any]]] | None = None
        self._shutdown_promises: list[ChannelFuture[Any]] | None = None
        self._shutdown_asked = False
        self._high: i64 = facts.high
        self._low: i64 = facts.low
        self._limit: i64 = facts.limit
        self.auto_flush: bool = facts.auto_flush

    @property
    def pipeline(self) -> ChannelPipeline:
        """The stages; a closed channel has none."""
        pipeline = self._pipeline
        return self._make_pipeline() if pipeline is None else pipeline

    @property
    def pending_write_bytes(self) -> int:
        """Bytes that were written and that the kernel has not taken yet: with those that stages hold back, and those
        that other threads have written and the loop has not come to.
        """
        taken = self.written - self.sent + self.held
        return taken if self.inbox is None else taken + self.inbox.size

    @property
    def taken_write_bytes(self) -> int:
        """``pending_write_bytes`` without what the loop has not come to."""
        return self.written - self.sent + self.held

    @property
    def is_writable(self) -> bool:
        """Whether no more is pending than the water marks allow.  From any thread."""
        return self.has_room and (self.inbox is None or not self.inbox.is_full)

    def transport_write(self, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        """Queue ``msg``; it is sent when the current batch of work ends, or on ``flush()``."""
        if promise is None and isinstance(msg, bytes):
            written: i64 = self.written + len(msg)
            if self.written < written <= self.room_until:  # nearly every write: open, writable, and stays so
                if not self.flush_is_due and self.auto_flush:
                    self.flush_soon()
                    self.flush_is_due = True
                self.unsent.append(msg)
                self.written = written
                return
        self._write_with_care(msg, promise)

    def _write_with_care(self, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if self.state > ACTIVE or self._shutdown_asked:
            self._refuse_write(promise)
            return
        size: i64 = len(msg) if isinstance(msg, bytes) else self.size_of(msg)
        unsent: i64 = self.written - self.sent
        pending: i64 = unsent + self.held
        if pending >= self._limit:
            self.refuse_overflow(promise)
            return
        if promise is not None and not promise.take_on():
            return  # cancelled in time
        if not self.flush_is_due and self.auto_flush:
            self.flush_soon()  # first, because it refuses a foreign thread
            self.flush_is_due = True
        if size > 0 or self.keeps_empty:
            self.unsent.append(msg)
            self.written += size
            if not self.has_room and self.joins_small:
                self._loose += 1
                if self._loose >= _MANY:
                    self._join_small()
        if promise is not None:
            if size == 0 and unsent == 0:
                promise.set_result(None)
                return
            if self._promises is None:
                self._promises = deque()
            self._promises.append((self.written, promise))
        if self.has_room and pending + size > self._high:
            self.has_room = False
            self.room_until = -1
            self._try_to_make_room()
            if not self.auto_flush and not self.has_room:
                self.reading_changed()  # otherwise the flush that is due decides whether to go on reading

    def write_together(
        self, ctx: ChannelHandlerContext[Any, Any], messages: list[Any], promise: ChannelFuture[Any] | None
    ) -> None:
        """Let ``ctx`` write the parts of one message; stages, which may write, hear of the writability afterwards."""
        if promise is not None and not promise.take_on():
            return  # cancelled in time: otherwise the last part alone would be missing
        last = len(messages) - 1
        self._unfinished += 1
        try:
            for index, message in enumerate(messages):
                ctx.write_part(message, promise if index == last else None)
        finally:
            self._unfinished -= 1
            if self._tells_later and self._unfinished == 0:
                self._tells_later = False
                if self.state == ACTIVE:
                    self._try_to_make_room()

    def _try_to_make_room(self) -> None:
        """More is pending than the water mark allows: see whether the kernel takes it, or let the stages know.

        Whoever writes to other channels, and leaves those out that are not writable, would else leave out a quick
        reader, too: nobody tries to send to it before this turn ends.
        """
        if self._unfinished == 0 and not self.has_room and self.auto_flush:
            self.send_early()
        if self.state <= ACTIVE:
            self._tell_writability()

    def send_early(self) -> None:
        """Send what is pending, unless that is about to be done; for transports that have a kernel below them."""

    def write_nothing(self, promise: ChannelFuture[Any]) -> None:
        """A message comes to no bytes at all: its promise is kept in its turn, or fails as any other would."""
        if self.state > ACTIVE or self._shutdown_asked:
            self._refuse_write(promise)
        elif promise.take_on():
            if self.written == self.sent:
                promise.fulfil(None)
                return
            if self._promises is None:
                self._promises = deque()
            self._promises.append((self.written, promise))

    def hold_bytes(self, count: int) -> None:
        """A stage holds back ``count`` bytes that were written to it: they count at the water marks.  Negative when
        it passes them on, which it does after this call, or drops them.
        """
        self.held += count
        self.make_room()
        pending: i64 = self.written - self.sent + self.held
        if self.has_room:
            if pending > self._high:
                self.has_room = False
                self.room_until = -1
                self.writability_changed()
        elif pending < self._low or pending == 0:
            self.has_room = True
            self.make_room()
            self.writability_changed()

    def writability_changed(self) -> None:
        """``is_writable`` may have changed: let the stages know, and see whether to read."""
        if self.state == ACTIVE:
            self._tell_writability()
            self.reading_changed()

    def _tell_writability(self) -> None:
        if self._unfinished > 0:
            self._tells_later = True
            return
        is_writable = self.is_writable
        if is_writable != self.is_said_writable:
            self.is_said_writable = is_writable
            self.pipeline.fire_channel_writability_changed()

    def _join_small(self) -> None:
        """Let what waits take as much memory as it has bytes, also when it was written a few bytes at a time."""
        self._loose = 0
        last = self.unsent[-_MANY:]
        size: i64 = 0
        for piece in last:
            if not isinstance(piece, bytes):
                return
            size += len(piece)
        if size < _MANY * _SMALL:
            self.unsent[-_MANY:] = [b"".join(last)]

    def make_room(self) -> None:
        if self.has_room and self.is_open and not self._shutdown_asked:
            self.room_until = self.sent + self._high - self.held
        else:
            self.room_until = -1

    def size_of(self, msg: Any) -> int:
        """Count the bytes of what reached the head.

        Raises:
            PipelineError: it is nothing that can be sent.
        """
        if isinstance(msg, (bytes, bytearray)):
            return len(msg)
        if isinstance(msg, memoryview):
            if not msg.c_contiguous:
                raise PipelineError(
                    f"{msg!r} has gaps between its bytes, and cannot be sent as it is: write bytes(view)"
                )
            return msg.nbytes
        if isinstance(msg, FileRegion):
            return msg.count
        raise PipelineError(
            f"nobody turned {reprlib.repr(msg)} ({type(msg).__name__}) into bytes: an encoder is missing, or stands"
            f" behind the stage that writes, in\n{self.pipeline!r}"
        )

    def _refuse_write(self, promise: ChannelFuture[Any] | None) -> None:
        if promise is not None:
            if self.state <= ACTIVE:
                promise.fail_if_pending(ChannelClosedError(f"the output of {self!r} is shut down"))
            else:
                promise.fail_if_pending(self.closed_error())

    def refuse_overflow(self, promise: ChannelFuture[Any] | None) -> None:
        """Fail a write that would be too much, and the channel with it."""
        error = self.overflow_error()
        if promise is not None:
            promise.fail_if_pending(error)
        self.fail(error)

    def overflow_error(self) -> WriteBufferOverflowError:
        """Make the error for a write that finds no room."""
        return WriteBufferOverflowError(
            f"{self.pending_write_bytes} bytes wait to be sent to {self.remote_address!r}, the limit is {self._limit}:"
            " the channel is closed"
        )

    def progress(self, count: int) -> None:
        """The kernel has taken ``count`` more bytes: keep promises, see whether it is writable again."""
        self.sent += count
        if self._promises is None and self.room_until >= 0:  # nearly always: open, writable, and nobody waits
            self.room_until += count
            return
        promises = self._promises
        if promises is not None:
            while promises and promises[0][0] <= self.sent:
                promises.popleft()[1].fulfil(None)
            if not promises:
                self._promises = None
        self.make_room()
        pending: i64 = self.written - self.sent + self.held
        if not self.has_room and (pending < self._low or pending == 0):
            self.has_room = True
            if self.state == ACTIVE:
                self.make_room()
                self.writability_changed()
        if self.written == self.sent:  # asked anew: whoever heard that there is room may have written, and closed
            self.shut_down_if_sent()
            if self.state == CLOSING:
                self.drained()

    def transport_shutdown_output(self, promise: ChannelFuture[Any] | None) -> None:
        """Take no more; once all is sent, tell the peer."""
        if self.state > ACTIVE:
            if promise is not None:
                promise.fail_if_pending(self.closed_error())
            return
        if promise is not None:
            if not self.output_open:
                promise.fulfil(None)
                return
            if self._shutdown_promises is None:
                self._shutdown_promises = []
            self._shutdown_promises.append(promise)
        if self._shutdown_asked:
            return
        self._shutdown_asked = True
        self.room_until = -1
        if not self.was_active:
            self.flush_is_due = True  # once it is connected
        elif self.written > self.sent:
            self.send_pending()
        elif self.output_open:
            self._shut_down_now()

    def shut_down_if_sent(self) -> None:
        """Tell the peer that nothing more comes, if that was asked for and everything is sent."""
        if self._shutdown_asked and self.output_open and self.written == self.sent:
            self._shut_down_now()

    def _shut_down_now(self) -> None:
        self.output_open = False
        self.shut_down_transport()
        promises = self._shutdown_promises
        self._shutdown_promises = None
        if promises is not None:
            for promise in promises:
                promise.fulfil(None)
        if not self.input_open and self.state == ACTIVE:
            self.pipeline.close()  # both halves are shut

    def transport_flush(self) -> None:
        """Send now what is pending; before the channel is connected, once it is."""
        if not self.was_active:
            self.flush_is_due = True
        elif self.state <= CLOSING:
            self.send_pending()

    def fail_pending(self) -> None:
        """The channel is closed: what was not sent never will be."""
        if self.unsent:
            self.unsent = []
        self.written = self.sent
        if self._promises is None and self._shutdown_promises is None:
            return
        waiting: list[ChannelFuture[Any]] = []
        if self._promises is not None:
            waiting += [promise for _, promise in self._promises]
        if self._shutdown_promises is not None:
            waiting += self._shutdown_promises
        self._promises = None
        self._shutdown_promises = None
        error = self.closed_error()
        for promise in waiting:
            promise.fail_if_pending(error)

    # -- what the channel fills in ------------------------------------------------------------------

    def _make_pipeline(self) -> ChannelPipeline:
        """Make a pipeline without stages."""
        raise NotImplementedError

    @property
    def remote_address(self) -> Any:
        """The peer's end."""
        raise NotImplementedError

    def closed_error(self) -> BaseException:
        """Make the error for whoever uses the channel now."""
        raise NotImplementedError

    def fail(self, exc: BaseException) -> None:
        """End the channel, and say why."""
        raise NotImplementedError

    def drained(self) -> None:
        """All that had to be sent before closing is sent."""
        raise NotImplementedError

    # -- what a transport fills in ------------------------------------------------------------------

    def reading_changed(self) -> None:
        """``wants_to_read`` may have changed."""
        raise NotImplementedError

    def flush_soon(self) -> None:
        """Call ``send_pending()`` when the current batch of work ends."""
        raise NotImplementedError

    def send_pending(self) -> None:
        """Send as much of ``unsent`` as the peer takes now, and report it to ``progress()``."""
        raise NotImplementedError

    def shut_down_transport(self) -> None:
        """Tell the peer that nothing more comes."""
        raise NotImplementedError
