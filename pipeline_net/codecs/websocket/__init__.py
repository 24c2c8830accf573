"""WebSocket: text and binary messages both ways, strict in what it reads and in what it writes.

::

    str, bytes     messages; what a handler reads and writes
    messages       Ping, Pong, Close, Fragment, PreparedMessage, and Closed, which tells how it ended
    frame_decoder  bytes → messages, with every limit
    frame_encoder  messages → bytes
    deflate        permessage-deflate
    closing        the closing handshake, as a table
    protocol       protocol_stages(): what sits below the application once the upgrade is done
"""

from __future__ import annotations

from .close_codes import CloseCode
from .deflate_parameters import DeflateParameters
from .errors import WebSocketDecodeError
from .frame_decoder import FrameDecoder
from .frame_encoder import FrameEncoder
from .limits import KEEP_ALIVE, LIMITS, KeepAlive, Limits
from .messages import Close, Closed, Fragment, Ping, Pong, PreparedMessage
from .protocol import WebSocketHandler, protocol_stages

__all__ = [
    "Close",
    "CloseCode",
    "Closed",
    "DeflateParameters",
    "Fragment",
    "FrameDecoder",
    "FrameEncoder",
    "KeepAlive",
    "KEEP_ALIVE",
    "LIMITS",
    "Limits",
    "Ping",
    "Pong",
    "PreparedMessage",
    "WebSocketDecodeError",
    "WebSocketHandler",
    "protocol_stages",
]
