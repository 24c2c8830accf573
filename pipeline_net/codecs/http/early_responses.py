"""EarlyResponses: what was written for a request before those ahead of it were answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._mypyc import i64
from ...errors import WriteBufferOverflowError
from .messages import Request
from .response_parts import size_of

if TYPE_CHECKING:
    from ...channel import Channel
    from ...future import ChannelFuture


class EarlyResponses:
    """The parts of responses on one connection that wait for their turn, bounded like what waits for the peer."""

    def __init__(self) -> None:
        self._parts: dict[int, list[tuple[Any, ChannelFuture[Any] | None]]] = {}  # by id of the request
        self._size: i64 = 0  # bytes of them

    def hold(self, channel: Channel, request: Request, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        """Keep a part.

        Raises:
            WriteBufferOverflowError: too much waits; the channel is closed.
        """
        size: i64 = size_of(msg)
        limit = channel.options.write_buffer_limit
        if self._size + size > limit:
            error = WriteBufferOverflowError(
                f"{self._size + size} bytes of responses wait for those to earlier requests, and the limit is"
                f" {limit}: the channel is closed"
            )
            channel.fail(error)
            raise error
        self._size += size
        self._parts.setdefault(id(request), []).append((msg, promise))

    def holds(self, request: Request) -> bool:
        """Whether something answers ``request``."""
        return id(request) in self._parts

    def take(self, request: Request) -> list[tuple[Any, ChannelFuture[Any] | None]] | None:
        """Give away what answers ``request``, in the order in which it was written; ``None`` if there is nothing."""
        parts = self._parts.pop(id(request), None)
        if parts is not None:
            for msg, _ in parts:
                self._size -= size_of(msg)
        return parts

    def fail(self, error: BaseException) -> None:
        """The connection has ended: their turn will not come."""
        parts_of_all = list(self._parts.values())
        self._parts.clear()
        for parts in parts_of_all:
            for _, promise in parts:
                if promise is not None:
                    promise.fail_if_pending(error)
