"""The WebSocket client for programs that are no stages: ``connect()``, and what it connects.

connect     connect(): a future of a WebSocket
connection  WebSocket: send, receive, iterate, close; from any thread, and from asyncio
errors      WebSocketClosedError
"""

from __future__ import annotations

from .connect import connect
from .connection import WebSocket
from .errors import WebSocketClosedError

__all__ = ["WebSocket", "WebSocketClosedError", "connect"]
