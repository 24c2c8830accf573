"""StreamedResponse: an answer whose body is read in parts, as it comes, and no faster than somebody reads it.

::

    with client.stream("GET", url) as response:       # async with, in asyncio
        for part in response:                          # async for
            file.write(part)

What waits to be read is bounded: when it is ``stream_buffer`` bytes, reading from the server pauses, and the server
notices.  What was decoded already still comes, which is at most what one read of the socket has brought.
"""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Final

from ....errors import BlockingOperationError, ChannelClosedError
from ....future import ChannelFuture, wait_in_line
from ....transport.running import on_a_loop
from ..headers import Headers
from ..messages import Response
from .exchange import Exchange
from .request import PreparedRequest
from .response import ResponseHead
from .sinks import Sink

if TYPE_CHECKING:
    from collections.abc import Callable

    from ....transport.event_loop import EventLoop

_END: Final = b""


def _nobody() -> None:
    """Stand in for whoever was told."""


class BodyQueue(Sink):
    """Bytes between the loop, which puts them in, and one reader, on whatever thread.

    ``_written`` belongs to the loop and ``_read`` to the reader, so that neither needs a lock to count.
    """

    def __init__(self, loop: EventLoop, exchange: Exchange, limit: int, let_go: Callable[[], object]) -> None:
        self.loop = loop
        self.trailers: Headers | None = None
        self._exchange: Exchange | None = exchange  # until it is over
        self._limit = limit
        self._let_go = let_go  # ends the request
        self._parts: deque[bytes] = deque()
        self._getters: deque[ChannelFuture[bytes]] = deque()
        self._written = 0
        self._read = 0
        self._is_held = False
        self._is_over = False
        self._error: BaseException | None = None

    @property
    def is_over(self) -> bool:
        """Whether no more will come; what waits can still be read."""
        return self._is_over

    # -- on the loop --------------------------------------------------------------------------------

    def take(self, data: bytes) -> bool:
        while self._getters:
            if self._getters.popleft().set_result(data):
                return True
        self._parts.append(data)
        self._written += len(data)
        self._is_held = self._written - self._read >= self._limit
        return not self._is_held

    def end(self, trailers: Headers | None) -> None:
        """That was all of it."""
        self.trailers = trailers
        self._finish(None)

    def fail(self, error: BaseException) -> None:
        """The rest will not come."""
        self._finish(error)

    def abandon(self) -> None:
        """Nobody will read the rest."""
        exchange = self._exchange
        if exchange is not None:
            self._let_go()
            self._finish(ChannelClosedError(f"the response to {exchange.request} was closed before its end"))

    def _finish(self, error: BaseException | None) -> None:
        if self._is_over:
            return
        self._error = error
        self._is_over = True
        self._exchange = None  # these refer to us
        self._let_go = _nobody
        while self._getters:
            self._tell_end(self._getters.popleft())

    def _tell_end(self, getter: ChannelFuture[bytes]) -> None:
        if self._error is not None:
            getter.fail_if_pending(self._error)
        else:
            getter.fulfil(_END)

    def _serve(self, getter: ChannelFuture[bytes]) -> None:
        if not self._parts and not self._is_over:
            wait_in_line(self._getters, getter)
            self._resume()
        elif getter.take_on():  # or the reader has given up, and may be taking parts itself at this very moment
            part = self.take_one()
            if part is None:
                self._tell_end(getter)
            else:
                getter.set_result(part)

    def _resume(self) -> None:
        if self._is_held and self._written - self._read <= self._limit // 2:
            self._is_held = False
            if self._exchange is not None:
                self._exchange.resume()

    # -- for the reader -----------------------------------------------------------------------------

    def take_one(self) -> bytes | None:
        """Take what waits, without waiting."""
        try:
            part = self._parts.popleft()
        except IndexError:
            return None
        self._read += len(part)
        if self._is_held and self._written - self._read <= self._limit // 2:
            self.post(self._resume)
        return part

    def get(self) -> ChannelFuture[bytes]:
        """Ask for the next part; ``b""`` is the end."""
        future: ChannelFuture[bytes] = ChannelFuture(self.loop)
        try:
            self.loop.execute(self._serve, future)
        except ChannelClosedError as exc:
            future.fail_if_pending(exc)
        return future

    def give_back(self, part: bytes) -> None:
        """Put a part back that was taken in the very moment in which it was given up."""
        if part:
            self._read -= len(part)
            self._parts.appendleft(part)

    def post(self, fn: Callable[[], object]) -> None:
        """Run ``fn()`` on the loop, if that still runs."""
        try:
            self.loop.execute(fn)
        except ChannelClosedError:
            return  # a loop that has stopped has ended the exchange


