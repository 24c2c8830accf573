"""Small Redis servers made with the kit: in virtual time, and on real sockets."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pipeline_net import EventLoopGroup, Server, ServerBootstrap
from pipeline_net.codecs import redis
from pipeline_net.testing import EmbeddedChannel


class Store:
    """Values, lists, and who waits for a list to get something."""

    def __init__(self) -> None:
        self.values: dict[tuple[int, bytes], bytes] = {}
        self.lists: dict[tuple[int, bytes], deque[bytes]] = {}
        self.waiting: dict[KitSession, bytes] = {}
        self.withdrawn: list[KitSession] = []

    def withdraw(self, session: KitSession) -> None:
        self.waiting.pop(session)
        self.withdrawn.append(session)

    def serve(self, database: int, key: bytes) -> None:
        """Give what a list has to those who wait for it."""
        items = self.lists.get((database, key))
        for session, wanted in list(self.waiting.items()):
            if items and wanted == key and session.database == database:
                del self.waiting[session]
                if session.reply([key, items[0]]):
                    items.popleft()
                    session.state.tell_write(session, [b"LPOP", key])


class KitSession(redis.Session):
    """A session with a store."""

    def __init__(self, state: redis.ServerState, store: Store) -> None:
        super().__init__(state)
        self.store = store
        self.was_reset = 0
        self.has_closed = False

    def reset(self) -> None:
        self.was_reset += 1

    def closed(self) -> None:
        self.has_closed = True


table = redis.CommandTable()


@table.command("GET", arity=2, flags="readonly fast", keys=(1, 1, 1), group="string")
def get(session: KitSession, args: redis.Command) -> redis.Reply:
    return session.store.values.get((session.database, args[1]))


@table.command("SET", arity=-3, flags="write denyoom", keys=(1, 1, 1), group="string")
def set_(session: KitSession, args: redis.Command) -> redis.Reply:
    if len(args) > 3:
        raise redis.CommandError("syntax error")
    session.store.values[session.database, args[1]] = args[2]
    session.touch(args[1])
    return redis.OK


@table.command("INCR", arity=2, flags="write denyoom fast", keys=(1, 1, 1), group="string")
def incr(session: KitSession, args: redis.Command) -> redis.Reply:
    total = redis.integer(session.store.values.get((session.database, args[1]), b"0")) + 1
    session.store.values[session.database, args[1]] = b"%d" % total
    session.touch(args[1])
    return total


@table.command("DEL", arity=-2, flags="write", keys=(1, -1, 1))
def del_(session: KitSession, args: redis.Command) -> redis.Reply:
    deleted = [key for key in args[1:] if session.store.values.pop((session.database, key), None) is not None]
    for key in deleted:
        session.touch(key)
    if not deleted:
        session.propagate()
    return len(deleted)


@table.command("RPUSH", arity=-3, flags="write denyoom fast", keys=(1, 1, 1), group="list")
def rpush(session: KitSession, args: redis.Command) -> redis.Reply:
    items = session.store.lists.setdefault((session.database, args[1]), deque())
    items.extend(args[2:])
    session.touch(args[1])
    session.state.after_command(session.store.serve, session.database, args[1])
    return len(items)


@table.command("BLPOP", arity=-3, flags="write blocking", keys=(1, -2, 1), group="list")
def blpop(session: KitSession, args: redis.Command) -> redis.Reply:
    seconds = redis.integer(args[2], "timeout is not a float or out of range")
    items = session.store.lists.get((session.database, args[1]))
    if items:
        session.propagate([b"LPOP", args[1]])
        return [args[1], items.popleft()]
    session.propagate()
    session.store.waiting[session] = args[1]
    return session.later(timeout=seconds, otherwise=redis.NULL_ARRAY, withdraw=session.store.withdraw)


@table.command("FORGET", arity=2, flags="readonly")
def forget(session: KitSession, args: redis.Command) -> redis.Reply:
    session.store.values.pop((session.database, args[1]), None)
    session.propagate([b"DEL", args[1]])
    return redis.OK


@table.command("BUG", arity=-1)
def bug(session: KitSession, args: redis.Command) -> redis.Reply:
    raise LookupError("a mistake of the function's author")


@table.command("NEVER", arity=1)
def never(session: KitSession, args: redis.Command) -> redis.Reply:
    return redis.LATER


@pytest.fixture
def store() -> Store:
    """What all clients of the kit's servers in this test share."""
    return Store()


class KitClient(EmbeddedChannel):
    """A client of a server in virtual time."""

    def __init__(self, session: KitSession, *stages: Any, **settings: Any) -> None:
        self.session = session
        self.store = session.store
        super().__init__(redis.server_stack(), redis.CommandHandler(table, session), *stages, **settings)

    def ask(self, *commands: str | list[bytes]) -> bytes:
        """Send commands, as words in a string or as a list, in one piece; all that has come by then."""
        self.write_inbound(b"".join(wire_of(command) for command in commands))
        return self.take()

    def take(self) -> bytes:
        """All that has come since it was asked the last time."""
        came = b"".join(self.outbound)
        self.outbound.clear()
        return came


def wire_of(command: str | list[bytes]) -> bytes:
    words = command.encode("latin-1").split() if isinstance(command, str) else command
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


@pytest.fixture
def kit(store: Store) -> Callable[..., KitClient]:
    """``kit()`` is a client of the test's server; ``kit(state)`` one of another server, but of the same store."""
    # Each has a loop of its own, of this one thread; so a lock is asked for, and there is nobody to wait for.
    mine = redis.ServerState(lock=threading.Lock())

    def connect(state: redis.ServerState | None = None, **settings: Any) -> KitClient:
        return KitClient(KitSession(mine if state is None else state, store), **settings)

    return connect


@pytest.fixture
def run_kit(store: Store) -> Iterator[Callable[..., Server]]:
    """``run_kit(state, loops=1)`` is a server on real sockets, until the test ends."""
    with ExitStack() as running:

        def run(
            state: redis.ServerState | None = None, *, loops: int = 1, address: str = "tcp://127.0.0.1:0"
        ) -> Server:
            shared = redis.ServerState() if state is None else state
            group = running.enter_context(EventLoopGroup(loops))
            bootstrap = ServerBootstrap(
                group,
                initializer=lambda channel: (
                    redis.server_stack() >> redis.CommandHandler(table, KitSession(shared, store))
                ),
            )
            return running.enter_context(bootstrap.bind(address))

        yield run
