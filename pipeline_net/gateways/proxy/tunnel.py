"""Tunnel: bytes from one connection to another and back, as fast as the slower of them reads.

::

    client ═══▶ Tunnel ─── write ───▶ origin          a side that has no room stops the reading of the other;
    client ◀─── write ─── Tunnel ◀═══ origin          one that says that it has ended is followed by the other

It is what follows a 101, and serves as a relay for any two channels of one loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never

from ...context import ChannelHandlerContext
from ...handler import ChannelInboundHandler

if TYPE_CHECKING:
    from ...channel import Channel
    from ...transport.timers import TimerHandle


class Tunnel(ChannelInboundHandler[bytes, Never, bytes]):
    """bytes → written to the other channel; see ``join``.

    A channel that ends in good order lets the other send what it still has; one that breaks off breaks the other.

    Args:
        timeout: seconds after which a tunnel is closed through which nothing has come, either way.
    """

    def __init__(self, channel: Channel, timeout: float) -> None:
        self.other: Tunnel = self
        self.channel = channel
        self.last_read = 0.0
        self._timeout = timeout
        self._timer: TimerHandle | None = None
        self._holds_reads = False
        self._has_eof = False

    def watch(self) -> None:
        """Begin to count the time; one of the two does."""
        loop = self.channel.loop
        self.last_read = self.other.last_read = loop.time()
        self._timer = loop.schedule(self._timeout, self._look)

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: bytes) -> None:
        self.last_read = ctx.channel.loop.time()
        other = self.other.channel
        other.pipeline.write(msg)
        if not other.is_writable and other.is_open and not self._holds_reads:
            self._holds_reads = True
            ctx.channel.hold_reads()

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if ctx.channel.is_writable:
            self.other.read_on()
        ctx.fire_channel_writability_changed()

    def read_on(self) -> None:
        """There is room on the other side."""
        if self._holds_reads:
            self._holds_reads = False
            self.last_read = self.channel.loop.time()
            self.channel.release_reads()

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._has_eof = True
        if self.other._has_eof:
            self.other.channel.close()
            ctx.close()
        elif self.other.channel.is_open:
            self.other.channel.shutdown_output()

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._stop()
        self.other._stop()
        if self._has_eof:
            self.other.channel.close()
        else:
            self.other.channel.abort()  # it was cut off, and must not look complete
        ctx.fire_channel_inactive()

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """See whether anything has come lately."""
        loop = self.channel.loop
        due = max(self.last_read, self.other.last_read) + self._timeout - loop.time()
        if due > 0:
            self._timer = loop.schedule(due, self._look)
            return
        self._timer = None
        self.channel.close()
        self.other.channel.close()


def join(one: Channel, other: Channel, timeout: float) -> tuple[Tunnel, Tunnel]:
    """Make two stages that pass on to each other what their channels read; whoever calls seats them.

    Both channels must be of the same loop.

    Raises:
        ValueError: they are not.
    """
    if one.loop is not other.loop:
        raise ValueError(f"{one!r} and {other!r} are on different loops")
    near, far = Tunnel(one, timeout), Tunnel(other, timeout)
    near.other, far.other = far, near
    # Each direction has its own back-pressure here; a side that does not read must not keep its own words from us.
    one.pauses_when_unwritable = other.pauses_when_unwritable = False
    near.watch()
    return near, far
