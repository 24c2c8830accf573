"""WebSocket: text and binary messages both ways, strict in what it reads and in what it writes.

::

    str, bytes     messages; what a handler reads and writes
    messages       Ping, Pong, Close, Fragment, PreparedMessage, and Closed, which tells how it ended
    frame_decoder  bytes → messages, with every limit
    frame_encoder  messages → bytes
    deflate        permessage-deflate
    closing        the closing handshake, as a table
    protocol       protocol_stages(): what sits below the application once the upgrade is done

    handshake      what the request and the answer must say; HandshakeComplete, HandshakeError
    extensions     names and parameters, taken apart
    negotiation    Deflate: what is compressed, and how two peers agree on it
    acceptance     what a server makes of a handshake: origins, subprotocols
    server         server_stack(), and UpgradeHandler for where other paths are ordinary HTTP
    client_handler client_stack()
    url            ws:// and wss://
    client         connect(): a WebSocket for programs that are no stages
    broadcast      BroadcastGroup: the same to many
"""

from __future__ import annotations

from .broadcast import BroadcastGroup
from .client import WebSocket, WebSocketClosedError, connect
from .client_handler import ClientHandshakeHandler, client_stack
from .close_codes import CloseCode
from .deflate_parameters import DeflateParameters
from .errors import WebSocketDecodeError
from .frame_decoder import FrameDecoder
from .frame_encoder import FrameEncoder
from .handshake import HandshakeComplete, HandshakeError
from .limits import KEEP_ALIVE, LIMITS, KeepAlive, Limits
from .messages import Close, Closed, Fragment, Ping, Pong, PreparedMessage
from .negotiation import Deflate
from .protocol import WebSocketHandler, protocol_stages
from .server import ServerHandshakeHandler, UpgradeHandler, server_stack
from .url import WebSocketUrl

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
    # to many, and for programs that are no stages
    "BroadcastGroup",
    "WebSocket",
    "WebSocketClosedError",
    "connect",
    # from HTTP to WebSocket
    "ClientHandshakeHandler",
    "Deflate",
    "HandshakeComplete",
    "HandshakeError",
    "ServerHandshakeHandler",
    "UpgradeHandler",
    "WebSocketUrl",
    "client_stack",
    "server_stack",
]
