"""Channel: what a pipeline needs of a transport, from its opening to its end (``channel_life`` has the table).

Closing never re-enters a handler.  ``close()`` refuses further writes at once, sends what was written before, and lets
the socket go; the close future and the close promises complete, pending writes fail, and only then, as a task of the
loop, the handlers hear of it: ``channel_inactive`` (if it was active), ``channel_unregistered`` (if it was
registered), and ``handler_removed`` from the tail to the head.
"""

from __future__ import annotations

import logging
import reprlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ._mypyc import i64, mypyc_attr
from .channel_life import ACTIVATE, ACTIVE, CLOSE, CLOSED, CLOSING, END, REGISTER, STATE_NAMES, next_state
from .channel_posts import ChannelPosts
from .complaints import complaints_of, level_of_failure, stages_of
from .errors import (
    ChannelBrokenError,
    ChannelClosedError,
    InterpreterExitError,
    PipelineError,
    TlsError,
    WriteBufferOverflowError,
)
from .future import MAKING, ChannelFuture
from .inbox import ASK_CLOSE, ASK_FLUSH, ASK_SHUTDOWN, ASK_WRITE
from .options import ChannelOptions
from .pipeline import ChannelPipeline
from .unread_message import UnreadMessage

if TYPE_CHECKING:
    from .loop import Loop
    from .transport.timers import TimerHandle

logger = logging.getLogger("pipeline_net.channel")

_SHORT: Final = reprlib.Repr()  # of a message in the log: its beginning tells what it was
_SHORT.maxother = 200


