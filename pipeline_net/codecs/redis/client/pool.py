"""ClientPool: connections that are lent to one user at a time.

Some commands mean the connection: WATCH and what follows, and those that block it, such as BLPOP.  They cannot go
through a connection that others use meanwhile::

    pool = redis.ClientPool(loops, "tcp://127.0.0.1:6379", size=4)
    with pool.lease() as client:                    # or async with
        client.call("WATCH", "balance")
        balance = int(client.call("GET", "balance") or 0)
        with client.transaction() as batch:
            batch.execute("SET", "balance", balance + 1)
        batch.results()                             # TransactionAbortedError: somebody was quicker

A leased client does not connect again when its connection is lost: the server has forgotten then what was watched.  The
pool makes a new one for the next lease.

Nor is a connection lent again whose user has changed it for good, say with CLIENT SETNAME or CLIENT TRACKING
(``footprints``): it is closed, and the pool makes a new one.  What was watched is forgotten, an open MULTI discarded.

All clients live on one loop, which also keeps the books, so there is no lock.
"""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Any

import attrs

from ....errors import ChannelClosedError, PipelineError, PoolFullError, ReadTimeoutError
from ....future import ChannelFuture, completed
from ....transport.event_loop import EventLoop
from ....transport.group import EventLoopGroup
from ....transport.running import on_a_loop
from ..messages import Request
from .calls import Call, GroupCall
from .command_client import CommandClient
from .command_queue import CommandQueue
from .connection import EndWithLoop, check_address, joined
from .footprints import LASTING, UNDONE, footprint
from .options import ClientOptions
from .refused import ON_ANY_CONNECTION


class LeasedClient(CommandClient):
    """A client with a connection of its own, on loan from a ``ClientPool``.

    The connection is lent again, and this object is not: whoever still has it can do nothing to the next user.
    """

    def __init__(
        self,
        loop: EventLoop,
        address: str | tuple[Any, ...],
        options: ClientOptions,
        queue: CommandQueue | None = None,
    ) -> None:
        super().__init__(loop, address, attrs.evolve(options, reconnect=False), None, ON_ANY_CONNECTION, queue)
        self.is_lent = False
        self.is_marked = False  # the server may remember something of its user …
        self.is_spent = False  # … and will not forget it
        self._has_passed_on = False  # the connection is another one's now

    def passed_on(self) -> LeasedClient:
        """Return another client for the same connection."""
        self._has_passed_on = True
        return LeasedClient(self.loop, self.address, self.options, self._queue)

    def check(self, command: Request) -> str:
        if not self.is_lent:
            raise PipelineError(f"{self!r} is not on loan")
        name = super().check(command)
        left = footprint(command)
        if left == UNDONE:
            self.is_marked = True
        elif left == LASTING:
            self.is_spent = True
        return name

    def post(self, call: Call) -> None:
        if self.is_lent:
            super().post(call)
        else:
            call.fail(PipelineError(f"{self!r} is not on loan"))

    def close(self) -> ChannelFuture[None]:
        return completed(self.loop, None) if self._has_passed_on else super().close()

    def clean(self) -> None:
        """Let the server forget what it may remember of the last user; ``is_spent`` says that it cannot."""
        if not self.is_marked:
            return
        self.is_marked = False
        data = joined(self._encoder, [("DISCARD",), ("UNWATCH",)])
        done: ChannelFuture[Any] = ChannelFuture(self.loop)  # that there was nothing to discard is an error for nobody
        self._queue.post(GroupCall(["DISCARD", "UNWATCH"], [data], self._timeout, done, None, True))


class Lease:
    """The right to use a client; a context manager, for ``with`` and ``async with``."""

    def __init__(self, pool: ClientPool, timeout: float | None) -> None:
        self._pool = pool
        self._timeout = timeout
        self._client: LeasedClient | None = None

    def __enter__(self) -> LeasedClient:
        future = self._pool.acquire(self._timeout)
        try:
            self._client = future.result()
        except BaseException:  # Ctrl-C, and what acquire() fails with
            self._give_up(future)
            raise
        return self._client

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._give_back()

    async def __aenter__(self) -> LeasedClient:
        future = self._pool.acquire(self._timeout)
        try:
            self._client = await future
        except BaseException:  # asyncio's cancellation, and what acquire() fails with
            self._give_up(future)
            raise
        return self._client

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._give_back()

    def _give_up(self, future: ChannelFuture[LeasedClient]) -> None:
        if not future.cancel() and future.exception() is None:
            self._pool.release(future.result())  # it came in the very moment in which it was given up

    def _give_back(self) -> None:
        client = self._client
        self._client = None
        if client is not None:
            self._pool.release(client)


