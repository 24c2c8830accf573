"""What a client of Redis raises besides what every channel may: an error that was the reply, and a lost race."""

from __future__ import annotations

from collections.abc import Callable

from ....errors import PipelineNetError
from ..messages import RedisError


class ReplyError(PipelineNetError):
    """The server answered with an error.

    Args:
        error: what it said; ``code`` is its first word, such as ``WRONGTYPE``.
        command: the name of the command that was answered; never its arguments, which may be secrets.
    """

    def __init__(self, error: RedisError, command: str = "") -> None:
        super().__init__(error, command)
        self.error = error
        self.command = command

    def __reduce__(self) -> tuple[Callable[..., ReplyError], tuple[str, bytes, str]]:
        return _answered_with, (self.error.code, self.error.text, self.command)  # compiled messages are not pickled

    @property
    def code(self) -> str:
        """What programs look at."""
        return self.error.code

    def __str__(self) -> str:
        said = f"{self.error.code} {self.error.text.decode(errors='replace')}"
        return f"{self.command}: {said}" if self.command else said


def _answered_with(code: str, text: bytes, command: str) -> ReplyError:
    return ReplyError(RedisError(code, text), command)


class TransactionAbortedError(PipelineNetError):
    """A key that was watched has changed, so nothing of the transaction was done."""
