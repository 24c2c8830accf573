"""LoggingHandler: writes down what passes, and what it looks like in bytes."""

from __future__ import annotations

import logging
import reprlib
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ..file_region import FileRegion
from ..handler import TransparentHandler

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext
    from ..future import ChannelFuture

_PER_LINE: Final = 16  # bytes
_HALF: Final = 8
_FIRST: Final = 32  # bytes that are shown without a hexdump

_SHORT: Final = reprlib.Repr()  # also survives objects that cannot describe themselves
_SHORT.maxother = _SHORT.maxstring = 200  # characters


class LoggingHandler(TransparentHandler[Any]):
    """Whatever flows → the same, and a line in the log for every event that passes.

    ::

        loop-1/7 ('192.0.2.1', 50312)  read 5 bytes
          00000000  50 49 4e 47 0a                                    |PING.|
        loop-1/7 ('192.0.2.1', 50312)  write 7 bytes
          00000000  2b 50 4f 4e 47 0d 0a                              |+PONG..|

    Next to the wire it shows bytes, behind a decoder messages.  Keeps no state: one instance may serve all channels.

    Args:
        level: of the log lines: a number or a name of the logging module.
        hexdump: whether bytes are shown in full, up to ``limit``; otherwise only how they begin.
        name: the logger.
        limit: bytes of one message that a hexdump shows.

    Raises:
        ValueError: there is no such level, or the limit is negative.
    """

    shareable: ClassVar[bool] = True

    def __init__(
        self,
        level: int | str = logging.DEBUG,
        hexdump: bool = False,
        *,
        name: str = "pipeline_net.log",
        limit: int = 4096,
    ) -> None:
        number = logging.getLevelNamesMapping().get(level.upper()) if isinstance(level, str) else level
        if number is None:
            raise ValueError(f"there is no level {level!r}: {', '.join(logging.getLevelNamesMapping())}")
        if limit < 0:
            raise ValueError(f"limit must not be negative, but is {limit}")
        self._level = number
        self._hexdump = hexdump
        self._logger = logging.getLogger(name)
        self._limit = limit

    def _log(self, ctx: ChannelHandlerContext[Any, Any], what: str) -> None:
        if self._logger.isEnabledFor(self._level):
            self._logger.log(self._level, "%s %r  %s", ctx.channel.id, ctx.channel.remote_address, what)

    def _log_message(self, ctx: ChannelHandlerContext[Any, Any], verb: str, msg: Any) -> None:
        if self._logger.isEnabledFor(self._level):
            self._log(ctx, f"{verb} {self._describe(msg)}")

    def _describe(self, msg: Any) -> str:
        if isinstance(msg, FileRegion):
            return f"{msg.count} bytes of a file, from {msg.offset}"
        if not isinstance(msg, (bytes, bytearray, memoryview)):
            return f"{type(msg).__name__} {_SHORT.repr(msg)}"
        size = memoryview(msg).nbytes
        count = f"{size} byte{'' if size == 1 else 's'}"
        if self._hexdump:
            return f"{count}{hexdump(msg, self._limit)}"
        shown = bytes(memoryview(msg).cast("B")[:_FIRST]) if size else b""
        return f"{count}: {shown!r}{'…' if size > _FIRST else ''}"

    # -- inbound ------------------------------------------------------------------------------------

    def channel_registered(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._log(ctx, "registered")
        ctx.fire_channel_registered()

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._log(ctx, f"active at {ctx.channel.local_address!r}")
        ctx.fire_channel_active()

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self._log_message(ctx, "read", msg)
        ctx.fire_channel_read(msg)

    def channel_read_complete(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._log(ctx, "read complete")
        ctx.fire_channel_read_complete()

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._log(ctx, "end of input")
        ctx.fire_channel_eof()

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        state = "writable" if ctx.channel.is_writable else "not writable"
        self._log(ctx, f"{state}, {ctx.channel.pending_write_bytes} bytes pending")
        ctx.fire_channel_writability_changed()

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        self._log(ctx, f"event {_SHORT.repr(event)}")
        ctx.fire_user_event_triggered(event)

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self._log(ctx, f"exception {_SHORT.repr(exc)}")
        ctx.fire_exception_caught(exc)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._log(ctx, "inactive")
        ctx.fire_channel_inactive()

    def channel_unregistered(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._log(ctx, "unregistered")
        ctx.fire_channel_unregistered()

    # -- outbound -----------------------------------------------------------------------------------

    def bind(self, ctx: ChannelHandlerContext[Any, Any], address: Any, promise: ChannelFuture[Any] | None) -> None:
        self._log(ctx, f"bind {address!r}")
        ctx.bind(address, promise)

    def connect(self, ctx: ChannelHandlerContext[Any, Any], address: Any, promise: ChannelFuture[Any] | None) -> None:
        self._log(ctx, f"connect {address!r}")
        ctx.connect(address, promise)

    def read(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._log(ctx, "asks for more")
        ctx.read()

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        self._log_message(ctx, "write", msg)
        ctx.write(msg, promise)

    def flush(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._log(ctx, "flush")
        ctx.flush()

    def shutdown_output(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        self._log(ctx, "shutdown output")
        ctx.shutdown_output(promise)

    def close(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        self._log(ctx, "close")
        ctx.close(promise)


def hexdump(data: bytes | bytearray | memoryview, limit: int) -> str:
    """Draw at most ``limit`` bytes, sixteen a line, each line after a newline and two spaces."""
    view = memoryview(data)
    size = view.nbytes
    shown = bytes(view.cast("B")[:limit]) if size else b""
    lines = []
    for start in range(0, len(shown), _PER_LINE):
        row = shown[start : start + _PER_LINE]
        left, right = row[:_HALF].hex(" "), row[_HALF:].hex(" ")
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"\n  {start:08x}  {left:<23}  {right:<23}  |{text}|")
    if size > limit:
        lines.append(f"\n  … {size - limit} more")
    return "".join(lines)