class StreamedResponse(ResponseHead):
    """An answer whose body comes in parts; made by ``client.stream(…)``, for one reader.

    Iterating raises what went wrong: ``ResponseError`` when the body is cut off, ``RequestTimeoutError`` when nothing
    comes for too long.
    """

    def __init__(
        self, request: PreparedRequest, response: Response, history: tuple[ResponseHead, ...], queue: BodyQueue
    ) -> None:
        super().__init__(request, response, history)
        self.length: int | None = response.body_length if response.body_length >= 0 else None
        """Bytes of the body, if the server has said how many there are, before any decompression."""
        self._queue = queue

    @property
    def trailers(self) -> Headers | None:
        """Headers that came behind the body, once it has been read."""
        return self._queue.trailers

    def get(self) -> ChannelFuture[bytes]:
        """Ask for the next part, ``b""`` at the end; who stops waiting should ``cancel()`` the future."""
        return self._queue.get()

    def next(self, timeout: float | None = None) -> bytes:
        """Wait for the next part, ``b""`` at the end.

        Raises:
            TimeoutError: nothing came within ``timeout`` seconds; it can still be waited for.
            BlockingOperationError: called on a loop.
        """
        part = self._queue.take_one()
        if part is not None:
            return part
        if on_a_loop():
            raise BlockingOperationError(f"{self!r} cannot be waited for on a loop: use get() and a callback")
        future = self._queue.get()
        try:
            return future.result(timeout)
        except BaseException:  # a timeout, Ctrl-C, and what the body fails with
            if not future.cancel() and future.exception() is None:
                self._queue.give_back(future.result())
            raise

    def read(self, limit: int | None = None) -> bytes:
        """Read all that is left, at most ``limit`` bytes, the ``max_body`` of the client if there is none.

        Raises:
            ResponseTooLargeError: there is more.
        """
        from .sinks import TooMuchError, WholeBody

        whole = WholeBody(self.request.max_body if limit is None else limit)
        try:
            for part in self:
                whole.take(part)
        except TooMuchError as exc:
            raise self._too_large(exc) from exc
        return whole.body()

    def _too_large(self, exc: Exception) -> BaseException:
        from .errors import ResponseTooLargeError

        self.close()
        return ResponseTooLargeError(str(self.url), str(exc))

    def close(self) -> None:
        """Read no more; a connection that has not brought everything is cut off.  Again is allowed."""
        self._queue.post(self._queue.abandon)

    def __iter__(self) -> StreamedResponse:
        return self

    def __next__(self) -> bytes:
        part = self.next()
        if not part:
            raise StopIteration
        return part

    def __aiter__(self) -> StreamedResponse:
        return self

    async def __anext__(self) -> bytes:
        part = self._queue.take_one()
        if part is not None:
            return part
        future = self._queue.get()
        try:
            part = await future
        except BaseException:  # asyncio's cancellation, and what the body fails with
            if not future.cancel() and future.exception() is None:
                self._queue.give_back(future.result())
            raise
        if not part:
            raise StopAsyncIteration
        return part


class Streaming:
    """A request whose answer is read in parts; a context manager, for ``with`` and ``async with``."""

    def __init__(self, send: Callable[[], ChannelFuture[StreamedResponse]], must_be_awaited: bool) -> None:
        self._send = send
        self._must_be_awaited = must_be_awaited
        self._response: StreamedResponse | None = None

    def __enter__(self) -> StreamedResponse:
        if on_a_loop():
            raise BlockingOperationError("a response cannot be waited for on a loop: use start() and a callback")
        if self._must_be_awaited:
            raise TypeError("an async iterable is read while somebody awaits: use async with")
        future = self._send()
        try:
            self._response = future.result()
        except BaseException:  # Ctrl-C, and what the request fails with
            self._give_up(future)
            raise
        return self._response

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    async def __aenter__(self) -> StreamedResponse:
        future = self._send()
        try:
            self._response = await future
        except BaseException:  # asyncio's cancellation, and what the request fails with
            self._give_up(future)
            raise
        return self._response

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def start(self) -> ChannelFuture[StreamedResponse]:
        """Send the request, for whoever cannot wait; the response then has to be closed."""
        return self._send()

    def _give_up(self, future: ChannelFuture[StreamedResponse]) -> None:
        if not future.cancel() and future.exception() is None:
            future.result().close()  # it came in the very moment in which it was given up

    def _close(self) -> None:
        if self._response is not None:
            self._response.close()
