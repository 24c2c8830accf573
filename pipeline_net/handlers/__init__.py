"""Stages without a protocol: what any server or client may seat between its own, one file each.

Those that change no message are transparent: in ``wire() >> …`` the types of a stack pass through them.
"""

from __future__ import annotations

from . import probes
from .client_hello import ClientHello, read_client_hello
from .connection_limit import ConnectionLimitHandler
from .flow_control import FlowControlHandler
from .idle_state import IdleState, IdleStateEvent, IdleStateHandler
from .ip_filter import IpFilterHandler
from .logging import LoggingHandler
from .networks import Networks
from .sniff import SniffHandler
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
    # which protocol
    "ClientHello",
    "SniffHandler",
    "probes",
    "read_client_hello",
    # what passes
    "LoggingHandler",
]
