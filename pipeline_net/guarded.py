"""GuardedContext: the seat of a handler in Python's development mode, which notices who uses it from a foreign thread.

Everything of a context belongs on the channel's loop.  To look at each event whether that is so would cost all of them
something, for the sake of programs that are wrong.  So the ordinary seat looks only where it is free, when a write
schedules a flush; and with ``python -X dev`` (or ``PYTHONDEVMODE=1``) pipelines have these seats instead.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .channel_life import CLOSED
from .context import ChannelHandlerContext
from .errors import ForeignThreadError

if TYPE_CHECKING:
    from .future import ChannelFuture


class GuardedContext(ChannelHandlerContext[Any, Any]):
    """A seat that is used on its loop, or refuses.

    Raises:
        ForeignThreadError: an event is fired, or an operation asked for, on another thread.
    """

    def _must_be_on_loop(self, what: str, promise: ChannelFuture[Any] | None = None) -> None:
        channel = self.channel
        if channel.loop.in_loop or channel.state == CLOSED:  # there, the loop may have stopped
            return
        error = ForeignThreadError(
            f"{what} of {self!r} is called on thread {threading.current_thread().name!r}, but {channel!r} belongs to"
            f" {channel.loop.name}: from other threads use channel.write() and its siblings, which are thread-safe"
        )
        if promise is not None:
            promise.fail_if_pending(error)
        raise error

    def fire_channel_registered(self) -> None:
        self._must_be_on_loop("fire_channel_registered")
        ChannelHandlerContext.fire_channel_registered(self)

    def fire_channel_active(self) -> None:
        self._must_be_on_loop("fire_channel_active")
        ChannelHandlerContext.fire_channel_active(self)

    def fire_channel_read(self, msg: Any) -> None:
        self._must_be_on_loop("fire_channel_read")
        ChannelHandlerContext.fire_channel_read(self, msg)

    def fire_channel_read_complete(self) -> None:
        self._must_be_on_loop("fire_channel_read_complete")
        ChannelHandlerContext.fire_channel_read_complete(self)

    def fire_channel_eof(self) -> None:
        self._must_be_on_loop("fire_channel_eof")
        ChannelHandlerContext.fire_channel_eof(self)

    def fire_channel_writability_changed(self) -> None:
        self._must_be_on_loop("fire_channel_writability_changed")
        ChannelHandlerContext.fire_channel_writability_changed(self)

    def fire_user_event_triggered(self, event: Any) -> None:
        self._must_be_on_loop("fire_user_event_triggered")
        ChannelHandlerContext.fire_user_event_triggered(self, event)

    def fire_channel_inactive(self) -> None:
        self._must_be_on_loop("fire_channel_inactive")
        ChannelHandlerContext.fire_channel_inactive(self)

    def fire_channel_unregistered(self) -> None:
        self._must_be_on_loop("fire_channel_unregistered")
        ChannelHandlerContext.fire_channel_unregistered(self)

    def fire_exception_caught(self, exc: BaseException) -> None:
        self._must_be_on_loop("fire_exception_caught")
        ChannelHandlerContext.fire_exception_caught(self, exc)

    def bind(self, address: Any, promise: ChannelFuture[Any] | None = None) -> None:
        self._must_be_on_loop("bind", promise)
        ChannelHandlerContext.bind(self, address, promise)

    def connect(self, address: Any, promise: ChannelFuture[Any] | None = None) -> None:
        self._must_be_on_loop("connect", promise)
        ChannelHandlerContext.connect(self, address, promise)

    def read(self) -> None:
        self._must_be_on_loop("read")
        ChannelHandlerContext.read(self)

    def write(self, msg: Any, promise: ChannelFuture[Any] | None = None) -> None:
        self._must_be_on_loop("write", promise)
        ChannelHandlerContext.write(self, msg, promise)

    def write_all(self, messages: list[Any], promise: ChannelFuture[Any] | None = None) -> None:
        self._must_be_on_loop("write_all", promise)
        ChannelHandlerContext.write_all(self, messages, promise)

    def flush(self) -> None:
        self._must_be_on_loop("flush")
        ChannelHandlerContext.flush(self)

    def shutdown_output(self, promise: ChannelFuture[Any] | None = None) -> None:
        self._must_be_on_loop("shutdown_output", promise)
        ChannelHandlerContext.shutdown_output(self, promise)

    def close(self, promise: ChannelFuture[Any] | None = None) -> None:
        self._must_be_on_loop("close", promise)
        ChannelHandlerContext.close(self, promise)
