"""Inbox: messages that wait for whoever asks for them, and not more than fit.

A stage is called with each message; a program that iterates, or awaits, takes them when it likes.  In between they wait
here.  At ``limit`` bytes the decoder pauses: it decodes nothing more, not even the rest of what one read has brought,
which compression may have shrunk to a thousandth; and when bytes wait for it, the peer is not read from.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from ...context import ChannelHandlerContext
from .frame_decoder import FrameDecoder

LIMIT: Final = 65536  # bytes
_OVERHEAD: Final = 64  # bytes that a waiting message costs beside its content


class Inbox:
    """The messages of one WebSocket; all calls on its loop."""

    def __init__(self, limit: int = LIMIT) -> None:
        if limit < 1:
            raise ValueError(f"an inbox has room for at least 1 byte, not {limit!r}")
        self._limit = limit
        self._messages: deque[Any] = deque()
        self._weight = 0
        self._seat: ChannelHandlerContext[Any, Any] | None = None  # of the decoder

    def __len__(self) -> int:
        """How many messages wait."""
        return len(self._messages)

    def fill_from(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Let the decoder in the pipeline of ``ctx`` pause when the inbox is full."""
        self._seat = ctx.pipeline.context(FrameDecoder)

    def put(self, msg: str | bytes) -> None:
        """Keep a message."""
        self._messages.append(msg)
        self._weight += len(msg) + _OVERHEAD
        if self._weight >= self._limit and self._seat is not None:
            decoder: Any = self._seat.handler
            decoder.pause()

    def take(self) -> Any:
        """Return the oldest message; ``None`` when there is none."""
        if not self._messages:
            return None
        msg = self._messages.popleft()
        self._weight -= len(msg) + _OVERHEAD
        if self._weight <= self._limit // 2:
            self._resume()
        return msg

    def put_back(self, msg: Any) -> None:
        """Keep what was taken, and could not be handed over."""
        self._messages.appendleft(msg)
        self._weight += len(msg) + _OVERHEAD

    def drop(self) -> None:
        """Forget all that waits: nobody will ask for it, but what follows it, such as a Close, is still to be heard."""
        self._messages.clear()
        self._weight = 0
        self._resume()

    def _resume(self) -> None:
        seat = self._seat
        if seat is None or seat.is_removed:
            return
        decoder: Any = seat.handler
        if decoder.is_paused:
            decoder.resume(seat)
