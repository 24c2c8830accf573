"""ChannelOptions → what the kernel is told about a socket; and what it is asked.

On Linux a connection inherits all of this from the socket that accepted it, so a server pays for it once; elsewhere,
each connection is told for itself.

Source: tcp(7), socket(7).
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import TYPE_CHECKING, Final

from ..options import ChannelOptions

if TYPE_CHECKING:
    from .bare_socket import BareSocket

if sys.platform == "linux":
    import fcntl

INHERITED: Final = sys.platform == "linux"  # whether accepted sockets have the options of their listener
_UNSENT_BYTES: Final = 0x894B  # SIOCOUTQNSD of linux/sockios.h: bytes that wait for the peer to make room
_NO_TIME: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time

# Seconds of idleness before the first probe: macOS calls it differently.
_TCP_KEEPIDLE: Final[int | None] = getattr(socket, "TCP_KEEPIDLE", None) or getattr(socket, "TCP_KEEPALIVE", None)
_TCP_KEEPINTVL: Final[int | None] = getattr(socket, "TCP_KEEPINTVL", None)
_TCP_KEEPCNT: Final[int | None] = getattr(socket, "TCP_KEEPCNT", None)


def apply_options(sock: socket.SocketType, options: ChannelOptions) -> None:
    """Tell the kernel; before ``listen`` or ``connect``, for the size of the receive buffer decides the TCP window."""
    if options.receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.receive_buffer)
    if options.send_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, options.send_buffer)
    if sock.type != socket.SOCK_STREAM or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    if options.tcp_nodelay:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if options.keepalive is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        _set_seconds(sock, _TCP_KEEPIDLE, options.keepalive)
        if options.keepalive_interval is not None:
            _set_seconds(sock, _TCP_KEEPINTVL, options.keepalive_interval)
        if options.keepalive_count is not None and _TCP_KEEPCNT is not None:
            sock.setsockopt(socket.IPPROTO_TCP, _TCP_KEEPCNT, options.keepalive_count)


def _set_seconds(sock: socket.SocketType, name: int | None, seconds: float) -> None:
    if name is not None:
        sock.setsockopt(socket.IPPROTO_TCP, name, max(1, round(seconds)))  # the kernel counts whole seconds


def holds_unsent_bytes(sock: socket.SocketType | BareSocket) -> bool:
    """Whether the kernel still holds bytes for which the peer's has no room; ``False`` where it cannot be asked."""
    if sys.platform != "linux":
        return False
    try:
        return any(fcntl.ioctl(sock.fileno(), _UNSENT_BYTES, bytes(4)))
    except OSError:
        return False  # a Unix socket: what was sent is with the peer already


def reset_when_closed(sock: socket.SocketType | BareSocket) -> None:
    """Let ``close()`` reset the connection."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_TIME)
    except OSError:
        pass  # macOS refuses when the peer has reset it already: there is nobody left to tell
