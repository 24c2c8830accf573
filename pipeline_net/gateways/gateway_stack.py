"""gateway_stack(): what is below every handler that lets somebody else answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Never

from ..codecs.http.options import Deadlines, Limits
from ..codecs.http.server import server_stack
from ..stack import Stack


def gateway_stack(
    handler: Any, whom: str, *, limits: Limits, deadlines: Deadlines, stages: Iterable[Any] = ()
) -> Stack[bytes, Never, Never, bytes]:
    """HTTP, ``stages``, and a handler that has one request at a time, and says itself when it wants a body.

    Args:
        whom: the handler asks, for the error.

    Raises:
        ValueError: ``limits.max_pipelined`` is not 1.
    """
    if limits.max_pipelined != 1:
        raise ValueError(f"max_pipelined must be 1 for {whom}, not {limits.max_pipelined}")
    # ``100 Continue`` is for whoever answers to say, when the body is asked for.
    stack: Any = server_stack(limits=limits, deadlines=deadlines, auto_continue=False)
    for stage in (*stages, handler):
        stack = stack >> stage
    whole: Stack[bytes, Never, Never, bytes] = stack
    return whole