class ClientPool:
    """Lends clients, at most ``size`` at a time; all its methods may be called from any thread.

    Args:
        loops: the connections live on one of them, where the pool's books are kept, too.
        size: connections that there may be.
        max_waiting: who may wait for one; one more gets ``PoolFullError``.
        options: of each client; ``reconnect`` has no meaning here.

    Raises:
        AddressError: the address does not say where.
        ValueError: a limit below 1.
    """

    def __init__(
        self,
        loops: EventLoopGroup | EventLoop,
        address: str | tuple[Any, ...] = "tcp://127.0.0.1:6379",
        *,
        size: int = 8,
        max_waiting: int = 1024,
        options: ClientOptions = ClientOptions(),
    ) -> None:
        for name, limit in (("size", size), ("max_waiting", max_waiting)):
            if limit < 1:
                raise ValueError(f"{name} must be at least 1, not {limit}")
        check_address(address, options)
        if isinstance(loops, EventLoopGroup):
            loops.start()
        self.address = address
        self._loop = loops.next() if isinstance(loops, EventLoopGroup) else loops
        self._size = size
        self._max_waiting = max_waiting
        self._options = options
        self._clients: set[LeasedClient] = set()  # all there are; on the loop, like all that follows
        self._idle: list[LeasedClient] = []
        self._waiting: deque[ChannelFuture[LeasedClient]] = deque()
        self._is_closed = False
        self._stop_listener: EndWithLoop | None = None

    def __repr__(self) -> str:
        return f"<ClientPool of {self.address}: {len(self._clients)} of {self._size} clients, {len(self._idle)} idle>"

    def lease(self, timeout: float | None = 10.0) -> Lease:
        """Borrow a client: ``with pool.lease() as client: …``; entering waits for one, at most ``timeout`` seconds.

        Entering raises ``ReadTimeoutError`` when none became free in time, ``PoolFullError`` when too many wait
        already, ``ChannelClosedError`` when the pool is closed, and ``ValueError`` for a timeout that is none.
        """
        return Lease(self, timeout)

    def acquire(self, timeout: float | None = 10.0) -> ChannelFuture[LeasedClient]:
        """Borrow a client that must be given to ``release()``; ``lease()`` does both.

        Raises:
            ValueError: the timeout is negative, or not a number.
        """
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"timeout must not be negative, but is {timeout!r}")
        future: ChannelFuture[LeasedClient] = ChannelFuture(self._loop)
        try:
            self._loop.execute(self._acquire, future, timeout)
        except ChannelClosedError as exc:
            future.fail_if_pending(exc)
        return future

    def release(self, client: LeasedClient) -> None:
        """Give a client back; again is allowed, and does nothing.

        One that still waits for replies is closed: they are nobody else's business.  So is one whose connection has
        been changed for good.
        """
        client.is_lent = False
        try:
            self._loop.execute(self._release, client)  # after all that its user has asked for
        except ChannelClosedError:
            client.close()  # a loop that has stopped keeps no books

    def close(self) -> ChannelFuture[None]:
        """Lend no more, and close all clients, those on loan too."""
        promise: ChannelFuture[None] = ChannelFuture(self._loop)
        try:
            self._loop.execute(self._close, promise)
        except ChannelClosedError:
            promise.fulfil(None)
        return promise

    def __enter__(self) -> ClientPool:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        closed = self.close()
        if self._loop.has_thread and not on_a_loop():
            closed.result()

    async def __aenter__(self) -> ClientPool:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    # -- on the loop --------------------------------------------------------------------------------

    def _acquire(self, future: ChannelFuture[LeasedClient], timeout: float | None) -> None:
        if self._is_closed:
            future.fail_if_pending(ChannelClosedError(f"{self!r} is closed"))
            return
        client = self._find()
        if client is not None:
            self._lend(client, future)
            return
        if self._stop_listener is None:
            self._stop_listener = EndWithLoop(self._loop, self._end_waiting)
            self._loop.adopt_listener(self._stop_listener)
        self._forget_given_up()
        if len(self._waiting) >= self._max_waiting:
            future.fail_if_pending(PoolFullError(f"{self!r}: {self._max_waiting} wait for a client already"))
            return
        self._waiting.append(future)
        if timeout is not None:
            error = ReadTimeoutError(f"{self!r}: none became free within {timeout:g} s")
            timer = self._loop.schedule(timeout, future.fail_if_pending, error)
            future.add_done_callback(lambda _: timer.cancel())

    def _find(self) -> LeasedClient | None:
        """Find a client that can be used, or make one, if there may be another."""
        while self._idle:
            client = self._idle.pop()  # the one that was used last
            if not client.is_closed:
                return client
            self._clients.discard(client)
        if len(self._clients) >= self._size:
            return None
        client = LeasedClient(self._loop, self.address, self._options)
        self._clients.add(client)
        return client

    def _lend(self, client: LeasedClient, future: ChannelFuture[LeasedClient]) -> None:
        """Lend a client to who asked, unless they have given up."""
        client.is_lent = True  # before they can use it
        if future.done() or not future.set_result(client):
            client.is_lent = False
            self._idle.append(client)

    def _release(self, client: LeasedClient) -> None:
        if client not in self._clients:
            return  # given back twice
        self._clients.discard(client)
        if self._is_closed or client.is_closed or client.is_spent or client.pending:
            client.close()
        else:
            client.clean()
            free = client.passed_on()
            self._clients.add(free)
            self._idle.append(free)
        while self._waiting and not self._is_closed:
            found = self._find()
            if found is None:
                return
            self._lend(found, self._waiting.popleft())

    def _forget_given_up(self) -> None:
        self._waiting = deque(future for future in self._waiting if not future.done())

    def _close(self, promise: ChannelFuture[None]) -> None:
        self._end_waiting()
        if self._stop_listener is not None:
            self._loop.forget_listener(self._stop_listener)
        clients = list(self._clients)
        self._clients.clear()
        self._idle.clear()
        _AllDone(promise, [client.close() for client in clients])

    def _end_waiting(self) -> None:
        """Lend no more."""
        self._is_closed = True
        error = ChannelClosedError(f"{self!r} is closed")
        while self._waiting:
            self._waiting.popleft().fail_if_pending(error)


class _AllDone:
    """Keeps a promise when all of some futures are done, one after the other."""

    def __init__(self, promise: ChannelFuture[None], futures: list[ChannelFuture[None]]) -> None:
        self._promise = promise
        self._futures = futures
        self.look()

    def look(self, _: object = None) -> None:
        """Wait for the next one that is not done."""
        while self._futures and self._futures[-1].done():
            self._futures.pop()
        if self._futures:
            self._futures.pop().add_done_callback(self.look)
        else:
            self._promise.fulfil(None)
