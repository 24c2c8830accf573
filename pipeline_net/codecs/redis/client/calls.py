"""Calls: commands that are written together, and who gets the replies.

A call is given exactly as many replies as it has commands, in their order, whether or not somebody still waits for
them.  That is what keeps the next call from getting the wrong ones: a caller who gives up stops listening, the call
does not.

    SingleCall        one command, one future
    GroupCall         several commands: a future for all of them, and one for each if somebody wants it
    TransactionCall   the same between MULTI and EXEC, whose one reply holds all the others
    AskedCall         for the client itself: keeps the replies
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ....errors import ProtocolError
from ....future import ChannelFuture
from ..messages import Null, RedisError
from .errors import ReplyError, TransactionAbortedError

if TYPE_CHECKING:
    from ....transport.timers import TimerHandle


def settle(future: ChannelFuture[Any], reply: Any, name: str) -> None:
    """Give a reply to whoever waits for it: an error as an exception, NULL as ``None``."""
    if isinstance(reply, RedisError):
        future.fail_if_pending(ReplyError(reply, name))
    elif isinstance(reply, Null):
        future.fulfil(None)
    else:
        future.fulfil(reply)


class Call:
    """Commands on their way: ``data`` are their bytes, ``missing`` counts the replies that are still to come.

    ``starts_at`` is how many bytes the channel had been given before them.
    """

    def __init__(self, name: str, data: list[bytes], count: int, timeout: float | None) -> None:
        self.name = name
        self.data = data
        self.size = len(data[0]) if len(data) == 1 else sum(map(len, data))  # bytes
        self.count = count
        self.missing = count
        self.starts_at = 0
        self.timeout = timeout
        self.timer: TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}, {self.missing} of {self.count} replies missing>"

    @property
    def is_given_up(self) -> bool:
        """Whether nobody waits for it any more."""
        raise NotImplementedError

    def on_cancel(self, fn: Callable[[], object]) -> None:
        """Run ``fn()`` on the loop if somebody cancels who waits for it."""

    def take(self, reply: Any) -> None:
        """Take the next reply; ``missing`` has counted it already."""
        raise NotImplementedError

    def fail(self, exc: BaseException) -> None:
        """Tell whoever waits that no reply will come, or none in time."""
        raise NotImplementedError


class SingleCall(Call):
    """One command, one future."""

    def __init__(self, name: str, data: list[bytes], timeout: float | None, future: ChannelFuture[Any]) -> None:
        super().__init__(name, data, 1, timeout)
        self.future = future

    @property
    def is_given_up(self) -> bool:
        return self.future.done()

    def on_cancel(self, fn: Callable[[], object]) -> None:
        self.future.on_cancel(fn)

    def take(self, reply: Any) -> None:
        settle(self.future, reply, self.name)

    def fail(self, exc: BaseException) -> None:
        self.future.fail_if_pending(exc)


class GroupCall(Call):
    """Several commands.

    ``done`` has all replies when the last one is there.  An error among them fails it, unless ``keeps_errors``: then it
    is a message in the list.  The others have been executed all the same.
    """

    def __init__(
        self,
        names: list[str],
        data: list[bytes],
        timeout: float | None,
        done: ChannelFuture[Any],
        futures: list[ChannelFuture[Any]] | None,
        keeps_errors: bool,
    ) -> None:
        title = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        super().__init__(title, data, len(names), timeout)
        self.names = names
        self.done = done
        self.futures = futures
        self.keeps_errors = keeps_errors
        self.replies: list[Any] = []
        self.first_error: ReplyError | None = None
        self.taken = 0

    @property
    def is_given_up(self) -> bool:
        if not self.done.done():
            return False
        if self.futures is not None:
            for future in self.futures:
                if not future.done():
                    return False
        return True

    def on_cancel(self, fn: Callable[[], object]) -> None:
        self.done.on_cancel(fn)

    def take(self, reply: Any) -> None:
        at = self.taken
        self.taken = at + 1
        self.take_one(at, reply)
        if self.missing == 0:
            self.finish()

    def take_one(self, at: int, reply: Any) -> None:
        """Take the reply to the command number ``at``."""
        if self.futures is not None:
            settle(self.futures[at], reply, self.names[at])
        if isinstance(reply, Null):
            reply = None
        elif isinstance(reply, RedisError) and self.first_error is None:
            self.first_error = ReplyError(reply, self.names[at])
        self.replies.append(reply)

    def finish(self) -> None:
        """All replies are there."""
        if self.first_error is not None and not self.keeps_errors:
            self.done.fail_if_pending(self.first_error)
        else:
            self.done.fulfil(self.replies)

    def fail(self, exc: BaseException) -> None:
        if self.futures is not None:
            for future in self.futures:
                future.fail_if_pending(exc)
        self.done.fail_if_pending(exc)


class TransactionCall(GroupCall):
    r"""Several commands between MULTI and EXEC::

        MULTI      SET a 1     INCR b     EXEC
        +OK        +QUEUED     +QUEUED    *2\r\n +OK\r\n :1\r\n

    A command that the server does not even queue makes EXEC fail, and nothing is done (``EXECABORT``).  An EXEC that is
    answered by null was aborted, because a watched key had changed.
    """

    def __init__(
        self,
        names: list[str],
        data: list[bytes],
        timeout: float | None,
        done: ChannelFuture[Any],
        futures: list[ChannelFuture[Any]] | None,
        keeps_errors: bool,
    ) -> None:
        super().__init__(names, data, timeout, done, futures, keeps_errors)
        self.missing = self.count = len(names) + 2

    def take(self, reply: Any) -> None:
        at = self.taken
        self.taken = at + 1
        if self.missing > 0:
            if isinstance(reply, RedisError):
                self._refused(at, reply)
        elif isinstance(reply, RedisError):
            error = ReplyError(reply, "EXEC")
            error.__cause__ = self.first_error
            self.fail(error)
        elif isinstance(reply, Null):
            self.fail(TransactionAbortedError(f"a watched key has changed before EXEC: {self.name} was not executed"))
        elif isinstance(reply, list) and len(reply) == len(self.names):
            for number, value in enumerate(reply):
                self.take_one(number, value)
            self.finish()
        else:
            self.fail(ProtocolError(f"EXEC of {len(self.names)} commands was answered by {type(reply).__name__}"))

    def _refused(self, at: int, error: RedisError) -> None:
        """MULTI itself was, or a command was not queued; what EXEC says follows from it."""
        name = "MULTI" if at == 0 else self.names[at - 1]
        if self.first_error is None:
            self.first_error = ReplyError(error, name)
        if at > 0 and self.futures is not None:
            self.futures[at - 1].fail_if_pending(ReplyError(error, name))


class AskedCall(Call):
    """What the client itself asks: ``replies`` are there when none is missing."""

    def __init__(self, name: str, data: list[bytes], count: int) -> None:
        super().__init__(name, data, count, None)
        self.replies: list[Any] = []

    @property
    def is_given_up(self) -> bool:
        return False

    def take(self, reply: Any) -> None:
        self.replies.append(reply)

    def fail(self, exc: BaseException) -> None:
        """The one who asked hears of it from the connection."""
