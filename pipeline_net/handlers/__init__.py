"""Stages without a protocol: what any server or client may seat between its own, one file each.

Those that change no message are transparent: in ``wire() >> …`` the types of a stack pass through them.
"""

from __future__ import annotations

from . import probes
from .chunked_write import ChunkedWriteHandler
from .client_hello import ClientHello, read_client_hello
from .connection_limit import ConnectionLimitHandler
from .flow_control import FlowControlHandler
from .flush_consolidation import FlushConsolidationHandler
from .idle_state import IdleState, IdleStateEvent, IdleStateHandler
from .ip_filter import IpFilterHandler
from .logging import LoggingHandler
from .metrics import Metrics, MetricsHandler
from .networks import Networks
from .pcap import PcapHandler, PcapWriter
from .proxy_header import ProxyHeader, ProxySsl
from .proxy_protocol import ProxyProtocolDecoder, ProxyProtocolEncoder, client_of
from .sniff import SniffHandler
from .timeouts import ReadTimeoutHandler, WriteTimeoutHandler
from .traffic_shaping import TokenBucket, TrafficShapingHandler

__all__ = [
    # when, and how fast
    "ChunkedWriteHandler",
    "FlowControlHandler",
    "FlushConsolidationHandler",
    "IdleState",
    "IdleStateEvent",
    "IdleStateHandler",
    "ReadTimeoutHandler",
    "TokenBucket",
    "TrafficShapingHandler",
    "WriteTimeoutHandler",
    # who
    "ConnectionLimitHandler",
    "IpFilterHandler",
    "Networks",
    "ProxyHeader",
    "ProxyProtocolDecoder",
    "ProxyProtocolEncoder",
    "ProxySsl",
    "client_of",
    # which protocol
    "ClientHello",
    "SniffHandler",
    "probes",
    "read_client_hello",
    # what passes
    "LoggingHandler",
    "Metrics",
    "MetricsHandler",
    "PcapHandler",
    "PcapWriter",
]
