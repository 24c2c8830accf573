"""Stages without a protocol: what any server or client may seat between its own, one file each.

Those that change no message are transparent: in ``wire() >> …`` the types of a stack pass through them.
"""

from __future__ import annotations

from .connection_limit import ConnectionLimitHandler
from .flow_control import FlowControlHandler
from .idle_state import IdleState, IdleStateEvent, IdleStateHandler
from .ip_filter import IpFilterHandler
from .logging import LoggingHandler
from .networks import Networks
from .timeouts import ReadTimeoutHandler, WriteTimeoutHandler

__all__ = [
    # when, and how fast
    "FlowControlHandler",
    "IdleState",
    "IdleStateEvent",
    "IdleStateHandler",
    "ReadTimeoutHandler",
    "WriteTimeoutHandler",
    # who
    "ConnectionLimitHandler",
    "IpFilterHandler",
    "Networks",
    # what passes
    "LoggingHandler",
]
