"""ProtocolSettings: how WebSockets are spoken once the handshake is done, said once for all connections."""

from __future__ import annotations

from typing import Any

from ...pipeline import Stage
from .deflate_parameters import DeflateParameters
from .limits import KEEP_ALIVE, LIMITS, KeepAlive, Limits
from .protocol import protocol_stages


class ProtocolSettings:
    """What ``protocol_stages`` wants to know.

    Raises:
        ValueError: a time that is not above 0.
    """

    def __init__(
        self,
        *,
        limits: Limits = LIMITS,
        keepalive: KeepAlive | None = KEEP_ALIVE,
        close_timeout: float = 10.0,
        messages: bool = True,
    ) -> None:
        self._settings: dict[str, Any] = {
            "limits": limits,
            "keepalive": keepalive,
            "close_timeout": close_timeout,
            "messages": messages,
        }
        protocol_stages("server", **self._settings)  # what is wrong with them is said here, not at the first client

    def stages(self, role: str, deflate: DeflateParameters | None) -> list[Stage]:
        """Make the stages of one connection."""
        return protocol_stages(role, deflate=deflate, **self._settings).handlers
