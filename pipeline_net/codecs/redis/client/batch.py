"""Batch and Transaction: commands that are collected, and sent together.

::

    with client.pipeline() as batch:
        batch.execute("SET", "a", 1)
        visits = batch.execute("INCR", "visits")
    visits.result()             # or await visits; batch.done has all replies
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeAlias

from ....errors import PipelineError
from ....future import ChannelFuture, completed
from ....transport.event_loop import EventLoop
from ..command_encoder import RedisCommandEncoder
from ..messages import Request
from .calls import Call, GroupCall, TransactionCall
from .connection import joined

Post: TypeAlias = Callable[[Call], object]


class Batch:
    """Commands that leave with one write when its ``with`` ends, or with ``send()``; made by ``client.pipeline()``.

    Nothing is sent when the ``with`` ends in an exception.  Others' commands may be executed between these.

    ``done`` has the list of all replies.  An error among them fails it with the first ``ReplyError``, though the others
    have been executed; with ``keeps_errors`` they are in the list, as ``RedisError``.
    """

    def __init__(
        self,
        loop: EventLoop,
        post: Post,
        encoder: RedisCommandEncoder,
        check: Callable[[Request], str],
        *,
        timeout: float | None,
        keeps_errors: bool,
    ) -> None:
        self.done: ChannelFuture[list[Any]] = ChannelFuture(loop)
        self._loop = loop
        self._post = post
        self._encoder = encoder
        self._check = check
        self._timeout = timeout
        self._keeps_errors = keeps_errors
        self._names: list[str] = []
        self._data: list[bytes] = []
        self._futures: list[ChannelFuture[Any]] = []
        self._is_sent = False

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} commands{', sent' if self._is_sent else ''}>"

    def execute(self, *command: bytes | str | int | float) -> ChannelFuture[Any]:
        """Add a command; the future has its reply once the batch has been sent and answered.

        Raises:
            EncodeError: an argument has a type that cannot be sent.
            PipelineError: the command cannot be used like this, or the batch has been sent.
        """
        if self._is_sent:
            raise PipelineError(f"{self!r} takes no more commands")
        name = self._check(command)
        self._data.append(joined(self._encoder, [command]))  # a mistake shows here, where it was made
        self._names.append(name)
        future: ChannelFuture[Any] = ChannelFuture(self._loop)
        self._futures.append(future)
        return future

    def send(self) -> ChannelFuture[list[Any]]:
        """Send what was collected, once; returns ``done``."""
        if self._is_sent:
            raise PipelineError(f"{self!r} is sent once")
        self._is_sent = True
        if not self._names:
            self.done.fulfil([])
        else:
            self._post(self._make_call())
        return self.done

    def results(self, timeout: float | None = None) -> list[Any]:
        """Wait for all replies, as ``done.result()`` does."""
        return self.done.result(timeout)

    def _make_call(self) -> Call:
        data = b"".join(self._data)
        return GroupCall(self._names, [data], self._timeout, self.done, self._futures, self._keeps_errors)

    def __enter__(self) -> Batch:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc_type is None:
            if not self._is_sent:
                self.send()
            return
        if not self._is_sent:
            self._is_sent = True
            self.done.cancel()
            for future in self._futures:
                future.cancel()


class Transaction(Batch):
    """A batch between MULTI and EXEC: all of it is executed, with nothing of anybody else in between, or none.

    Made by ``client.transaction()``.  ``done`` fails with ``TransactionAbortedError`` when a watched key has changed.
    """

    def _make_call(self) -> Call:
        data = b"".join([joined(self._encoder, [["MULTI"]]), *self._data, joined(self._encoder, [["EXEC"]])])
        return TransactionCall(self._names, [data], self._timeout, self.done, self._futures, self._keeps_errors)


def nothing_to_do(loop: EventLoop) -> ChannelFuture[list[Any]]:
    """Make the future of a batch without commands."""
    return completed(loop, [])
