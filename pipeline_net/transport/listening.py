"""Bound sockets: where a server can be reached, and what is left behind when it goes.

All interfaces, ``tcp://:9000``, are one IPv6 socket that takes IPv4 as well, where the machine has IPv6, and an IPv4
socket elsewhere.  An IPv6 address that somebody wrote down takes IPv6 only.  A name is bound to one of its addresses,
to an IPv4 one if it has any, as Go does.

A Unix socket leaves its file behind when its process dies, and the next ``bind`` finds the path in use.  Whether
anybody still listens there, only ``connect`` tells: refused means that the file is stale, and it is replaced.  On
closing, the file is removed only if it is still ours: somebody may have put another one there.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import stat
import sys
from typing import Any, Final

from ..errors import BlockingOperationError
from ..options import ChannelOptions
from .address import Address, format_sockname
from .running import on_a_loop
from .socket_options import apply_options

logger = logging.getLogger("pipeline_net.server")

_NO_IPV6: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)
_POSIX: Final = sys.platform not in ("win32", "cygwin")


class BoundSocket:
    """A socket with a local address, non-blocking, and the file that it may have made."""

    def __init__(self, sock: socket.socket, scheme: str, path: str = "") -> None:
        self.sock = sock
        self.scheme = scheme
        name = sock.getsockname()
        self.address: Final = format_sockname(scheme, name)
        self.port: int = name[1] if isinstance(name, tuple) else 0
        # What accepted sockets are bound to as well; unknown where the listener takes what comes to any address.
        self.accepted_name: Any = None if isinstance(name, tuple) and name[0] in ("0.0.0.0", "::") else name
        self._path = os.path.abspath(path) if path else ""  # the process may change its directory
        self._file = _identity(self._path) if path else None

    def close(self) -> None:
        """Close the socket, and remove its file if that is still the one."""
        self.sock.close()
        if self._file is not None and _identity(self._path) == self._file:
            try:
                os.unlink(self._path)
            except FileNotFoundError:
                pass  # somebody was quicker
            except OSError as exc:
                logger.warning("the file of %s stays behind: %s", self.address, exc)  # everything else is closed
        self._file = None


def bind_socket(
    address: Address,
    options: ChannelOptions,
    *,
    reuse_address: bool = True,
    reuse_port: bool = False,
    backlog: int | None = None,
) -> BoundSocket:
    """Make a socket that is bound to ``address``; stream or datagram, as the scheme says.

    Args:
        backlog: listen, and let so many connections wait; ``None`` does not listen.

    Raises:
        OSError: it cannot be; the message names the address.
        BlockingOperationError: the host is a name, and the caller a loop, which would stop while it is looked up.
    """
    try:
        bound = _bind(address, options, reuse_address, reuse_port)
        if backlog is not None:
            try:
                bound.sock.listen(backlog)
            except BaseException:
                bound.close()
                raise
    except OSError as exc:
        raise _with_address(exc, address) from exc
    return bound


def _bind(address: Address, options: ChannelOptions, reuse_address: bool, reuse_port: bool) -> BoundSocket:
    kind = socket.SOCK_STREAM if address.is_stream else socket.SOCK_DGRAM
    if address.form == "unix":
        return _bind_unix(address, options)
    if not address.host:
        return _bind_all_interfaces(address, kind, options, reuse_address, reuse_port)
    family, sockaddr = _look_up(address, kind)
    v6only = family == socket.AF_INET6
    return _bind_inet(address, family, kind, sockaddr, v6only, options, reuse_address, reuse_port)


def _with_address(exc: OSError, address: Address) -> OSError:
    """Make the same error again, with a message that names the address."""
    message = f"cannot bind {address}: {exc.strerror or exc}"
    if exc.errno is None:
        return OSError(message)
    if isinstance(exc, socket.gaierror):
        return socket.gaierror(exc.errno, message)
    return OSError(exc.errno, message)  # which picks the class that fits the number


def _look_up(address: Address, kind: int) -> tuple[int, Any]:
    flags = socket.AI_PASSIVE
    if address.is_numeric:
        flags |= socket.AI_NUMERICHOST
    elif on_a_loop():
        raise BlockingOperationError(f"binding {address} on a loop would stop it while the name is looked up")
    found = socket.getaddrinfo(address.host, address.port, family=address.family, type=kind, flags=flags)
    best = next((entry for entry in found if entry[0] == socket.AF_INET), found[0])
    return best[0], best[4]


def _bind_all_interfaces(
    address: Address, kind: int, options: ChannelOptions, reuse_address: bool, reuse_port: bool
) -> BoundSocket:
    any4 = ("", address.port)
    any6 = ("::", address.port)
    if address.family == socket.AF_INET:
        return _bind_inet(address, socket.AF_INET, kind, any4, False, options, reuse_address, reuse_port)
    if address.family == socket.AF_INET6:
        return _bind_inet(address, socket.AF_INET6, kind, any6, True, options, reuse_address, reuse_port)
    if socket.has_dualstack_ipv6():
        try:
            return _bind_inet(address, socket.AF_INET6, kind, any6, False, options, reuse_address, reuse_port)
        except OSError as exc:
            if exc.errno not in _NO_IPV6:
                raise
    return _bind_inet(address, socket.AF_INET, kind, any4, False, options, reuse_address, reuse_port)


def _bind_inet(
    address: Address,
    family: int,
    kind: int,
    sockaddr: Any,
    v6only: bool,
    options: ChannelOptions,
    reuse_address: bool,
    reuse_port: bool,
) -> BoundSocket:
    sock = socket.socket(family, kind)
    try:
        sock.setblocking(False)
        # For a TCP listener: do not wait for old connections to leave TIME_WAIT.  On UDP it would let two servers share
        # one port, each getting some of the datagrams; Windows means that even for TCP.
        if reuse_address and kind == socket.SOCK_STREAM and _POSIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1 if v6only else 0)
        apply_options(sock, options)
        sock.bind(sockaddr)
        return BoundSocket(sock, address.scheme)
    except BaseException:
        sock.close()
        raise


def _bind_unix(address: Address, options: ChannelOptions) -> BoundSocket:
    path = address.socket_path
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        apply_options(sock, options)
        if path.startswith("\0"):
            sock.bind(path)
            return BoundSocket(sock, address.scheme)
        try:
            sock.bind(path)
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE or not _is_stale(path):
                raise
            os.unlink(path)
            sock.bind(path)
        return BoundSocket(sock, address.scheme, path)
    except BaseException:
        sock.close()
        raise


def _is_stale(path: str) -> bool:
    """Whether ``path`` is a socket on which nobody listens any more."""
    before = _identity(path)
    if before is None:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a listener that is too busy to take us is one, and we do not wait for it
        refused = probe.connect_ex(path) == errno.ECONNREFUSED
    return refused and _identity(path) == before


def _identity(path: str) -> tuple[int, int] | None:
    """Say which socket file is there, or that none is."""
    try:
        status = os.lstat(path)
    except OSError:
        return None  # nothing there, or nothing that we may look at
    return (status.st_dev, status.st_ino) if stat.S_ISSOCK(status.st_mode) else None


def default_backlog() -> int:
    """The longest queue of waiting connections that the kernel allows."""
    try:
        with open("/proc/sys/net/core/somaxconn", encoding="ascii") as setting:
            return int(setting.read())
    except (OSError, ValueError):
        return socket.SOMAXCONN  # not Linux, or /proc is not mounted
