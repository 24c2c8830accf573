"""RequestAggregator and ResponseAggregator: whole messages instead of parts, of a size that fits into memory."""

from __future__ import annotations

from typing import Any, Final, Never

from ..._mypyc import i64
from ...context import ChannelHandlerContext
from ...errors import FrameTooLongError
from ...handler import ChannelInboundHandler
from .messages import (
    Data,
    End,
    FullRequest,
    FullResponse,
    InterimResponse,
    Request,
    RequestPart,
    Response,
    ResponsePart,
)

_DEFAULT: Final = 1024 * 1024  # bytes
_SMALL: Final = 4096  # bytes; smaller pieces are gathered


class BodyParts:
    """The body of one message, in the pieces in which it came."""

    def __init__(self, max_body: int) -> None:
        if max_body < 0:
            raise ValueError(f"max_body must not be negative, but is {max_body!r}")
        self.max_body: i64 = max_body
        self.size: i64 = 0
        self._pieces: list[bytes | bytearray] = []

    def add(self, piece: bytes) -> bool:
        """Keep a piece; False if that would be too much, and then all are dropped."""
        self.size += len(piece)
        if self.size > self.max_body:
            self._pieces = []
            return False
        pieces = self._pieces
        if len(piece) >= _SMALL:
            pieces.append(piece)
            return True
        last = pieces[-1] if pieces else b""
        if isinstance(last, bytearray):
            last += piece  # a peer that sends two bytes at a time must not cost us forty each
        else:
            pieces.append(bytearray(piece) if pieces else piece)
        return True

    def take(self) -> bytes:
        """Return the whole body, and be ready for the next."""
        pieces = self._pieces
        self.size = 0
        if not pieces:
            return b""
        self._pieces = []
        first = pieces[0]
        return first if len(pieces) == 1 and isinstance(first, bytes) else b"".join(pieces)


class RequestAggregator(ChannelInboundHandler[RequestPart, FullRequest, ResponsePart]):
    """``Request``, ``Data``, ``End`` → ``FullRequest``::

        Request("POST", "/", …)  Data(b"he")  Data(b"llo")  End()  -->  FullRequest("POST", "/", …, b"hello")

    A body above ``max_body`` is answered with 413, as soon as its length is known or so many bytes have come; then the
    connection ends.  ``server_stack()`` has a limit of its own (``limits.max_body``), which must be as high.

    Raises:
        ValueError: a negative ``max_body``.
    """

    def __init__(self, max_body: int = _DEFAULT) -> None:
        self._parts = BodyParts(max_body)
        self._request: Request | None = None  # whose parts are being collected

    @property
    def unread_bytes(self) -> int:
        return self._parts.size

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, Request):
            if isinstance(msg, FullRequest):
                ctx.fire_channel_read(msg)
            elif msg.body_length > self._parts.max_body:
                self._refuse(ctx, msg)
            else:
                self._request = msg
        elif isinstance(msg, End):
            request = self._request
            if request is not None:
                self._request = None
                ctx.fire_channel_read(request.completed(self._parts.take(), msg.trailers))
        elif isinstance(msg, Data):
            request = self._request
            if request is not None and not self._parts.add(msg.as_bytes()):
                self._refuse(ctx, request)
        else:
            ctx.fire_channel_read(msg)

    def channel_read_complete(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        ctx.fire_channel_read_complete()
        if self._request is not None and not ctx.channel.auto_read:
            ctx.read()  # what was read has made no whole request yet

    def _refuse(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        self._request = None
        self._parts.take()
        limit = self._parts.max_body
        body = f"413 Content Too Large: the limit is {limit} bytes\n".encode("ascii")
        ctx.write(FullResponse(413, {"content-type": "text/plain", "connection": "close"}, body, to=request))


class ResponseAggregator(ChannelInboundHandler[ResponsePart, FullResponse | InterimResponse, Never]):
    """``Response``, ``Data``, ``End`` → ``FullResponse``; ``InterimResponse`` is passed on.

    Raises:
        FrameTooLongError: a body is above ``max_body``; the rest of it is dropped, and the next response is read.
        ValueError: a negative ``max_body``.
    """

    def __init__(self, max_body: int = _DEFAULT) -> None:
        self._parts = BodyParts(max_body)
        self._response: Response | None = None

    @property
    def unread_bytes(self) -> int:
        return self._parts.size

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, Response):
            if isinstance(msg, FullResponse):
                ctx.fire_channel_read(msg)
                return
            if msg.body_length > self._parts.max_body:
                raise FrameTooLongError(msg.body_length, self._parts.max_body)
            self._response = msg
        elif isinstance(msg, End):
            response = self._response
            if response is not None:
                self._response = None
                ctx.fire_channel_read(response.completed(self._parts.take(), msg.trailers))
        elif isinstance(msg, Data):
            if self._response is not None and not self._parts.add(msg.as_bytes()):
                self._response = None
                size = self._parts.size
                self._parts.take()
                raise FrameTooLongError(size, self._parts.max_body)
        else:
            ctx.fire_channel_read(msg)

    def channel_read_complete(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        ctx.fire_channel_read_complete()
        if self._response is not None and not ctx.channel.auto_read:
            ctx.read()  # what was read has made no whole response yet
