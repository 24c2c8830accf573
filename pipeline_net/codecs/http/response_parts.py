"""What HttpServerHandler asks of a part of a response: which request it answers, and what it weighs."""

from __future__ import annotations

from typing import Any

from ..._mypyc import i64
from ...errors import EncodeError
from .messages import Data, End, FullResponse, InterimResponse, Request, Response


def request_of(msg: Any) -> Request | None:
    """Find out which request a part of a response says that it answers.

    Raises:
        EncodeError: it is no part of a response.
    """
    if isinstance(msg, Response):
        return msg.to
    if isinstance(msg, Data):
        return msg.to
    if isinstance(msg, End):
        return msg.to
    if isinstance(msg, InterimResponse):
        return msg.to
    raise EncodeError(f"a response is made of Response, Data and End, or is a FullResponse, but this is {msg!r:.100}")


def size_of(msg: Any) -> i64:
    """Count what a part of a response weighs while it is held back."""
    if isinstance(msg, Data):
        data = msg.data
        return data.nbytes if isinstance(data, memoryview) else len(data)
    return len(msg.body) if isinstance(msg, FullResponse) else 0
