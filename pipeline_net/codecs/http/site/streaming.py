"""StreamedResponse and PartWriter: responses that take longer than the call of the handler that made them."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from ....context import ChannelHandlerContext
from ....errors import ChannelError
from ..messages import Data, End, FullRequest, FullResponse, Request, Response

if TYPE_CHECKING:
    from ....future import ChannelFuture

_logger: Final = logging.getLogger("pipeline_net.http")

_PARTS: Final = 16  # written before others have their turn
_SIZE: Final = 65536  # bytes of parts that are written before the peer has to take some


class StreamedResponse(ABC):
    """A response that writes itself, bit by bit, once it was given a request to answer."""

    @abstractmethod
    def begin(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        """Begin to answer ``request``; ``ctx`` is the seat from which to write.  On the loop of the channel."""


def head_of(request: Request) -> Request:
    """Return the head that a whole request was made of: what ``to`` should name, for the body need not live on."""
    head = request.head if isinstance(request, FullRequest) else None
    return request if head is None else head


def addressed(response: Response, request: Request) -> Response:
    """Say which request a response answers; one that answers another already is copied."""
    if response.to is None:
        response.to = request
    elif response.to is not request and response.to is not head_of(request):
        headers, reason, version = response.given_headers, response.reason, response.version
        if isinstance(response, FullResponse):
            body, trailers = response.body, response.trailers
            return FullResponse(response.status, headers, body, trailers, reason=reason, to=request, version=version)
        return Response(response.status, headers, reason, to=request, version=version)
    return response


class PartWriter(StreamedResponse):
    """Writes what an iterator yields: a ``Response``, then ``bytes`` or ``Data``, and ``End`` unless it does so itself.

    It is asked for more when what it gave before has been handed to the kernel, so a peer that reads slowly is waited
    for, and one that leaves ends it: a generator is closed.  Everything happens on the loop: an iterator that blocks
    holds everybody up.

    Args:
        parts: what is written.
        answer_error: makes the answer to an exception that came before the head; after it, the connection is closed, so
            that the client sees that the body is cut off.
    """

    def __init__(self, parts: Iterator[Any], answer_error: Callable[[Request, Exception], FullResponse]) -> None:
        self._parts = parts
        self._answer_error = answer_error
        self._ctx: ChannelHandlerContext[Any, Any]
        self._request: Request
        self._has_begun = False

    def begin(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        self._ctx = ctx
        self._request = request
        self._go_on()

    def _sent(self, future: ChannelFuture[Any]) -> None:
        """A batch has left, or never will."""
        exc = future.exception()
        if exc is None and self._ctx.channel.is_open:
            self._go_on()
            return
        if exc is not None and not isinstance(exc, ChannelError):
            _logger.error("%r: a part of the response cannot be sent", self._request, exc_info=exc)
        self._stop()
        if self._ctx.channel.is_open:
            self._ctx.close()

    def _go_on(self) -> None:
        """Write a batch of parts, and wait until the last of them has left."""
        try:
            batch, is_last = self._next_batch()
        except Exception as exc:  # noqa: BLE001 - whatever the generator raises, the request is answered
            self._failed(exc)
            return
        ctx = self._ctx
        for part in batch[:-1]:
            ctx.write(part)
        if is_last:
            ctx.write(batch[-1])
            self._stop()
        else:
            promise = ctx.new_promise()
            promise.add_done_callback(self._sent)
            ctx.write(batch[-1], promise)

    def _next_batch(self) -> tuple[list[Any], bool]:
        """Collect what is written at once, and say whether the response ends with it."""
        batch: list[Any] = []
        if not self._has_begun:
            head = next(self._parts, None)
            if not isinstance(head, Response) or isinstance(head, FullResponse):
                raise TypeError(f"the first part of a response that is streamed is a Response, not {head!r:.100}")
            batch.append(addressed(head, self._request))
            self._has_begun = True
            if self._request.method == "HEAD":
                return [*batch, End(to=self._request)], True
        size = 0
        while len(batch) < _PARTS and size < _SIZE:
            try:
                part = next(self._parts)
            except StopIteration:
                return [*batch, End(to=self._request)], True
            except Exception:
                for written in batch:  # what came before it was meant to be sent
                    self._ctx.write(written)
                raise
            if isinstance(part, End):
                part.to = self._request
                return [*batch, part], True
            part = Data(part) if isinstance(part, (bytes, bytearray, memoryview)) else part
            if not isinstance(part, Data):
                raise TypeError(f"the body of a response is yielded as bytes, Data and End, not {part!r:.100}")
            part.to = self._request
            size += len(part.data)
            batch.append(part)
        return batch, False

    def _failed(self, exc: Exception) -> None:
        self._stop()
        if not self._has_begun:
            self._ctx.write(addressed(self._answer_error(self._request, exc), self._request))
            return
        _logger.error("%r: the response was not completed", self._request, exc_info=exc)
        self._ctx.close()

    def _stop(self) -> None:
        close = getattr(self._parts, "close", None)
        if close is None:
            return
        try:
            close()
        except Exception:
            _logger.exception("%r: the generator of the response raised when it was closed", self._request)
