"""DatagramConn: one datagram as an ``EventHandler`` sees it, and the stage that calls ``react`` for it.

UDP has no connections, so nothing is opened or closed, and nothing waits: ``react`` runs once for each datagram, and
what it returns goes back to where that came from.  What it leaves unread is dropped with the rest of the datagram.
"""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Never, TypeAlias

from .channel import Channel
from .conn import Conn, WriteCallback, take_apart
from .datagram import Datagram
from .errors import PipelineError
from .event_handler import Action, EventHandler
from .handler import ChannelInboundHandler

if TYPE_CHECKING:
    from .context import ChannelHandlerContext
    from .server import RunningServer

    Context: TypeAlias = ChannelHandlerContext[Never, Datagram]


class DatagramConn(Conn):
    """The datagram for which ``react`` runs, and its sender.

    It is good for that call alone; afterwards only the addresses may still be asked for.  Whoever wants to answer later
    keeps ``conn.channel`` and ``conn.remote_address``: ``channel.write(Datagram(data, address))`` is for any thread.

    Raises:
        PipelineError: it is used after ``react`` has returned, or for what UDP does not have.
    """

    def __init__(self, server: RunningServer, channel: Channel, datagram: Datagram) -> None:
        super().__init__(server, channel)
        self._sender = datagram.address
        self._is_over = False
        self.receive(datagram.data)

    @property
    def remote_address(self) -> Any:
        return self._sender

    def read(self) -> bytes:
        self._must_be_current()
        return super().read()

    def peek(self, n: int) -> bytes:
        self._must_be_current()
        return super().peek(n)

    def next(self, n: int) -> bytes:
        self._must_be_current()
        return super().next(n)

    def discard(self, n: int) -> int:
        self._must_be_current()
        return super().discard(n)

    def read_frame(self) -> Any:
        """The datagram is the frame."""
        self._must_be_current()
        return super().read_frame()

    def write(self, data: Any) -> None:
        """Send one datagram back, at once."""
        self._must_be_current()
        self._send(data, None)

    def async_write(self, data: Any, callback: WriteCallback | None = None) -> None:
        """Like ``write``; the callback is told whether the kernel has taken the datagram."""
        self._must_be_current()
        self._send(data, callback)

    def async_writev(self, data: Sequence[Any], callback: WriteCallback | None = None) -> None:
        """Send the pieces as one datagram."""
        self._must_be_current()
        self._send(b"".join(data), callback)

    def wake(self) -> None:
        raise PipelineError(f"{self!r} cannot be woken: on UDP react runs for a datagram, and never without")

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def end(self) -> None:
        """``react`` has returned."""
        self._is_over = True

    def _send(self, data: Any, callback: WriteCallback | None) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise PipelineError(f"a datagram is bytes, and not {reprlib.repr(data)}")
        action = Action.NONE
        if self.server.shows_writes:
            shown, action = take_apart("pre_write", self.server.handler.pre_write(self, data))
            data = data if shown is None else shown
        if callback is None:
            self.channel.pipeline.write(Datagram(data, self._sender))
        else:
            self.report_to(callback, self.channel.write(Datagram(data, self._sender)))
        if action is Action.SHUTDOWN:
            self.server.shutdown()

    def _must_be_current(self) -> None:
        if self._is_over:
            raise PipelineError(
                f"{self!r} stood for one datagram, and react has returned: to answer later, keep conn.channel and"
                " conn.remote_address, and write a Datagram"
            )


class DatagramStage(ChannelInboundHandler[Datagram, Never, Datagram]):
    """Datagram → ``react``; what it returns goes straight back.

    What ``react`` raises is logged by the end of the pipeline, and costs that datagram only.
    """

    def __init__(self, handler: EventHandler, server: RunningServer) -> None:
        self._handler = handler
        self._server = server

    def channel_active(self, ctx: Context) -> None:
        if not self._server.is_ready:
            ctx.channel.hold_reads()
            self._server.when_ready(ctx.loop, Channel.release_reads, ctx.channel)

    def channel_read(self, ctx: Context, msg: Datagram) -> None:
        conn = DatagramConn(self._server, ctx.channel, msg)
        try:
            data, action = take_apart("react", self._handler.react(conn))
            if data is not None:
                conn.write(data)
        finally:
            conn.end()
        if action is Action.SHUTDOWN:
            self._server.shutdown()