@mypyc_attr(allow_interpreted_subclasses=True)
class Keeper:
    """Whoever keeps track of open channels, and has to hear of it when one closes."""

    def channel_closed(self, channel: Channel) -> None:
        """``channel`` is closed; called on its loop, before its close future is done."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class Channel(ChannelPosts):
    """A connection, seen from its pipeline.

    From any thread: ``write``, ``flush``, ``write_and_flush``, ``close``, ``abort``, ``shutdown_output``,
    ``fire_user_event``. What starts with ``transport_`` is asked by the pipeline's head, and answered by the
    transport.
    """

    def __init__(self, loop: Loop, options: ChannelOptions) -> None:
        facts = loop.facts_of(options)
        super().__init__(loop, facts)
        loop.channels_made += 1
        self._number = loop.channels_made
        self.was_registered = False
        self.is_aborted = False
        self.close_reason: BaseException | None = None
        self.is_given_up = False  # an exception that nobody handled has led to close()
        self._close_promises: list[ChannelFuture[Any]] | None = None
        self._close_timer: TimerHandle | None = None
        self._attrs: dict[Any, Any] | None = None
        self.keepers: tuple[Keeper, ...] = ()  # on the loop only; a tuple, so that all channels of a server share one
        self._auto_read: bool = facts.auto_read
        self.read_requested = False
        self.read_hint: i64 = 0  # bytes that the first stage would like to get as one piece next; 0: no wish
        self.read_holds: i64 = 0  # how many hold reading now
        self._read_needs: i64 = 0
        self._release_callbacks: list[Callable[[], object]] | None = None
        self.pauses_when_unwritable: bool = facts.pauses_when_unwritable
        self._close_future: ChannelFuture[None] | None = None  # made for the first who asks
        self._is_over = False  # whoever asks for it now gets one that is done
        self._pipeline = ChannelPipeline(self)

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
    def close_future(self) -> ChannelFuture[None]:
        """Done when the channel is closed, for whatever reason.  From any thread."""
        if self._close_future is None:
            with MAKING:
                if self._close_future is None:
                    future: ChannelFuture[None] = ChannelFuture(self.loop)
                    future.take_on()  # it is everybody's: who stops waiting for it must not cancel it for the others
                    self._close_future = future
            if self._is_over:  # asked after it was made: end() may have looked for it before
                self._close_future.fulfil(None)
        return self._close_future

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
            self.catch_up()
            self.pipeline.write(msg, promise)
        else:
            self.post(ASK_WRITE, msg, promise)
        return promise

    def flush(self) -> None:
        """Send now what has been written."""
        if self.loop.in_loop:
            self.catch_up()
            self.pipeline.flush()
        else:
            self.post(ASK_FLUSH, None, None)

    def write_and_flush(self, msg: Any) -> ChannelFuture[None]:
        """Write ``msg``, and send it now."""
        promise = self.write(msg)
        self.flush()
        return promise

    def shutdown_output(self) -> ChannelFuture[None]:
        """Say to the peer, after what was written before, that nothing more comes; reading goes on."""
        return self._ask_for(ASK_SHUTDOWN)

    def close(self) -> ChannelFuture[None]:
        """Send what was written before, for at most ``close_timeout`` seconds, then close."""
        return self._ask_for(ASK_CLOSE)

    def abort(self, reason: BaseException | None = None) -> None:
        """Close at once.  What has not been sent is dropped, and the peer learns that it was cut off.

        Args:
            reason: what pending writes fail with, and what every stage's ``exception_caught`` is told.
        """
        if self.loop.in_loop:
            self._abort(reason)
        else:
            try:
                self.loop.execute(self._abort, reason)
            except ChannelClosedError:
                return  # a loop that is stopping aborts its channels anyway

    def broadcast(self, msg: Any, *, flush: bool = True) -> None:
        """Write ``msg`` without a future, and flush: for whoever writes the same to many.

        Args:
            flush: without it, it is sent when the loop's turn ends, with what else is written until then.
        """
        if not self.loop.in_loop:
            self.post(ASK_WRITE, msg, None)
            if flush:
                self.post(ASK_FLUSH, None, None)
            return
        self.catch_up()
        if flush:
            self.pipeline.write_and_flush(msg)
        else:
            self.pipeline.write(msg)

    def fire_user_event(self, event: Any) -> None:
        """Announce ``event`` to every stage."""
        if self.loop.in_loop:
            self.pipeline.fire_user_event_triggered(event)
        else:
            self.loop.execute(self.fire_user_event, event)

    def _ask_for(self, operation: int) -> ChannelFuture[None]:
        promise: ChannelFuture[None] = ChannelFuture(self.loop)
        if self.loop.in_loop:
            self.catch_up()
            self.do(operation, None, promise)
        else:
            self.post(operation, None, promise)
        return promise

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
            self.shut_down_if_sent()
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
        self.room_until = -1
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
        self.room_until = -1
        self.close_reason = reason
        if self._close_timer is not None:
            self._close_timer.cancel()
            self._close_timer = None
        self.release_transport()
        self.input_open = self.output_open = False
        for keeper in self.keepers:
            keeper.channel_closed(self)
        self._is_over = True
        if self._close_future is not None:
            self._close_future.fulfil(None)
        if self._close_promises is not None:
            for promise in self._close_promises:
                promise.fulfil(None)
            self._close_promises = None
        self.fail_pending()
        self.loop.execute(_SAY_GOODBYE, self)

    def disown(self) -> None:
        """This is a forked child, and the connection its parent's: neither send, read, close nor complete anything."""
        self.state = CLOSED
        self.is_open = self.input_open = self.output_open = False
        self.room_until = -1
        self.flush_is_due = False
        self.unsent = []
        self.written = self.sent

    def fail(self, exc: BaseException) -> None:
        """The peer or the network has ended the channel, or its bounds were passed: end it, and say why."""
        if not isinstance(exc, ChannelBrokenError | WriteBufferOverflowError):
            broken = ChannelBrokenError(
                f"{exc}; the connection {self.local_address!r} to {self.remote_address!r} is gone"
            )
            broken.__cause__ = exc.with_traceback(None)  # which says where we asked, and refers to us
            exc = broken
        self.end(exc)

    def events_failed(self, exc: BaseException) -> None:
        self.fail(exc)  # nobody would look at this channel again

    def _abort(self, reason: BaseException | None = None) -> None:
        if self.state != CLOSED:
            self.is_aborted = True
            self.end(reason)

    def _say_goodbye(self) -> None:
        self.catch_up()  # what other threads asked for too late is refused in order
        try:
            if self.was_active:
                if self.close_reason is not None:  # before that, the promise of the connection says what went wrong
                    self.pipeline.fire_exception_caught(self.close_reason)
                self.pipeline.fire_channel_inactive()
            if self.was_registered:
                self.pipeline.fire_channel_unregistered()
        finally:  # an interrupt, too, lets stages give back what they hold
            self.pipeline.remove_all()

    def stages_have_left(self) -> None:
        """The pipeline is empty.  A closed channel does not refer to it any more, or both would wait for the collector;
        who asks a closed channel for its pipeline gets one that takes no stages.
        """
        if self.state == CLOSED and self._pipeline is not None:
            self._pipeline.fall_apart()
            self._pipeline = None

    def _make_pipeline(self) -> ChannelPipeline:
        pipeline = ChannelPipeline(self)
        pipeline.fall_apart()  # nor is it kept: whoever closes a closed channel would leave a ring behind
        return pipeline

    def closed_error(self) -> BaseException:
        """Make the error for whoever uses the channel now: the reason if there is one, else that it is closed."""
        if self.close_reason is not None:
            return self.close_reason
        return ChannelClosedError(f"the channel {self.id} to {self.remote_address!r} is closed")

    # -- where events end that no stage kept --------------------------------------------------------

    def exception_reached_tail(self, exc: BaseException) -> None:
        """No stage handled ``exc``: log it, with the drawn pipeline, and close.  A peer that went away is no news; and
        one with whom TLS does not work out is a line of news, for anybody may call with anything.  So is a stage that
        can run on its pool no more because the interpreter exits.  Of the same kind a few are shown (``complaints``).
        """
        if isinstance(exc, ChannelBrokenError):
            logger.debug("%s", exc)
        elif isinstance(exc, (TlsError, InterpreterExitError)) or isinstance(exc.__cause__, InterpreterExitError):
            logger.info("%s: %s", self, exc)
        else:
            pipeline = self.pipeline
            level = level_of_failure(self.loop, logger, exc, stages_of(pipeline))
            what = "%s: an exception reached the end of the pipeline, so the channel is closed\n%s"
            if logger.isEnabledFor(level):  # drawn now: who keeps the record for later would find no stages any more
                logger.log(level, what, str(self), repr(pipeline), exc_info=exc)
        if self.state < CLOSING and not self.is_given_up:
            self.is_given_up = True  # a stage whose close() raises brings us here again
            self.pipeline.close()

    def message_reached_tail(self, msg: Any) -> None:
        """No stage read ``msg``: log it, with the drawn pipeline, drop it, and tell the stages: ``UnreadMessage``."""
        pipeline = self.pipeline
        kind = f"{type(msg).__name__} that nobody read in {stages_of(pipeline)}"
        level = complaints_of(self.loop).level(logger, logging.WARNING, kind)
        if logger.isEnabledFor(level):
            what = "%s: nobody read %s; it is dropped\n%s"
            logger.log(level, what, str(self), _SHORT.repr(msg), repr(pipeline))
        self.pipeline.fire_user_event_triggered(UnreadMessage(msg))

    # -- reading ------------------------------------------------------------------------------------

    @property
    def auto_read(self) -> bool:
        """Whether to read without being asked.  May be set at any time, from any thread.

        Turning it on is a ``read()`` too, so that stages let go of what they have held back meanwhile.
        """
        return self._auto_read

    @auto_read.setter
    def auto_read(self, value: bool) -> None:
        is_asked = value and not self._auto_read
        self._auto_read = value
        if self.loop.in_loop:
            self._auto_read_changed(is_asked)
        else:
            self.loop.execute(self._auto_read_changed, is_asked)

    def _auto_read_changed(self, is_asked: bool) -> None:
        self.reading_changed()
        if is_asked and self.state == ACTIVE:
            self.pipeline.read()  # a stage may hold back what has been read already

    @property
    def wants_to_read(self) -> bool:
        """Whether the transport should read now."""
        return (
            self.state == ACTIVE
            and self.input_open
            and self.read_holds == 0
            and (self._auto_read or self.read_requested)
            and (self.is_writable or not self.pauses_when_unwritable or self._read_needs > 0)
        )

    def hold_reads(self) -> None:
        """Stop reading until ``release_reads``; several may hold at once."""
        self.read_holds += 1
        self.reading_changed()

    def release_reads(self) -> None:
        """Take one hold back."""
        assert self.read_holds > 0, "every release_reads() answers one hold_reads()"
        self.read_holds -= 1
        self.reading_changed()
        while self._release_callbacks:
            self.loop.execute(self._release_callbacks.pop(0))

    def when_released(self, fn: Callable[[], object]) -> None:
        """Run ``fn()`` as a task of the loop when a hold is taken back the next time: for who makes much of little."""
        self._release_callbacks = [*(self._release_callbacks or ()), fn]

    def need_reads(self) -> None:
        """Read until ``need_reads_no_more`` also while not writable: a handshake reads before it can send the rest."""
        self._read_needs += 1
        self.reading_changed()

    def need_reads_no_more(self) -> None:
        """Take one need back."""
        assert self._read_needs > 0, "every need_reads_no_more() answers one need_reads()"
        self._read_needs -= 1
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

    def transport_bind(self, address: Any, promise: ChannelFuture[Any] | None) -> None:
        """Take a local address, where that makes sense."""
        raise PipelineError(f"{self!r} cannot be bound to {address!r}")

    def transport_connect(self, address: Any, promise: ChannelFuture[Any] | None) -> None:
        """Connect, where that makes sense."""
        raise PipelineError(f"{self!r} cannot be connected to {address!r}")

    def release_transport(self) -> None:
        """Give back what the channel holds of the outside world."""
        raise NotImplementedError


# As a function: a method bound to each channel would be one object more for each that closes.
_SAY_GOODBYE: Final[Callable[[Channel], None]] = Channel._say_goodbye
