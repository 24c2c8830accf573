"""Channel: what a pipeline needs of a transport, and its life.

The life of a channel is a table.  A missing row is an error of ours, and says which::

    NEW ──register──▶ REGISTERED ──activate──▶ ACTIVE ──close──▶ CLOSING ──end──▶ CLOSED
     └───────close───────┴──────────▶ CLOSING           (end from anywhere: the peer or the network ended it)

Closing never re-enters a handler.  ``close()`` refuses further writes at once, sends what was written before, and lets
the socket go; the close future and the close promises complete, pending writes fail, and only then, as a task of the
loop, the handlers hear of it: ``channel_inactive`` (if it was active), ``channel_unregistered`` (if it was
registered), and ``handler_removed`` from the tail to the head.

Writes are counted in bytes, exactly.  More than ``write_buffer_high`` pending: not writable, and reading from that
peer pauses. Less than ``write_buffer_low``: writable again.  Promises are kept apart from the data, each with the
count of bytes at which it is fulfilled; so a write without a promise costs no object at all.

From another thread, an operation is put into the channel's inbox.  Whoever uses the channel on the loop empties the
inbox first, so that writes keep their order, whatever thread they come from.
"""

from __future__ import annotations

import logging
import reprlib
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ._mypyc import i64, mypyc_attr
from .errors import ChannelBrokenError, ChannelClosedError, PipelineError, WriteBufferOverflowError
from .file_region import FileRegion
from .future import ChannelFuture
from .loop import Watched
from .options import ChannelOptions
from .pipeline import ChannelPipeline

if TYPE_CHECKING:
    from .loop import Loop
    from .transport.timers import TimerHandle

logger = logging.getLogger("pipeline_net.channel")

NEW: Final = 0
REGISTERED: Final = 1
ACTIVE: Final = 2
CLOSING: Final = 3  # what was written is being sent; nothing more is taken
CLOSED: Final = 4
STATE_NAMES: Final = ("NEW", "REGISTERED", "ACTIVE", "CLOSING", "CLOSED")

REGISTER: Final = "register"
ACTIVATE: Final = "activate"
CLOSE: Final = "close"
END: Final = "end"

LIFE: Final[dict[tuple[int, str], int]] = {
    (NEW, REGISTER): REGISTERED,
    (REGISTERED, ACTIVATE): ACTIVE,
    (NEW, CLOSE): CLOSING,
    (REGISTERED, CLOSE): CLOSING,
    (ACTIVE, CLOSE): CLOSING,
    (NEW, END): CLOSED,
    (REGISTERED, END): CLOSED,
    (ACTIVE, END): CLOSED,
    (CLOSING, END): CLOSED,
}


def next_state(state: int, step: str) -> int:
    """Look up the table of a channel's life."""
    following = LIFE.get((state, step))
    if following is None:
        raise AssertionError(f"a channel that is {STATE_NAMES[state]} cannot {step}")
    return following


_WRITE: Final = 0
_FLUSH: Final = 1
_SHUTDOWN: Final = 2
_CLOSE: Final = 3


