"""CommandClient: what every client can do, whether its connection is shared or leased.

Commands are put into bytes by whoever asks for them, on their own thread.  So a mistake is raised there, what an
argument holds at that moment is what is sent, and the loop has less to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from ...._mypyc import mypyc_attr
from ....errors import ChannelClosedError
from ....future import ChannelFuture
from ....transport.event_loop import EventLoop
from ....transport.group import EventLoopGroup
from ....transport.running import on_a_loop
from ..command_encoder import RedisCommandEncoder
from ..messages import Push, Request
from .batch import Batch, Transaction, nothing_to_do
from .calls import Call, GroupCall, SingleCall
from .command_queue import AS_CONFIGURED, CommandQueue
from .connection import check_address, joined
from .connection_life import CLOSED, READY
from .options import ClientOptions
from .refused import check_command


@mypyc_attr(allow_interpreted_subclasses=True)
class CommandClient:
    """Executes commands on one connection; all its methods may be called from any thread.

    Whatever returns a ``ChannelFuture`` can be waited for, ``.result()``, or awaited in asyncio.
    """

    def __init__(
        self,
        loops: EventLoopGroup | EventLoop,
        address: str | tuple[Any, ...],
        options: ClientOptions,
        on_push: Callable[[Push], object] | None,
        refused: dict[Any, str],
        queue: CommandQueue | None = None,
    ) -> None:
        check_address(address, options)
        if isinstance(loops, EventLoopGroup):
            loops.start()
            self.loop: EventLoop = loops.next()
        else:
            self.loop = loops
        self.address = address
        self.options = options
        self._queue = CommandQueue(self.loop, address, options, on_push) if queue is None else queue
        self._encoder = RedisCommandEncoder()
        self._refused = refused
        self._timeout: float | None = options.timeout

    def __repr__(self) -> str:
        state = "closed" if self._queue.state == CLOSED else "ready" if self.is_ready else "not connected"
        return f"<{type(self).__name__} of {self.address} {state}, {self.pending} commands pending>"

    # -- what is known ------------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether there is a connection, and it has been greeted."""
        return self._queue.state == READY

    @property
    def is_closed(self) -> bool:
        """Whether it is of no more use: somebody has closed it, or it has lost its only connection."""
        return self._queue.state == CLOSED

    @property
    def pending(self) -> int:
        """Commands without a reply, sent or not."""
        return self._queue.pending

    @property
    def protocol(self) -> int:
        """2 or 3: which version of RESP the server was greeted in last; 0 before that."""
        return self._queue.protocol

    @property
    def server(self) -> dict[Any, Any]:
        """What the server has answered to HELLO, such as ``{b"version": b"7.0.15", …}``; empty for old ones."""
        return self._queue.server

    def check(self, command: Request) -> str:
        """Name a command, if it may be executed here.

        Raises:
            PipelineError: it may not; the message says what to use instead.
        """
        return check_command(command, self._refused)

    def post(self, call: Call) -> None:
        """Send what a batch has collected, if that may still be done."""
        self._queue.post(call)

    # -- commands -----------------------------------------------------------------------------------

    def execute(self, *command: bytes | str | int | float, timeout: float | None = AS_CONFIGURED) -> ChannelFuture[Any]:
        """Send a command: ``execute("SET", key, value)``; the future has its reply.

        Nothing waits for earlier replies: what is executed one after the other is pipelined.

        Args:
            timeout: seconds instead of those of the options; ``None`` for commands that block, such as BLPOP.

        Raises:
            EncodeError: an argument has a type that cannot be sent.
            PipelineError: the command cannot be used like this; the message says what can.
            ValueError: the timeout is negative, or not a number.

        The future fails with ``ReplyError`` when the reply is an error, with ``ReadTimeoutError``,
        ``ChannelBrokenError`` or ``ChannelClosedError`` when there is none, and with ``PoolFullError`` when too many
        are pending.
        """
        name = self.check(command)
        encoded = self._encoder.encode(command)
        seconds = self._seconds(timeout)
        future: ChannelFuture[Any] = ChannelFuture(self.loop)
        data = self._fitting(encoded) if isinstance(encoded, list) else [encoded]
        self._queue.post(SingleCall(name, data, seconds, future))
        return future

    def _seconds(self, timeout: float | None) -> float | None:
        """Turn the timeout that somebody gave into that of a call.

        Raises:
            ValueError: it is none.  On the loop it would be too late to say so, and the call would wait for ever.
        """
        if timeout is None:
            return None
        if timeout == AS_CONFIGURED:
            return self._timeout
        if not timeout >= 0:
            raise ValueError(f"timeout must not be negative, but is {timeout!r}")
        return timeout

    def _fitting(self, pieces: list[bytes]) -> list[bytes]:
        """Join pieces of which the first ones alone would fill the channel's buffer: the last one would be too many."""
        channel = self.options.channel
        size = sum(map(len, pieces))
        return pieces if size + channel.write_buffer_high < channel.write_buffer_limit else [b"".join(pieces)]

    def call(self, *command: bytes | str | int | float, timeout: float | None = AS_CONFIGURED) -> Any:
        """Send a command, and wait for its reply: ``execute(…).result()``.

        Raises:
            BlockingOperationError: called on the client's own loop.
            Exception: like ``execute``, and what its future fails with.
        """
        return self.execute(*command, timeout=timeout).result()

    def execute_many(
        self, commands: Iterable[Request], *, timeout: float | None = AS_CONFIGURED, keeps_errors: bool = False
    ) -> ChannelFuture[list[Any]]:
        """Send several commands with one write; the future has the list of their replies.

        It fails with the first ``ReplyError`` among them, though the others have been executed; with ``keeps_errors``
        errors are in the list, as ``RedisError``.

        Raises:
            EncodeError, PipelineError, ValueError: like ``execute``; then none is sent.
        """
        requests = list(commands)
        names = [self.check(command) for command in requests]
        if not names:
            return nothing_to_do(self.loop)
        data = joined(self._encoder, requests)
        seconds = self._seconds(timeout)
        done: ChannelFuture[list[Any]] = ChannelFuture(self.loop)
        self._queue.post(GroupCall(names, [data], seconds, done, None, keeps_errors))
        return done

    def pipeline(self, *, timeout: float | None = AS_CONFIGURED, keeps_errors: bool = False) -> Batch:
        """Collect commands, and send them with one write: ``with client.pipeline() as batch: …``."""
        return Batch(
            self.loop,
            self.post,
            self._encoder,
            self.check,
            timeout=self._seconds(timeout),
            keeps_errors=keeps_errors,
        )

    def transaction(self, *, timeout: float | None = AS_CONFIGURED, keeps_errors: bool = False) -> Transaction:
        """Collect commands, and execute all of them at once or none: ``with client.transaction() as batch: …``."""
        return Transaction(
            self.loop,
            self.post,
            self._encoder,
            self.check,
            timeout=self._seconds(timeout),
            keeps_errors=keeps_errors,
        )

    # -- beginning and end --------------------------------------------------------------------------

    def connect(self) -> ChannelFuture[None]:
        """Connect now rather than with the first command; the future fails if the next attempt does."""
        promise: ChannelFuture[None] = ChannelFuture(self.loop)
        try:
            self.loop.execute(self._queue.when_ready, promise)
        except ChannelClosedError as exc:
            promise.fail_if_pending(exc)
        return promise

    def close(self) -> ChannelFuture[None]:
        """Take no more commands, wait for the replies to those that were sent (``close_timeout``), then close.

        What was not sent yet fails with ``ChannelClosedError``.
        """
        promise: ChannelFuture[None] = ChannelFuture(self.loop)
        self._queue.shut()
        try:
            self.loop.execute(self._queue.close_when_answered, promise)
        except ChannelClosedError:
            promise.fulfil(None)  # a loop that has stopped has closed it
        return promise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        closed = self.close()
        if self.loop.has_thread and not on_a_loop():
            closed.result()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
