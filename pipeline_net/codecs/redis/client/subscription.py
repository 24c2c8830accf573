"""Subscription: messages that a server pushes, as an iterator, one by one, or through a callback.

::

    with client.subscribe("news", patterns=("weather.*",)) as messages:
        for message in messages:                    # async for in asyncio; messages.next(timeout) for one
            print(message.channel, message.data)

What nobody has read yet waits in a queue with a limit.  When it is full the oldest message goes, and ``dropped`` counts
it: a program that falls behind should know what is new, and no more memory is taken.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from ....complaints import log_failure
from ....errors import ChannelClosedError
from ....future import ChannelFuture, wait_in_line

if TYPE_CHECKING:
    from .subscriber import Subscriber

_logger: Final = logging.getLogger("pipeline_net.redis")

Key: TypeAlias = tuple[bytes, bytes]
"""What is listened to: the verb that begins it, and the name of a channel or a pattern."""


@attrs.frozen
class Message:
    """What somebody has published.  ``pattern`` is the one that it came through, or ``None``."""

    channel: bytes
    data: Any
    pattern: bytes | None = None


def _encoded(name: bytes | str) -> bytes:
    return name.encode() if isinstance(name, str) else name


class Subscription:
    """Messages of some channels; made by ``client.subscribe()``, and usable from any thread.

    ``ready`` is done when the server has confirmed all channels.  After a lost connection they are subscribed again;
    what was published meanwhile is lost, and ``interruptions`` counts such gaps: one, however long it takes to connect.
    """

    def __init__(
        self,
        subscriber: Subscriber,
        channels: tuple[bytes | str, ...],
        patterns: tuple[bytes | str, ...],
        shards: tuple[bytes | str, ...],
        *,
        on_message: Callable[[Message], object] | None,
        queue_limit: int,
    ) -> None:
        keys = [(b"SUBSCRIBE", _encoded(name)) for name in channels]
        keys += [(b"PSUBSCRIBE", _encoded(name)) for name in patterns]
        keys += [(b"SSUBSCRIBE", _encoded(name)) for name in shards]
        if not keys:
            raise ValueError("a subscription wants at least one channel or pattern")
        if queue_limit < 1:
            raise ValueError(f"queue_limit must be at least 1, not {queue_limit}")
        self.keys: tuple[Key, ...] = tuple(dict.fromkeys(keys))
        self.ready: ChannelFuture[None] = ChannelFuture(subscriber.loop)
        self.dropped = 0
        """Messages that nobody has read in time."""
        self.interruptions = 0
        """How often the connection was lost while the server told it something: each may have cost messages."""
        self.unconfirmed = set(self.keys)  # on the loop, like all that follows
        self._subscriber = subscriber
        self._on_message = on_message
        self._limit = queue_limit
        self._messages: deque[Message] = deque()
        self._getters: deque[ChannelFuture[Message]] = deque()
        self._error: BaseException | None = None  # why there will be no more

    def __repr__(self) -> str:
        names = b", ".join(name for _, name in self.keys).decode(errors="replace")
        return f"<Subscription to {names}{' (ended)' if self._error is not None else ''}>"

    @property
    def is_closed(self) -> bool:
        """Whether there will be no more messages; those that wait can still be read."""
        return self._error is not None

    # -- for who reads, from any thread -------------------------------------------------------------

    def get(self) -> ChannelFuture[Message]:
        """Ask for the next message.  Who stops waiting should ``cancel()`` the future, or a message is lost with it.

        It fails with ``ChannelClosedError`` when the subscription has been closed, and with ``ReplyError`` when the
        server has refused it.
        """
        future: ChannelFuture[Message] = ChannelFuture(self.ready.loop)
        try:
            self.ready.loop.execute(self._serve, future)
        except ChannelClosedError as exc:
            future.fail_if_pending(exc)
        return future

    def next(self, timeout: float | None = None) -> Message | None:
        """Wait for the next message, at most ``timeout`` seconds; ``None`` if there is none.

        Raises:
            BlockingOperationError: called on the client's loop.
            ChannelClosedError, ReplyError: like ``get``.
        """
        message = self._take()
        if message is not None:
            return message
        future = self.get()
        try:
            return future.result(timeout)
        except TimeoutError:
            return None if future.cancel() else future.result()  # it may have come in this very moment
        except BaseException:  # Ctrl-C, and what get() fails with
            self._give_up(future)
            raise

    def _take(self) -> Message | None:
        try:
            return self._messages.popleft()
        except IndexError:
            return None

    def __iter__(self) -> Subscription:
        return self

    def __next__(self) -> Message:
        message = self._take()
        if message is not None:
            return message
        future = self.get()
        try:
            return future.result()
        except ChannelClosedError:
            raise StopIteration from None
        except BaseException:  # Ctrl-C, and what get() fails with
            self._give_up(future)
            raise

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Message:
        message = self._take()
        if message is not None:
            return message
        future = self.get()
        try:
            return await future
        except ChannelClosedError:
            raise StopAsyncIteration from None
        except BaseException:  # asyncio's cancellation, and what get() fails with
            self._give_up(future)
            raise

    def _give_up(self, future: ChannelFuture[Message]) -> None:
        if not future.cancel() and future.exception() is None:
            self._messages.appendleft(future.result())  # it came in the very moment in which it was given up

    def close(self) -> None:
        """Stop listening; iterations end.  Again is allowed."""
        self._subscriber.post(self._subscriber.discard, self)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # -- for the subscriber, on the loop ------------------------------------------------------------

    def deliver(self, message: Message) -> None:
        """Hand a message to whoever waits, or keep it."""
        if self._on_message is not None:
            try:
                self._on_message(message)
            except Exception as exc:  # noqa: BLE001 - the next message comes all the same
                log_failure(self.ready.loop, _logger, exc, "on_message", "%r: %r raised", self, self._on_message)
            return
        while self._getters:
            if self._getters.popleft().set_result(message):
                return  # the others have been cancelled
        if len(self._messages) >= self._limit:
            if self.dropped == 0:
                _logger.warning("%r: %d messages wait to be read, so the oldest are dropped", self, self._limit)
            self.dropped += 1
            self._take()
        self._messages.append(message)

    def confirm(self, key: Key) -> None:
        """The server has confirmed one of the keys."""
        self.unconfirmed.discard(key)
        if not self.unconfirmed:
            self.ready.fulfil(None)

    def interrupt(self) -> None:
        """The connection is lost, or an attempt to make one has failed, which is no further gap."""
        if len(self.unconfirmed) < len(self.keys):
            self.interruptions += 1
        self.unconfirmed = set(self.keys)

    def end(self, error: BaseException) -> None:
        """No more messages will come."""
        if self._error is not None:
            return
        self._error = error
        self.ready.fail_if_pending(error)
        while self._getters:
            self._getters.popleft().fail_if_pending(error)

    def _serve(self, future: ChannelFuture[Message]) -> None:
        message = self._take()
        if message is not None:
            if not future.set_result(message):
                self._messages.appendleft(message)
        elif self._error is not None:
            future.fail_if_pending(self._error)
        else:
            wait_in_line(self._getters, future)
