"""Client: a Redis client that many threads and coroutines share.

One connection carries the commands of all, each sent without waiting for the replies to the others; so many callers
cost the server and the network little more than one.  Subscriptions have a connection of their own, made when the first
one is: a server that finds a subscriber too slow cuts it off, and in RESP2 a connection that subscribes can do nothing
else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ....future import ChannelFuture
from ....transport.event_loop import EventLoop
from ....transport.group import EventLoopGroup
from ..messages import Push
from .command_client import CommandClient
from .options import ClientOptions
from .refused import ON_A_SHARED_CONNECTION
from .subscriber import Subscriber
from .subscription import Message, Subscription


class Client(CommandClient):
    """A client of the Redis server at ``address``; all its methods may be called from any thread.

    It connects with the first command, or ``connect()``, and again when the connection is lost.

    Args:
        loops: where its connections live; a loop that nobody has started must be driven by whoever made it.
        address: ``"tcp://host:port"``, ``"unix://path"``, or whatever else ``Bootstrap`` can connect to.
        options: how it introduces itself, how long it waits, and how much it lets wait.
        on_push: called on the loop with each ``Push`` that arrives on the connection of the commands, such as
            ``[b"invalidate", [key]]`` after ``CLIENT TRACKING ON`` in ``ClientOptions(setup=…)``.

    Raises:
        AddressError: the address does not say where.
        ChannelClosedError: the group has been shut down.
    """

    def __init__(
        self,
        loops: EventLoopGroup | EventLoop,
        address: str | tuple[Any, ...] = "tcp://127.0.0.1:6379",
        *,
        options: ClientOptions = ClientOptions(),
        on_push: Callable[[Push], object] | None = None,
    ) -> None:
        super().__init__(loops, address, options, on_push, ON_A_SHARED_CONNECTION)
        self._subscriber = Subscriber(self.loop, address, options)

    def subscribe(
        self,
        *channels: bytes | str,
        patterns: tuple[bytes | str, ...] = (),
        shards: tuple[bytes | str, ...] = (),
        on_message: Callable[[Message], object] | None = None,
        queue_limit: int = 1024,
    ) -> Subscription:
        """Listen to channels, to those that fit ``patterns`` such as ``news.*``, and to sharded ones (SSUBSCRIBE).

        Args:
            on_message: called on the loop with each message, which then does not go through the queue.
            queue_limit: messages that may wait to be read; above that the oldest is dropped, and counted.

        Raises:
            ValueError: there is nothing to listen to, or no room for a message.

        ``await`` or wait for its ``ready`` to be sure that nothing is missed from then on.
        """
        subscription = Subscription(
            self._subscriber, channels, patterns, shards, on_message=on_message, queue_limit=queue_limit
        )
        self._subscriber.post(self._subscriber.add, subscription)
        return subscription

    def close(self) -> ChannelFuture[None]:
        """End all subscriptions; otherwise like ``CommandClient.close``."""
        self._subscriber.post(self._subscriber.close)
        return super().close()
