"""FirstBytes: what stages have in common that decide by the first bytes of a connection.

Until it is decided, those behind hear of nothing.  Then they hear of ``channel_active``, if it is news, and get the
bytes as one piece; and who has heard of no beginning hears of no end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Never

from typing_extensions import TypeVar

from ..handler import ChannelInboundHandler

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext
    from ..transport.timers import TimerHandle

Out = TypeVar("Out", default=Any)
Writes = TypeVar("Writes", default=Never)


class FirstBytes(ChannelInboundHandler[bytes, Out, Writes], Generic[Out, Writes]):
    """Holds bytes, and the news that the channel is active; subclasses read, and say when it is decided.

    One that is taken out before passes on what it holds.
    """

    def __init__(self) -> None:
        self.held = b""
        self.is_done = False  # it is decided, or nothing ever will be
        self._keeps_active = False  # channel_active has come, and waits
        self._timer: TimerHandle | None = None

    @property
    def unread_bytes(self) -> int:
        return len(self.held)

    # -- for subclasses -----------------------------------------------------------------------------

    def begin(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """The connection is there: ``wait_for_bytes``, or decide without any."""
        raise NotImplementedError

    def too_late(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """The time is up."""
        raise NotImplementedError

    def wait_for_bytes(self, ctx: ChannelHandlerContext[Any, Any], seconds: float | None) -> None:
        """Let bytes come, for so long."""
        if seconds is not None and self._timer is None:
            self._timer = ctx.loop.schedule(seconds, self._time_is_up, ctx)
        if not ctx.channel.auto_read:
            ctx.read()  # nobody behind us, who could ask for them, has heard of the channel yet

    def hold(self, data: bytes | bytearray | memoryview) -> None:
        """Keep some more bytes."""
        self.held = self.held + data if self.held else bytes(data)

    def stop(self) -> None:
        """It is decided: wait no longer."""
        self.is_done = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def pass_on(self, ctx: ChannelHandlerContext[Any, Any], event: Any = None) -> None:
        """Give those who come after us what they have not heard yet, and ``event`` in front of the bytes."""
        held = self.held
        self.held = b""
        channel = ctx.channel
        if self._keeps_active and channel.is_active:
            self._keeps_active = False
            ctx.fire_channel_active()
        if event is not None and channel.is_open:
            ctx.fire_user_event_triggered(event)
        if held and channel.is_open:
            ctx.fire_channel_read(held)

    # -- events -------------------------------------------------------------------------------------

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if ctx.channel.is_active:
            self.begin(ctx)

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._keeps_active = True
        self.begin(ctx)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.stop()
        if not self._keeps_active:  # else nobody behind us knows that the channel was active
            ctx.fire_channel_inactive()

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if not self.is_done:  # somebody else has taken it out
            had_bytes = len(self.held) > 0
            self.stop()
            self.pass_on(ctx)
            if had_bytes and ctx.channel.is_open:
                ctx.fire_channel_read_complete()

    def channel_read_complete(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Nothing has been passed on that could be complete."""

    def _time_is_up(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._timer = None
        self.too_late(ctx)
