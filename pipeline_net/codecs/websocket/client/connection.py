"""WebSocket: a connection for a program that is no stage; all its methods may be called from any thread.

Messages wait in an ``Inbox`` until somebody asks for them, so a program that takes its time slows the server down.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Never

from ....channel import Channel
from ....context import ChannelHandlerContext
from ....errors import ChannelClosedError
from ....future import ChannelFuture, wait_in_line
from ....handler import ChannelInboundHandler
from ..handshake import HandshakeComplete, HandshakeError
from ..inbox import Inbox
from ..messages import Close, Closed, OutMessage
from .errors import WebSocketClosedError

if TYPE_CHECKING:
    from types import TracebackType

_ABNORMAL: Final = 1006


class WebSocket:
    """A connection that ``connect()`` has made.

    ``for message in ws`` and ``async for message in ws`` end when the peer has closed in good order, and raise
    ``WebSocketClosedError`` when the connection was lost.  Leaving a ``with`` or ``async with`` block closes it.
    """

    def __init__(self, channel: Channel, complete: HandshakeComplete, inbox: Inbox) -> None:
        self.channel = channel
        self.handshake = complete
        """What the server has answered: ``headers``, ``subprotocol``, ``extensions``."""
        self.closed: Closed | None = None
        """How it ended, once it has."""
        self._inbox = inbox
        self._getters: deque[ChannelFuture[str | bytes]] = deque()

    def __repr__(self) -> str:
        state = "open" if self.closed is None else repr(self.closed)
        return f"<WebSocket {self.handshake.target} of {self.channel.remote_address!r}, {state}>"

    # -- for programs -------------------------------------------------------------------------------

    def send(self, msg: OutMessage) -> ChannelFuture[None]:
        """Send a message, or a ``Ping``; the future is done when the kernel has taken it.

        A program that sends much waits for it: whatever is not awaited adds up, until at ``write_buffer_limit`` the
        channel is closed.
        """
        return self.channel.write_and_flush(msg)

    def receive(self) -> ChannelFuture[str | bytes]:
        """Ask for the next message.  Who stops waiting should ``cancel()`` the future, or a message is lost with it.

        It fails with ``WebSocketClosedError`` when no message will come any more.
        """
        future: ChannelFuture[str | bytes] = ChannelFuture(self.channel.loop)
        try:
            self.channel.loop.execute(self._serve, future)
        except ChannelClosedError as exc:
            future.fail_if_pending(exc)
        return future

    def close(self, code: int = 1000, reason: str = "") -> ChannelFuture[None]:
        """Close in good order; the future is done when the connection has ended.  Again is allowed.

        Raises:
            ValueError: a code that must not travel, or a reason that is too long.
        """
        self.channel.write_and_flush(Close(code, reason))
        try:
            self.channel.loop.execute(self._inbox.drop)  # nobody will read it, and the peer's Close is behind it
        except ChannelClosedError:
            return self.channel.close_future  # its loop has stopped, which has closed it
        return self.channel.close_future

    def __iter__(self) -> WebSocket:
        return self

    def __next__(self) -> str | bytes:
        future = self.receive()
        try:
            return future.result()
        except WebSocketClosedError as exc:
            if exc.clean:
                raise StopIteration from None
            raise
        except BaseException:  # Ctrl-C
            self._give_up(future)
            raise

    def __aiter__(self) -> WebSocket:
        return self

    async def __anext__(self) -> str | bytes:
        future = self.receive()
        try:
            return await future
        except WebSocketClosedError as exc:
            if exc.clean:
                raise StopAsyncIteration from None
            raise
        except BaseException:  # asyncio's cancellation
            self._give_up(future)
            raise

    def _give_up(self, future: ChannelFuture[str | bytes]) -> None:
        if not future.cancel() and future.exception() is None:
            self.channel.loop.execute(self._inbox.put_back, future.result())  # it came in that very moment

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close().result()

    async def __aenter__(self) -> WebSocket:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    # -- on the loop --------------------------------------------------------------------------------

    def _serve(self, future: ChannelFuture[str | bytes]) -> None:
        msg = None if self._getters else self._inbox.take()
        if msg is not None:
            if not future.set_result(msg):
                self._inbox.put_back(msg)
        elif self.closed is not None:
            future.fail_if_pending(WebSocketClosedError(self.closed))
        else:
            wait_in_line(self._getters, future)

    def deliver(self, msg: str | bytes) -> None:
        """Hand a message to whoever waits, or keep it."""
        while self._getters:
            if self._getters.popleft().set_result(msg):
                return  # the others have been cancelled
        self._inbox.put(msg)

    def end(self, closed: Closed) -> None:
        """No more messages will come; those that wait can still be received."""
        if self.closed is not None:
            return
        self.closed = closed
        while self._getters:
            self._getters.popleft().fail_if_pending(WebSocketClosedError(closed))


class WebSocketKeeper(ChannelInboundHandler[Any, Never, OutMessage]):
    """The last stage: makes a ``WebSocket`` when the handshake is done, and feeds it."""

    def __init__(self, promise: ChannelFuture[WebSocket]) -> None:
        self._promise = promise
        self._websocket: WebSocket | None = None

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        assert self._websocket is not None, "the handshake comes before the first message"
        self._websocket.deliver(msg)

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        if isinstance(event, HandshakeComplete):
            inbox = Inbox()
            inbox.fill_from(ctx)
            self._websocket = WebSocket(ctx.channel, event, inbox)
            if not self._promise.set_result(self._websocket):
                ctx.close()  # nobody waits any more
        elif isinstance(event, Closed) and self._websocket is not None:
            self._websocket.end(event)
        else:
            ctx.fire_user_event_triggered(event)

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        if self._websocket is None:
            self._promise.fail_if_pending(exc)
            if not isinstance(exc, HandshakeError):
                ctx.close()
        else:
            ctx.fire_exception_caught(exc)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._websocket is None:
            self._promise.fail_if_pending(ctx.channel.closed_error())
        else:
            self._websocket.end(Closed(_ABNORMAL, "", False, True))
        ctx.fire_channel_inactive()
