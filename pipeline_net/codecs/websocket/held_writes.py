"""HeldWrites: what an application writes before the handshake is done, kept in order until it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...context import ChannelHandlerContext
from ...errors import WriteBufferOverflowError

if TYPE_CHECKING:
    from ...future import ChannelFuture


class HeldWrites:
    """Bounded by ``ChannelOptions.write_buffer_limit``, as everything is that waits to be sent."""

    def __init__(self) -> None:
        self._held: list[tuple[Any, ChannelFuture[Any] | None]] = []
        self._size = 0

    def hold(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        """Keep a write for later.

        Raises:
            WriteBufferOverflowError: too much waits already; the channel is closed.
        """
        limit = ctx.channel.options.write_buffer_limit
        if self._size >= limit:
            error = WriteBufferOverflowError(
                f"{self._size} bytes of messages wait for the handshake, the limit is {limit}: the channel is closed"
            )
            ctx.channel.fail(error)
            raise error
        self._held.append((msg, promise))
        self._size += _size_of(msg)

    def release(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Write everything, in order, from the seat of ``ctx`` towards the wire."""
        held = self._held
        self._held = []
        for msg, promise in held:
            ctx.write(msg, promise)

    def fail(self, error: BaseException) -> None:
        """Nothing of it will be sent."""
        held = self._held
        self._held = []
        for _, promise in held:
            if promise is not None:
                promise.fail_if_pending(error)


def _size_of(msg: Any) -> int:
    """Count what a message weighs; an object about it costs something, too."""
    data = getattr(msg, "data", msg)
    return 64 + (len(data) if isinstance(data, (str, bytes)) else 0)
