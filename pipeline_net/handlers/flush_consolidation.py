"""FlushConsolidationHandler: many calls of ``flush()`` in one batch become one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._mypyc import i64, mypyc_attr
from ..handler import TransparentHandler

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext
    from ..future import ChannelFuture


@mypyc_attr(allow_interpreted_subclasses=True)
class FlushConsolidationHandler(TransparentHandler[Any]):
    """Whatever flows → the same; a ``flush()`` in the middle of a batch waits for ``channel_read_complete``.

    What is written is sent by itself when a batch ends, so nobody has to call ``flush()``.  This stage is for handlers
    that do, after each message, and for stages behind it that came from elsewhere: a batch of a hundred pipelined
    requests then costs one system call, not a hundred.

    Args:
        most: after so many a flush goes through all the same, so that a long batch does not keep its peer waiting.

    Raises:
        ValueError: ``most`` is below 1.
    """

    def __init__(self, most: int = 256) -> None:
        if most < 1:
            raise ValueError(f"most must be at least 1, not {most}")
        self._most: i64 = most
        self._waiting: i64 = 0  # flushes
        self._in_batch = False

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self._in_batch = True
        ctx.fire_channel_read(msg)

    def channel_read_complete(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        ctx.fire_channel_read_complete()  # first: the stages behind flush here, too
        self._in_batch = False
        self._let_go(ctx)

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if not ctx.channel.is_writable:
            self._let_go(ctx)  # there is enough to be sent
        ctx.fire_channel_writability_changed()

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self._let_go(ctx)  # whoever handles it may close
        ctx.fire_exception_caught(exc)

    def flush(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if not self._in_batch:
            ctx.flush()
            return
        self._waiting += 1
        if self._waiting >= self._most:
            self._let_go(ctx)

    def shutdown_output(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        self._let_go(ctx)
        ctx.shutdown_output(promise)

    def close(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        self._let_go(ctx)
        ctx.close(promise)

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._let_go(ctx)

    def _let_go(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._waiting > 0:
            self._waiting = 0
            ctx.flush()
