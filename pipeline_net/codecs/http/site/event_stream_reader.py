"""EventStreamReader: the stage that makes events of the responses that a client reads."""

from __future__ import annotations

from typing import Any, Final, Never

from ....context import ChannelHandlerContext
from ....errors import DecodeError
from ....handler import ChannelInboundHandler
from ..messages import Data, End, FullResponse, Response, ResponsePart
from .event_stream_decoder import EventStreamDecoder, ServerSentEvent


class EventStreamReader(ChannelInboundHandler[ResponsePart, ServerSentEvent | ResponsePart, Never]):
    """``Response``, ``Data``, ``End`` → ``Response``, ``ServerSentEvent``, ``End``.  Behind ``client_stack()``.

    Only of a 200 with ``text/event-stream``: of other responses all parts are passed on, for there is something to be
    told in them.  ``last_event_id`` and ``retry`` say how to go on when the stream has ended: ask again after that
    time, with Last-Event-ID.

    Args:
        max_event: see ``EventStreamDecoder``.

    Raises:
        DecodeError: a line or an event is longer; the rest of that response is dropped.
        ValueError: ``max_event`` is not above 0.
    """

    def __init__(self, max_event: int = 256 * 1024) -> None:
        self._max_event: Final = max_event
        self._decoder = EventStreamDecoder(max_event)
        self._is_stream = False
        self._has_failed = False

    @property
    def last_event_id(self) -> str:
        """The id of the last event that had one."""
        return self._decoder.last_event_id

    @property
    def retry(self) -> int | None:
        """Milliseconds to wait before asking again, if the server has said so."""
        return self._decoder.retry

    @property
    def unread_bytes(self) -> int:
        return self._decoder.unread_bytes

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, Data) and self._is_stream:
            if not self._has_failed:
                self._read(ctx, msg.as_bytes())
            return
        if isinstance(msg, Response) and not isinstance(msg, FullResponse):
            kind = (msg.headers.get("content-type") or "").partition(";")[0].strip().lower()
            self._is_stream = msg.status == 200 and kind == "text/event-stream"
            self._begin()
        elif isinstance(msg, End):
            self._is_stream = False
        ctx.fire_channel_read(msg)

    def _begin(self) -> None:
        """Forget an event that was cut off, and remember where it was."""
        before = self._decoder
        self._decoder = EventStreamDecoder(self._max_event, last_event_id=before.last_event_id)
        self._decoder.retry = before.retry
        self._has_failed = False

    def _read(self, ctx: ChannelHandlerContext[Any, Any], data: bytes) -> None:
        error: DecodeError | None = None
        try:
            events = self._decoder.feed(data)
        except DecodeError as exc:
            self._has_failed = True
            events, error = exc.messages, exc
        for event in events:
            if ctx.channel.is_open and not ctx.is_removed:
                ctx.fire_channel_read(event)
        if error is not None:
            raise error
