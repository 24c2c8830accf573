"""Stages without a protocol: what any server or client may seat between its own, one file each.

Those that change no message are transparent: in ``wire() >> …`` the types of a stack pass through them.

What speaks TLS is imported when it is asked for: nobody else pays for ``ssl``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .tls import TlsHandler, start_tls
    from .tls_alpn import AlpnHandler
    from .tls_context import ClientTls, ServerTls, TlsSessions
    from .tls_facts import TlsHandshakeDone
    from .tls_verification import ANYBODY_MAY_POSE_AS_THE_SERVER

_TLS: Final = {
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
    # TLS
    "ANYBODY_MAY_POSE_AS_THE_SERVER",
    "AlpnHandler",
    "ClientTls",
    "ServerTls",
    "TlsHandler",
    "TlsHandshakeDone",
    "TlsSessions",
    "start_tls",
]


def __getattr__(name: str) -> Any:
    if name not in _TLS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_TLS[name]}", __name__), name)