@mypyc_attr(allow_interpreted_subclasses=True)
class Keeper:
    """Whoever keeps track of open channels, and has to hear of it when one closes."""

    def channel_closed(self, channel: Channel) -> None:
        """``channel`` is closed; called on its loop, before its close future is done."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class Channel(Watched):
    """A connection, seen from its pipeline.

    From any thread: ``write``, ``flush``, ``write_and_flush``, ``close``, ``abort``, ``shutdown_output``,
    ``fire_user_event``. What starts with ``transport_`` is asked by the pipeline's head, and answered by the
    transport.
    """

    def __init__(self, loop: Loop, options: ChannelOptions) -> None:
        self.loop = loop
        self.options = options
        loop.channels_made += 1
        self._number = loop.channels_made
        self.state: i64 = NEW
        self.is_open = True  # nobody has closed it yet
        self.was_registered = False
        self.was_active = False
        self.is_aborted = False
        self.close_reason: BaseException | None = None
        self._close_promises: list[ChannelFuture[Any]] | None = None
        self._close_timer: TimerHandle | None = None
        self._attrs: dict[Any, Any] | None = None
        self.keepers: tuple[Keeper, ...] = ()  # on the loop only; a tuple, so that all channels of a server share one
        self._inbox: list[tuple[int, Any, ChannelFuture[Any] | None]] = []
        self._inbox_done = 0  # how many of the inbox have been done
        # reading
        self.input_open = True
        self._auto_read: bool = options.auto_read
        self.read_requested = False
        self.read_hint: i64 = 0  # bytes that the first stage would like to get as one piece next; 0: no wish
        self._read_holds: i64 = 0
        # writing
        self.output_open = True
        self.is_writable = True
        self._room_until: i64 = options.write_buffer_high  # written may grow up to here without a further thought
        self.unsent: list[Any] = []  # what waits to be sent, oldest first
        self.keeps_empty = False  # whether messages without a byte are put there too
        self.written: i64 = 0  # bytes taken, ever
        self.sent: i64 = 0  # bytes that the kernel has taken, ever
        self.flush_is_due = False
        self._promises: deque[tuple[int, ChannelFuture[Any]]] | None = None
        self._shutdown_promises: list[ChannelFuture[Any]] | None = None
        self._shutdown_asked = False
        self._high: i64 = options.write_buffer_high
        self._low: i64 = options.write_buffer_low
        self._limit: i64 = options.write_buffer_limit
        self._auto_flush: bool = options.auto_flush
        self._pause_when_unwritable: bool = options.pause_reads_when_unwritable
        self.close_future: ChannelFuture[None] = ChannelFuture(loop)
        self.close_future.take_on()  # it is everybody's: who stops waiting for it must not cancel it for the others
        self.pipeline = ChannelPipeline(self)

    # -- what everybody may ask ---------------------------------------------------------------------

    @property
    def id(self) -> str:
        """A name that no other channel of this process has."""
        return f"{self.loop.name}/{self._number}"

    @property
    def local_address(self) -> Any:
        """Our end: what the socket module gives, a tuple or a path.  Still readable after close."""
        return None

    @property
    def remote_address(self) -> Any:
        """The peer's end: what the socket module gives, a tuple or a path.  Still readable after close."""
        return None

    @property
    def attrs(self) -> dict[Any, Any]:
        """A dict for the user's own data."""
        if self._attrs is None:
            self._attrs = {}
        return self._attrs

    @property
    def is_active(self) -> bool:
        """Whether it is connected, and open."""
        return self.state == ACTIVE

    @property
    def pending_write_bytes(self) -> int:
        """Bytes that were written and that the kernel has not taken yet."""
        return self.written - self.sent

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.id} {STATE_NAMES[self.state].lower()},"
            f" {self.local_address!r} to {self.remote_address!r}>"
        )

    def new_promise(self) -> ChannelFuture[Any]:
        """Make a future that this channel's loop will complete."""
        return ChannelFuture(self.loop)

    # -- what everybody may do, from any thread -----------------------------------------------------

    def write(self, msg: Any) -> ChannelFuture[None]:
        """Write ``msg`` through the whole pipeline.  The future is done when the kernel has taken its last byte."""
        promise: ChannelFuture[None] = ChannelFuture(self.loop)
        if self.loop.in_loop:
            self._catch_up()
            self.pipeline.write(msg, promise)
        else:
            self._post(_WRITE, msg, promise)
        return promise

    def flush(self) -> None:
        """Send now what has been written."""
        if self.loop.in_loop:
            self._catch_up()
            self.pipeline.flush()
        else:
            self._post(_FLUSH, None, None)

    def write_and_flush(self, msg: Any) -> ChannelFuture[None]:
        """Write ``msg``, and send it now."""
        promise = self.write(msg)
        self.flush()
        return promise

    def shutdown_output(self) -> ChannelFuture[None]:
        """Say to the peer, after what was written before, that nothing more comes; reading goes on."""
        promise: ChannelFuture[None] = ChannelFuture(self.loop)
        if self.loop.in_loop:
            self._catch_up()
            self.pipeline.shutdown_output(promise)
        else:
            self._post(_SHUTDOWN, None, promise)
        return promise

    def close(self) -> ChannelFuture[None]:
        """Send what was written before, for at most ``close_timeout`` seconds, then close."""
        promise: ChannelFuture[None] = ChannelFuture(self.loop)
        if self.loop.in_loop:
            self._catch_up()
            self.pipeline.close(promise)
        else:
            self._post(_CLOSE, None, promise)
        return promise

    def abort(self) -> None:
        """Close at once.  What has not been sent is dropped, and the peer learns that it was cut off."""
        if self.loop.in_loop:
            self._abort()
        else:
            self._execute_or_ignore()

    def broadcast(self, msg: Any) -> None:
        """Write and flush ``msg`` without a future: for whoever writes the same to many."""
        if self.loop.in_loop:
            self._catch_up()
            self.pipeline.write_and_flush(msg)
        else:
            self._post(_WRITE, msg, None)
            self._post(_FLUSH, None, None)

    def fire_user_event(self, event: Any) -> None:
        """Announce ``event`` to every stage."""
        if self.loop.in_loop:
            self.pipeline.fire_user_event_triggered(event)
        else:
            self.loop.execute(self.pipeline.fire_user_event_triggered, event)

    def _execute_or_ignore(self) -> None:
        try:
            self.loop.execute(self._abort)
        except ChannelClosedError:
            assert self.state == CLOSED, "a loop that has stopped has closed its channels"

    def _post(self, operation: int, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        self._inbox.append((operation, msg, promise))
        try:
            self.loop.execute(self._catch_up)
        except ChannelClosedError as exc:
            if promise is None:
                return
            if operation == _CLOSE:
                promise.fulfil(None)  # a loop that has stopped has closed its channels
            else:
                promise.fail_if_pending(exc)

    def _catch_up(self) -> None:
        """Do what other threads have asked for so far."""
        inbox = self._inbox
        while self._inbox_done < len(inbox):
            # One by one: what it leads to may come here again, and must find the rest in order.
            operation, msg, promise = inbox[self._inbox_done]
            self._inbox_done += 1
            if operation == _WRITE:
                self.pipeline.write(msg, promise)
            elif operation == _FLUSH:
                self.pipeline.flush()
            elif operation == _SHUTDOWN:
                self.pipeline.shutdown_output(promise)
            else:
                self.pipeline.close(promise)
        if self._inbox_done > 0:
            del inbox[: self._inbox_done]  # others may have appended meanwhile; only the loop removes
            self._inbox_done = 0

    # -- life: on the loop --------------------------------------------------------------------------

    def register(self) -> None:
        """The stages are seated: tell them that the channel has its loop."""
        self.state = next_state(self.state, REGISTER)
        self.was_registered = True
        self.pipeline.fire_channel_registered()

    def activate(self, promise: ChannelFuture[Any] | None = None) -> None:
        """The channel is connected: keep the promise of that, tell the stages, and let out what they wrote before."""
        if self.state >= CLOSING:
            return  # a handler has closed it meanwhile
        if promise is not None and not promise.take_on():
            self._abort()  # whoever asked for the connection has given it up
            return
        self.state = next_state(self.state, ACTIVATE)
        self.was_active = True
        if promise is not None:
            promise.fulfil(self)
        self.pipeline.fire_channel_active()
        if self.flush_is_due and self.state == ACTIVE:
            self.send_pending()
            if self._shutdown_asked and self.output_open and self.written == self.sent:
                self._shut_down_now()
        self.reading_changed()

    def transport_close(self, promise: ChannelFuture[Any] | None) -> None:
        """Begin to close: take no more, send what was taken, then end."""
        if self.state == CLOSED:
            if promise is not None:
                promise.fulfil(None)
            return
        if promise is not None:
            if self._close_promises is None:
                self._close_promises = []
            self._close_promises.append(promise)
        if self.state == CLOSING:
            return
        self.state = next_state(self.state, CLOSE)
        self.is_open = False
        self._room_until = -1
        self.start_closing()

    def start_closing(self) -> None:
        """Send what is pending, if the transport can, and then end."""
        if self.was_active and self.output_open and self.written > self.sent:
            self.send_pending()
        if self.state == CLOSED:
            return
        if self.was_active and self.output_open and self.written > self.sent:
            self.set_close_timer(self.options.close_timeout)
        else:
            self.drained()

    def set_close_timer(self, seconds: float) -> None:
        """Closing may take this long; then it is cut short."""
        if self._close_timer is not None:
            self._close_timer.cancel()
        self._close_timer = self.loop.schedule(seconds, self.close_timed_out)

    def close_timed_out(self) -> None:
        """Closing has taken too long."""
        self._abort()

    def drained(self) -> None:
        """All that had to be sent before closing is sent."""
        self.end(None)

    def end(self, reason: BaseException | None) -> None:
        """Let the transport go, and tell everybody: futures now, handlers as the loop's next task."""
        if self.state == CLOSED:
            return
        self.state = next_state(self.state, END)
        self.is_open = False
        self._room_until = -1
        self.close_reason = reason
        if self._close_timer is not None:
            self._close_timer.cancel()
            self._close_timer = None
        self.release_transport()
        self.input_open = False
        self.output_open = False
        for keeper in self.keepers:
            keeper.channel_closed(self)
        self.close_future.set_result(None)
        if self._close_promises is not None:
            for promise in self._close_promises:
                promise.fulfil(None)
            self._close_promises = None
        self._fail_pending(reason)
        self.loop.execute(self._say_goodbye)

    def fail(self, exc: BaseException) -> None:
        """The peer or the network has ended the channel, or its bounds were passed: end it, and say why."""
        if not isinstance(exc, ChannelBrokenError | WriteBufferOverflowError):
            broken = ChannelBrokenError(
                f"{exc}; the connection {self.local_address!r} to {self.remote_address!r} is gone"
            )
            broken.__cause__ = exc
            exc = broken
        self.end(exc)

    def events_failed(self, exc: BaseException) -> None:
        self.fail(exc)  # nobody would look at this channel again

    def _abort(self) -> None:
        if self.state != CLOSED:
            self.is_aborted = True
            self.end(None)

    def _say_goodbye(self) -> None:
        self._catch_up()  # what other threads asked for too late is refused in order
        if self.was_active:
            if self.close_reason is not None:  # before that, the promise of the connection says what went wrong
                self.pipeline.fire_exception_caught(self.close_reason)
            self.pipeline.fire_channel_inactive()
        if self.was_registered:
            self.pipeline.fire_channel_unregistered()
        self.pipeline.remove_all()

    def _fail_pending(self, reason: BaseException | None) -> None:
        self.unsent = []
        self.written = self.sent
        promises = self._promises
        self._promises = None
        if promises is not None:
            for _, promise in promises:
                promise.fail_if_pending(self.closed_error())
        shutdown_promises = self._shutdown_promises
        self._shutdown_promises = None
        if shutdown_promises is not None:
            for promise in shutdown_promises:
                promise.fail_if_pending(self.closed_error())

    def closed_error(self) -> BaseException:
        """Make the error for whoever uses the channel now: the reason if there is one, else that it is closed."""
        if self.close_reason is not None:
            return self.close_reason
        return ChannelClosedError(f"the channel {self.id} to {self.remote_address!r} is closed")

    # -- where events end that no stage kept --------------------------------------------------------

    def exception_reached_tail(self, exc: BaseException) -> None:
        """No stage handled ``exc``: log it, with the drawn pipeline, and close.  A peer that went away is no news."""
        if isinstance(exc, ChannelBrokenError):
            logger.debug("%s", exc)
        else:
            logger.error(
                "%s: an exception reached the end of the pipeline, so the channel is closed\n%r",
                self,
                self.pipeline,
                exc_info=exc,
            )
        if self.state < CLOSING:
            self.pipeline.close()

    def message_reached_tail(self, msg: Any) -> None:
        """No stage read ``msg``: log it, with the drawn pipeline, and drop it."""
        logger.warning("%s: nobody read %s; it is dropped\n%r", self, reprlib.repr(msg), self.pipeline)

    # -- reading ------------------------------------------------------------------------------------

    @property
    def auto_read(self) -> bool:
        """Whether to read without being asked.  May be set at any time, from any thread."""
        return self._auto_read

    @auto_read.setter
    def auto_read(self, value: bool) -> None:
        self._auto_read = value
        if self.loop.in_loop:
            self.reading_changed()
        else:
            self.loop.execute(self.reading_changed)

    @property
    def wants_to_read(self) -> bool:
        """Whether the transport should read now."""
        return (
            self.state == ACTIVE
            and self.input_open
            and self._read_holds == 0
            and (self._auto_read or self.read_requested)
            and (self.is_writable or not self._pause_when_unwritable)
        )

    def hold_reads(self) -> None:
        """Stop reading until ``release_reads``; several may hold at once."""
        self._read_holds += 1
        self.reading_changed()

    def release_reads(self) -> None:
        """Take one hold back."""
        assert self._read_holds > 0, "every release_reads() answers one hold_reads()"
        self._read_holds -= 1
        self.reading_changed()

    def transport_read(self) -> None:
        """One more batch is asked for."""
        if not self._auto_read and not self.read_requested:
            self.read_requested = True
            self.reading_changed()

    def end_of_input(self) -> None:
        """The peer will send no more: tell the stages, once."""
        if not self.input_open:
            return
        self.input_open = False
        self.reading_changed()
        self.pipeline.fire_channel_eof()
        if not self.output_open and self.state == ACTIVE:
            self.pipeline.close()  # both halves are shut

    # -- writing ------------------------------------------------------------------------------------

    def transport_write(self, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        """Queue ``msg``; it is sent when the current batch of work ends, or on ``flush()``."""
        if promise is None and isinstance(msg, bytes):
            written: i64 = self.written + len(msg)
            if self.written < written <= self._room_until:  # nearly every write: open, writable, and stays so
                if not self.flush_is_due and self._auto_flush:
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
        pending: i64 = self.written - self.sent
        if pending >= self._limit:
            self._overflow(promise)
            return
        if promise is not None and not promise.take_on():
            return  # cancelled in time
        if not self.flush_is_due and self._auto_flush:
            self.flush_soon()  # first, because it refuses a foreign thread
            self.flush_is_due = True
        if size > 0 or self.keeps_empty:
            self.unsent.append(msg)
            self.written += size
        if promise is not None:
            if size == 0 and pending == 0:
                promise.set_result(None)
                return
            if self._promises is None:
                self._promises = deque()
            self._promises.append((self.written, promise))
        if self.is_writable and pending + size > self._high:
            self.is_writable = False
            self._room_until = -1
            self.pipeline.fire_channel_writability_changed()
            if not self._auto_flush:
                self.reading_changed()  # otherwise the flush that is due decides whether to go on reading

    def _make_room(self) -> None:
        if self.is_writable and self.is_open and not self._shutdown_asked:
            self._room_until = self.sent + self._high
        else:
            self._room_until = -1

    def size_of(self, msg: Any) -> int:
        """Count the bytes of what reached the head.

        Raises:
            PipelineError: it is nothing that can be sent.
        """
        if isinstance(msg, (bytes, bytearray)):
            return len(msg)
        if isinstance(msg, memoryview):
            return msg.nbytes
        if isinstance(msg, FileRegion):
            return msg.count
        raise PipelineError(
            f"nobody turned {reprlib.repr(msg)} ({type(msg).__name__}) into bytes: an encoder is missing in\n{self.pipeline!r}"
        )

    def _refuse_write(self, promise: ChannelFuture[Any] | None) -> None:
        if promise is not None:
            if self.state <= ACTIVE:
                promise.fail_if_pending(ChannelClosedError(f"the output of {self!r} is shut down"))
            else:
                promise.fail_if_pending(self.closed_error())

    def _overflow(self, promise: ChannelFuture[Any] | None) -> None:
        error = WriteBufferOverflowError(
            f"{self.pending_write_bytes} bytes wait to be sent to {self.remote_address!r}, the limit is {self._limit}:"
            " the channel is closed"
        )
        if promise is not None:
            promise.fail_if_pending(error)
        self.fail(error)

    def progress(self, count: int) -> None:
        """The kernel has taken ``count`` more bytes: keep promises, see whether it is writable again."""
        self.sent += count
        promises = self._promises
        if promises is not None:
            while promises and promises[0][0] <= self.sent:
                promises.popleft()[1].fulfil(None)
            if not promises:
                self._promises = None
        self._make_room()
        pending: i64 = self.written - self.sent
        if not self.is_writable and (pending < self._low or pending == 0):
            self.is_writable = True
            if self.state == ACTIVE:
                self._make_room()
                self.pipeline.fire_channel_writability_changed()
                self.reading_changed()
        if pending == 0:
            if self._shutdown_asked and self.output_open:
                self._shut_down_now()
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
        self._room_until = -1
        if not self.was_active:
            self.flush_is_due = True  # once it is connected
        elif self.written > self.sent:
            self.send_pending()
        elif self.output_open:
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

    def transport_bind(self, address: Any, promise: ChannelFuture[Any] | None) -> None:
        """Take a local address, where that makes sense."""
        raise PipelineError(f"{self!r} cannot be bound to {address!r}")

    def transport_connect(self, address: Any, promise: ChannelFuture[Any] | None) -> None:
        """Connect, where that makes sense."""
        raise PipelineError(f"{self!r} cannot be connected to {address!r}")

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

    def release_transport(self) -> None:
        """Give back what the channel holds of the outside world."""
        raise NotImplementedError
