"""StreamingResponse and PartWriter: responses that take longer than the call of the handler that made them."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from ....complaints import log_failure
from ....context import ChannelHandlerContext
from ....errors import ChannelError
from ..headers import Headers
from ..messages import Data, End, FullResponse, Request, Response
from .exchanges import head_of

if TYPE_CHECKING:
    from ....future import ChannelFuture

_logger: Final = logging.getLogger("pipeline_net.http")

_PARTS: Final = 16  # written before others have their turn
_SIZE: Final = 65536  # bytes of parts that are written before the peer has to take some


class StreamingResponse(ABC):
    """A response that writes itself, bit by bit, once it was given a request to answer."""

    @abstractmethod
    def begin(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        """Begin to answer ``request``; ``ctx`` is the seat from which to write.  On the loop of the channel.

        The client may have gone meanwhile: then ``ctx.channel.is_open`` is false, and there is nothing to be done but
        to give back what was taken.
        """


def addressed(response: Response, request: Request) -> Response:
    """Say which request a response answers.

    It is said of a copy: a response may be a constant, which answers requests on several loops at the same time.
    """
    head = head_of(request)
    if response.to is request or response.to is head:
        return response
    return with_headers(response, response.given_headers, head)


def with_headers(response: Response, headers: Headers | None, to: Request | None) -> Response:
    """Copy a response, with other headers: those that it has may be a constant, and serve others as well."""
    status, reason, version = response.status, response.reason, response.version
    if isinstance(response, FullResponse):
        body, trailers = response.body, response.trailers
        return FullResponse(status, headers, body, trailers, reason=reason, to=to, version=version)
    return Response(status, headers, reason, to=to, version=version)


class PartWriter(StreamingResponse):
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
        self._request = head_of(request)
        self._go_on()

    def _sent(self, future: ChannelFuture[Any]) -> None:
        """A batch has left, or never will."""
        exc = future.exception()
        if exc is None and self._ctx.channel.is_open:
            self._go_on()
            return
        if exc is not None and not isinstance(exc, ChannelError):
            self._log(exc, "%r: a part of the response cannot be sent")
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
        """Collect what is written at once, and say whether the response ends with it.

        What came before an exception is written all the same; only a head that has not left yet is taken back.
        """
        batch: list[Any] = []
        is_first = not self._has_begun
        size = 0
        try:
            if is_first:
                batch.append(self._first_part())
                if self._request.method == "HEAD":
                    self._has_begun = True
                    return [*batch, End(to=self._request)], True
            while len(batch) < _PARTS and size < _SIZE:
                part = _body_part(next(self._parts, None), self._request)
                batch.append(part)
                if isinstance(part, End):
                    break
                size += len(part.data)
        except Exception:
            for written in () if is_first else batch:
                self._ctx.write(written)
            raise
        self._has_begun = True
        return batch, isinstance(batch[-1], End)

    def _first_part(self) -> Response:
        head = next(self._parts, None)
        if not isinstance(head, Response) or isinstance(head, FullResponse):
            raise TypeError(f"the first part of a response that is streamed is a Response, not {head!r:.100}")
        return addressed(head, self._request)

    def _failed(self, exc: Exception) -> None:
        self._stop()
        if not self._has_begun:
            self._ctx.write(addressed(self._answer_error(self._request, exc), self._request))
            return
        self._log(exc, "%r: the response was not completed")
        self._ctx.close()

    def _stop(self) -> None:
        close = getattr(self._parts, "close", None)
        if close is None:
            return
        try:
            close()
        except Exception as exc:  # noqa: BLE001 - the response is over in any case
            self._log(exc, "%r: the generator of the response raised when it was closed")

    def _log(self, exc: BaseException, what: str) -> None:
        log_failure(self._ctx.channel.loop, _logger, exc, "a response", what, self._request)


def _body_part(part: Any, request: Request) -> Data | End:
    """Make a part of a response of what was yielded; ``None`` stands for the end."""
    if part is None:
        return End(to=request)
    if isinstance(part, (bytes, bytearray, memoryview)):
        return Data(part, to=request)
    if not isinstance(part, (Data, End)):
        raise TypeError(f"the body of a response is yielded as bytes, Data and End, not {part!r:.100}")
    if isinstance(part, Data):
        return Data(part.data, to=request)
    return End(part.trailers, to=request)
