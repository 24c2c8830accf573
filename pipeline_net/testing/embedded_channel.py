"""EmbeddedChannel: a channel without a network, whose other end is the test.

::

                       write_inbound(bytes)        read_outbound()
                            │                            ▲
    the test is the wire    ▼            stages          │  outbound
                         ───────────────────────────────────
    the test is the app     │                            ▲
                            ▼  inbound                   │
                       read_inbound()             write_outbound(msg)

What comes out of the stages at their application end waits in ``inbound``; what reaches the wire waits in ``outbound``:
any object, so that one stage can be tested alone.

Each of these methods plays one thing that happens to a channel, and then runs its loop until nothing is pending: when
it returns, what was written has been flushed and futures are done, as if a turn of a real loop had ended.  Time passes
by ``advance()`` alone.  The methods that every channel has (``write``, ``close``, …) do what they always do, no more:
``run_pending()`` ends the turn.

An exception that no stage handles closes the channel, as in production; then the call that caused it raises it.
"""

from __future__ import annotations

from typing import Any

from ..channel import Channel
from ..channel_life import ACTIVE, NEW, REGISTERED
from ..errors import PipelineError
from ..file_region import FileRegion
from ..handler import ChannelHandler
from ..on_pool import StageOnPool
from ..options import ChannelOptions
from ..pipeline import Stage
from ..stack import Stack
from ..transport.opening import Initializer, seat_stages
from .clock import VirtualClock
from .embedded_loop import EmbeddedLoop


