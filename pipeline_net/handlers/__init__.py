"""Stages without a protocol: what any server or client may seat between its own, one file each.

Those that change no message are transparent: in ``wire() >> …`` the types of a stack pass through them.
"""

from __future__ import annotations

from .flow_control import FlowControlHandler
from .idle_state import IdleState, IdleStateEvent, IdleStateHandler
from .timeouts import ReadTimeoutHandler, WriteTimeoutHandler

__all__ = [
    # when, and how fast
    "FlowControlHandler",
    "IdleState",
    "IdleStateEvent",
    "IdleStateHandler",
    "ReadTimeoutHandler",
    "WriteTimeoutHandler",
]
