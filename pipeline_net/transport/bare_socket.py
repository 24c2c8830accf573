"""BareSocket: a connected socket of which no more is needed, as a rule, than its number.

Python's socket object asks the kernel for the socket's name when it is made, and most connections are only read,
written and closed.  So one is made when somebody wants what only it can do.  Where there is one from the start, because
we have connected it, it is wrapped: then a channel has sockets of one class, which compiled code calls without looking
anything up.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable
from typing import Any, Final

_WINDOWS: Final = sys.platform == "win32"

# Looked up once: every connection needs both.
_close: Final = os.close
_set_blocking: Final = os.set_blocking


class BareSocket:
    """Offers what a channel needs of a socket; closed when it is forgotten, like the real one.

    Args:
        fd: the descriptor, owned from now on.
        whole: the socket object that it belongs to, if there is one.
    """

    def __init__(self, fd: int, whole: socket.SocketType | None = None) -> None:
        self._fd = fd
        self._sock = whole

    def __repr__(self) -> str:
        return f"<BareSocket {self._fd}>"

    def __del__(self) -> None:
        if self._fd >= 0 and self._sock is None:
            _close(self._fd)

    def fileno(self) -> int:
        """Say what the descriptor is; -1 once it is closed."""
        return self._fd

    def setblocking(self, flag: bool) -> None:
        _set_blocking(self._fd, flag)

    def recv(self, size: int) -> bytes:
        return os.read(self._fd, size) if self._sock is None else self._sock.recv(size)

    def sendmsg(self, pieces: Iterable[Any]) -> int:
        return os.writev(self._fd, list(pieces)) if self._sock is None else self._sock.sendmsg(pieces)

    def close(self) -> None:
        """Let it go; again is allowed."""
        fd = self._fd
        self._fd = -1
        if self._sock is not None:
            self._sock.close()
        elif fd >= 0:
            _close(fd)

    @property
    def family(self) -> int:
        return self._whole().family

    @property
    def type(self) -> int:
        return self._whole().type

    def shutdown(self, how: int) -> None:
        self._whole().shutdown(how)

    def getsockname(self) -> Any:
        return self._whole().getsockname()

    def getsockopt(self, level: int, option: int) -> int:
        return self._whole().getsockopt(level, option)

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        self._whole().setsockopt(level, option, value)

    def _whole(self) -> socket.SocketType:
        if self._sock is None:
            self._sock = socket.SocketType(fileno=self._fd)
        return self._sock


def accept(listener: socket.SocketType) -> tuple[Any, Any]:
    """Take the next connection from the queue of a listening socket: a non-blocking socket, bare or whole, and the
    peer's address.

    What ``socket.accept`` does in Python (looking up enumerations, and wrapping the socket for ``makefile`` and its
    like) costs as much as our own share of accepting.

    Raises:
        BlockingIOError: nobody waits.
        OSError: see accept(2), "Error handling".
    """
    accepted: tuple[int, Any] = listener._accept()  # type: ignore[attr-defined]  # the half of accept that is in C
    fd, remote = accepted
    if _WINDOWS:
        whole = socket.SocketType(listener.family, listener.type, listener.proto, fd)  # there it is no file
        whole.setblocking(False)
        return whole, remote
    bare = BareSocket(fd)
    bare.setblocking(False)
    return bare, remote