class EmbeddedChannel(Channel):
    """A channel whose network is the test; active when the constructor returns.

    Args:
        stages: handlers, ``(name, handler)`` pairs or stacks, from the wire to the application.
        initializer: a bootstrap's, in the place of ``stages``: called with this channel, and treated as a server would.
        options: as for any channel; with ``auto_flush=False`` only ``flush()`` moves what was written to ``outbound``.
        local_address, remote_address: what the stages are told.

    Raises:
        PipelineError: a stage is none; or there are stages and an initializer.
        Exception: what the initializer raised, or a stage on opening, and no stage handled.
    """

    def __init__(
        self,
        *stages: Stage | Stack[Any, Any, Any, Any],
        initializer: Initializer | None = None,
        options: ChannelOptions | None = None,
        local_address: Any = "embedded",
        remote_address: Any = "test",
    ) -> None:
        loop = EmbeddedLoop()
        super().__init__(loop, ChannelOptions() if options is None else options)
        self.keeps_empty = True  # objects of stages that are tested without their encoder have no bytes
        self.inbound: list[Any] = []
        """What came out at the application's end and was not read yet, oldest first."""
        self.outbound: list[Any] = []
        """What reached the wire and was not read yet, oldest first."""
        self.reads_requested = 0
        """How many ``read()`` reached the head: what a stage asked for while ``auto_read`` was off."""
        self.peer_window: int | None = None
        """How many more bytes the peer takes, counting down; at 0 what is written stays pending.  ``None``: all."""
        self._embedded_loop = loop
        self._local_address = local_address
        self._remote_address = remote_address
        self._is_blocked = False  # a flush has stopped at the peer's window
        self._calls = 0  # calls of ours that are under way: the outermost one runs the loop
        self._raised = 0  # how many of the exceptions have been raised
        self._open(stages, initializer)

    def _open(self, stages: tuple[Stage | Stack[Any, Any, Any, Any], ...], initializer: Initializer | None) -> None:
        for stage in stages:
            _check_stage(stage)
        if stages and initializer is not None:
            raise PipelineError("an EmbeddedChannel takes stages, or an initializer that makes them, and not both")
        self._calls += 1
        try:
            if initializer is not None:
                seat_stages(self, initializer)
            for stage in stages:
                self.pipeline.add_last(*(stage.handlers if isinstance(stage, Stack) else [stage]))
            if self.state == NEW:  # unless a stage has closed it
                self.register()
            if self.state == REGISTERED:
                self.activate()
        finally:
            self._calls -= 1
        self.run_pending()

    # -- the test is the wire -----------------------------------------------------------------------

    def write_inbound(self, *msgs: Any) -> bool:
        """Let ``msgs`` arrive as one batch: each is read, then comes one ``channel_read_complete``.

        They arrive whether or not the channel ``wants_to_read``, which is there to be asked.  A stage that closes the
        channel hears of no further message of the batch.

        Returns:
            Whether there is anything to ``read_inbound()``.

        Raises:
            ChannelClosedError: the channel is closed.
            PipelineError: the input has ended.
            Exception: what reached the tail; what was delivered before can still be read.
        """
        self._embedded_loop.must_be_in_loop()
        if self.state > ACTIVE:
            raise self.closed_error()
        if not self.input_open:
            raise PipelineError(f"{self!r}: nothing can arrive after the end of input")
        self._calls += 1
        try:
            self.read_requested = False  # this batch is what was asked for
            for msg in msgs:
                if self.state == ACTIVE:
                    self.pipeline.fire_channel_read(msg)
            if msgs:
                self.pipeline.fire_channel_read_complete()
            if self.flush_is_due:
                self.send_pending()
        finally:
            self._calls -= 1
        self.run_pending()
        return bool(self.inbound)

    def read_outbound(self) -> Any:
        """Take the oldest message that reached the wire; ``None`` when there is none."""
        return self.outbound.pop(0) if self.outbound else None

    def finish_input(self) -> None:
        """Let the peer say that it will send no more: ``channel_eof``, once.

        Raises:
            Exception: what reached the tail, such as the complaint of a decoder that was left with half a frame.
        """
        self._end_input()
        self.run_pending()

    def finish(self) -> bool:
        """Play the end of a connection: the end of input, if that has not come, then ``close()``.

        While the peer takes nothing (``peer_window``), closing waits until it does or ``close_timeout`` has passed.

        Returns:
            Whether there is anything to ``read_inbound()`` or ``read_outbound()``.

        Raises:
            Exception: what reached the tail.
        """
        self._end_input()
        if self._is_outermost:
            self._run_loop()  # what the last messages have led to comes before closing
        self.close()
        self.run_pending()
        return bool(self.inbound or self.outbound)

    def _end_input(self) -> None:
        self._embedded_loop.must_be_in_loop()
        self._calls += 1
        try:
            self.end_of_input()
        finally:
            self._calls -= 1

    # -- the test is the application ----------------------------------------------------------------

    def read_inbound(self) -> Any:
        """Take the oldest message that came out at the application's end; ``None`` when there is none."""
        return self.inbound.pop(0) if self.inbound else None

    def write_outbound(self, *msgs: Any) -> bool:
        """Write ``msgs`` from the application's end.

        Returns:
            Whether there is anything to ``read_outbound()``.

        Raises:
            ChannelClosedError: the channel is closed.
            Exception: what a stage raised for one of the messages, or what reached the tail.
        """
        self._embedded_loop.must_be_in_loop()
        self._calls += 1
        try:
            promises = [self.write(msg) for msg in msgs]
        finally:
            self._calls -= 1
        if self._is_outermost:
            self._run_loop()
            for promise in promises:
                if promise.done():
                    self._record(promise.exception())
            self.check()
        return bool(self.outbound)

    # -- time, and what went wrong ------------------------------------------------------------------

    @property
    def clock(self) -> VirtualClock:
        """The clock of the loop."""
        return self._embedded_loop.clock

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass, running each timer at its time.

        Raises:
            ValueError: for less than 0 seconds.
            Exception: what reached the tail, or what a timer or a task raised.
        """
        self._embedded_loop.advance(seconds)
        self.run_pending()

    def run_pending(self) -> None:
        """Run the loop until nothing is left to do now; from inside a call that does so anyway, leave it to it.

        Raises:
            Exception: what reached the tail, or what a timer or a task raised.
        """
        if self._is_outermost:
            self._run_loop()
            self.check()

    @property
    def exceptions(self) -> list[BaseException]:
        """All that reached the tail, failed a ``write_outbound`` or was raised by a task, whether raised since
        or not.
        """
        return self._embedded_loop.exceptions

    def check(self) -> None:
        """Raise the first of the exceptions that no call has raised yet; the others are in ``exceptions``."""
        unraised = self.exceptions[self._raised :]
        self._raised = len(self.exceptions)
        if unraised:
            raise unraised[0]

    @property
    def _is_outermost(self) -> bool:
        return self._calls == 0 and not self._embedded_loop.is_running

    def _run_loop(self) -> None:
        if self._is_blocked and self.peer_window != 0:
            self.send_pending()  # a real loop would hear that the peer takes more
        self._embedded_loop.run_pending()

    def _record(self, exc: BaseException | None) -> None:
        if exc is not None and not any(exc is known for known in self.exceptions):
            self.exceptions.append(exc)

    # -- what a transport fills in ------------------------------------------------------------------

    @property
    def local_address(self) -> Any:
        """Our end, as the constructor was told."""
        return self._local_address

    @property
    def remote_address(self) -> Any:
        """The peer's end, as the constructor was told."""
        return self._remote_address

    def message_reached_tail(self, msg: Any) -> None:
        """Keep it for ``read_inbound()``."""
        self.inbound.append(msg)

    def exception_reached_tail(self, exc: BaseException) -> None:
        """Log it and close, as every channel does, and keep it for the call that caused it."""
        super().exception_reached_tail(exc)
        self._record(exc)

    def size_of(self, msg: Any) -> int:
        """Count bytes-likes and file regions exactly, and any other object as 0 bytes."""
        if isinstance(msg, bytes | bytearray | memoryview | FileRegion):
            return super().size_of(msg)
        return 0

    def transport_read(self) -> None:
        """Count what is asked for."""
        self.reads_requested += 1
        super().transport_read()

    def reading_changed(self) -> None:
        """Nothing to do: the test decides what arrives."""

    def flush_soon(self) -> None:
        """Send when the loop has run what is pending, or when the batch that is arriving ends."""
        self._embedded_loop.flush_later(self)

    def send_pending(self) -> None:
        """Move what was written to ``outbound``, as much as the peer takes; a message that does not fit is cut."""
        self.flush_is_due = False
        self._is_blocked = False
        taken = 0
        while self.unsent and not self._is_blocked:
            msg = self.unsent[0]
            size = self.size_of(msg)
            window = self.peer_window
            if window is not None and size > window > 0:
                msg, self.unsent[0] = _cut(msg, window)
                size = window
            elif window is not None and window <= 0:
                self._is_blocked = True
                break
            else:
                del self.unsent[0]
            if window is not None:
                self.peer_window = window - size
            self.outbound.append(msg)
            taken += size
        if taken:
            self.progress(taken)

    def start_closing(self) -> None:
        """Send first what has no bytes, for which nobody waits."""
        if self.was_active and self.unsent:
            self.send_pending()
        super().start_closing()

    def shut_down_transport(self) -> None:
        """Send what has no bytes and was still waiting; ``output_open`` tells the test of the rest."""
        self.send_pending()

    def release_transport(self) -> None:
        """Nothing to give back."""


def _cut(msg: Any, size: int) -> tuple[Any, Any]:
    """Cut a message where the peer's window ends, as a socket would."""
    if isinstance(msg, FileRegion):
        rest = FileRegion(msg.file, msg.offset + size, msg.count - size)
        return FileRegion(msg.file, msg.offset, size), rest
    view = memoryview(msg).cast("B")
    return view[:size].tobytes(), view[size:].tobytes()


def _check_stage(stage: Any) -> None:
    """Tell what makes stages, or holds several, from what is one."""
    if isinstance(stage, (ChannelHandler, Stack, StageOnPool, type)):
        return
    if isinstance(stage, list):
        hint = "*stages"
    elif callable(stage):
        name = getattr(stage, "__name__", "initializer")
        hint = f"initializer={name if name.isidentifier() else '…'}"
    else:
        return  # the pipeline says what it is
    raise PipelineError(
        f"an EmbeddedChannel takes the stages themselves, and not {stage!r}: did you mean EmbeddedChannel({hint})?"
    )
