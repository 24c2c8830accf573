"""Waiting: which clients are blocked on which keys, and who is served when something arrives.

Those who came first are served first, after the command (or the whole transaction) that brought something is over, and
before the next one begins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import frozen

from pipeline_net.codecs import redis

from .arguments import floating
from .store import Store, Value

if TYPE_CHECKING:
    from .table import Client

_TOO_LONG: Final = 2**63 / 1000  # seconds, whose milliseconds do not fit into 64 bits

Attempt: TypeAlias = "Callable[[Client, bytes], redis.Reply]"
"""Takes something from a key for a client: the reply, or ``None`` when there is nothing of the right type."""


def read_timeout(arg: bytes) -> float:
    """Read seconds; 0 is for ever."""
    seconds = floating(arg, "timeout is not a float or out of range")
    if seconds >= _TOO_LONG or seconds * 1000 <= -1:  # too long ones overflow there
        raise redis.CommandError("timeout is negative")
    return max(seconds, 0.0)


@frozen
class Waiter:
    """What a blocked client would do as soon as it can."""

    database: int
    keys: list[bytes]
    kind: type[Any]
    attempt: Attempt


class Waiting(redis.KeyWatcher):
    """Who waits for what."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiters: dict[Client, Waiter] = {}
        self._queues: dict[tuple[int, bytes], dict[Client, None]] = {}
        self._touched: list[tuple[int, bytes]] = []
        self._serving = False

    def __len__(self) -> int:
        return len(self._waiters)

    def add(self, client: Client, waiter: Waiter) -> None:
        self._waiters[client] = waiter
        for key in waiter.keys:
            queue = self._queues.setdefault((waiter.database, key), {})
            if not queue:
                client.state.watch_key(waiter.database, key, self)
            queue[client] = None

    def discard(self, client: Client) -> None:
        """Forget a client that was served, has waited long enough, or has gone."""
        waiter = self._waiters.pop(client)
        for key in dict.fromkeys(waiter.keys):
            queue = self._queues[waiter.database, key]
            del queue[client]
            if not queue:
                del self._queues[waiter.database, key]
                client.state.unwatch_key(waiter.database, key, self)

    def key_touched(self, database: int, key: bytes) -> None:
        self._touched.append((database, key))
        if len(self._touched) == 1 and not self._serving:
            self._store.state.after_command(self._serve)

    def _serve(self) -> None:
        self._serving = True
        try:
            while self._touched:
                touched, self._touched = self._touched, []
                for place in dict.fromkeys(touched):
                    for client in list(self._queues.get(place, ())):
                        self._serve_one(client, *place)
        finally:
            self._serving = False

    def _serve_one(self, client: Client, database: int, key: bytes) -> None:
        waiter = self._waiters[client]
        if type(self._store.databases[database].values.get(key)) is not waiter.kind:
            return
        try:
            reply = waiter.attempt(client, key)
        except redis.CommandError as exc:
            reply = exc.reply
        if reply is not None:
            self.discard(client)
            for command in client.propagated or ():
                self._store.write_down(database, command)
            client.propagated = None
            client.reply(reply)


def take_or_wait(
    client: Client,
    keys: list[bytes],
    kind: type[Value],
    attempt: Attempt,
    timeout: float,
    nothing: redis.Reply = redis.NULL_ARRAY,
) -> redis.Reply:
    """Take from the first key that has something, or wait until one has; inside a transaction there is ``nothing``."""
    for key in keys:
        reply = attempt(client, key)
        if reply is not None:
            return reply
    if not client.may_block:
        return nothing
    waiting = client.waiting
    waiting.add(client, Waiter(client.database, keys, kind, attempt))
    return client.later(timeout=timeout or None, otherwise=redis.NULL_ARRAY, withdraw=waiting.discard)
