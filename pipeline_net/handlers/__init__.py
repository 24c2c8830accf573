"""Stages without a protocol: what any server or client may seat between its own, one file each.

Those that change no message are transparent: in ``wire() >> …`` the types of a stack pass through them.

What speaks TLS is imported when it is asked for: nobody else pays for ``ssl``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

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

if TYPE_CHECKING:
    from .tls import TlsHandler, start_tls
    from .tls_alpn import AlpnHandler
    from .tls_context import ClientTls, ServerTls, TlsSessions
    from .tls_facts import TlsHandshakeDone
    from .tls_verification import ANYBODY_MAY_POSE_AS_THE_SERVER

_LAZY: Final = {
    "ANYBODY_MAY_POSE_AS_THE_SERVER": "tls_verification",
    "AlpnHandler": "tls_alpn",
    "ClientTls": "tls_context",
    "ServerTls": "tls_context",
    "TlsHandler": "tls",
    "TlsHandshakeDone": "tls_facts",
    "TlsSessions": "tls_context",
    "start_tls": "tls",
}

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
    # TLS
    "ANYBODY_MAY_POSE_AS_THE_SERVER",
    "AlpnHandler",
    "ClientTls",
    "ServerTls",
    "TlsHandler",
    "TlsHandshakeDone",
    "TlsSessions",
    "start_tls",
    # what passes
    "LoggingHandler",
    "Metrics",
    "MetricsHandler",
    "PcapHandler",
    "PcapWriter",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LAZY[name]}", __name__), name)
