"""Connector: from an address to a connected socket, whatever is down on the way.

A name may have several addresses, and some may lead nowhere without saying so.  As RFC 8305 asks, families take turns,
the next address is tried when the one before has failed or has not answered for a quarter of a second, and the first
that answers wins; the others are closed::

    ::1         ─────?
    127.0.0.1        250 ms ──▶ connected

Names are looked up on a thread of the pool, for the resolver of the system blocks; IP addresses are used as they are.

Source: RFC 8305 4 (order), 5 (attempts); connect(2), "EINPROGRESS".
"""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..errors import AddressError, ChannelBrokenError, ConnectTimeoutError, PipelineNetError
from ..loop import Watched
from .address import Address, parse_address
from .event_loop import EventLoop
from .poller import WRITE
from .socket_options import apply_options

if TYPE_CHECKING:
    from ..future import ChannelFuture
    from .datagram_channel import DatagramChannel
    from .stream_channel import StreamChannel
    from .timers import TimerHandle

Candidate: TypeAlias = tuple[int, Any]  # a family, and where to go as that family writes it

_ATTEMPT_DELAY: Final = 0.25  # seconds; RFC 8305 5: "one recommended value for a default delay is 250 milliseconds"
_FULL_BACKLOG_DELAY: Final = 0.01  # seconds; a Unix listener that is busy refuses, and no event tells when it is not
_IN_PROGRESS: Final = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR)


def interleave(found: list[Candidate]) -> list[Candidate]:
    """Let the families take turns, each keeping the resolver's order (RFC 8305 4)."""
    lines: dict[int, deque[Candidate]] = {}
    for candidate in found:
        lines.setdefault(candidate[0], deque()).append(candidate)
    mixed: list[Candidate] = []
    while lines:
        for family in list(lines):
            mixed.append(lines[family].popleft())
            if not lines[family]:
                del lines[family]
    return mixed


def parse_stream_address(address: Any) -> Address:
    """Parse where a stream channel is to be connected.

    Raises:
        AddressError: it is none, or one of another kind.
    """
    parsed = parse_address(address)
    if not parsed.is_stream or parsed.form == "local" or parsed.is_tls:
        hint = ", and Bootstrap is what knows tls://…" if parsed.is_tls else ""
        raise AddressError(f"bad address {str(parsed)!r}: a stream channel is connected to tcp://… or unix://…{hint}")
    return parsed


def check_local_address(local: Address) -> None:
    """Refuse what a client cannot bind to without waiting.

    Raises:
        AddressError: it is no IP address.
    """
    if local.form != "inet" or not local.is_numeric:
        raise AddressError(
            f"bad local address {str(local)!r}: it must be an IP address of this machine, and a port or 0"
        )


class _Attempt(Watched):
    """One socket on its way to one address."""

    def __init__(self, connector: Connector, sock: socket.socket, sockaddr: Any) -> None:
        self.connector = connector
        self.sock = sock
        self.sockaddr = sockaddr

    def __repr__(self) -> str:
        return f"<connecting to {self.sockaddr!r}>"

    def on_events(self, bits: int) -> None:
        code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == 0:
            try:
                self.sock.getpeername()
            except OSError as exc:
                if exc.errno == errno.ENOTCONN:
                    return  # still on its way: the event was for a socket that had this number a moment ago
        self.connector.attempt_ended(self, code)


class Connector:
    """Connects one channel; on its loop.

    Args:
        local: where to come from, or ``None``.
        promise: fulfilled with the channel, just before ``channel_active``; or fails with

            * ``ChannelBrokenError``: no address worked; it lists them, and its cause is the last one's ``OSError``;
            * ``ConnectTimeoutError``: nobody has answered within ``connect_timeout``;
            * ``ChannelClosedError``: the channel was closed meanwhile.
    """

    def __init__(
        self,
        channel: StreamChannel | DatagramChannel,
        loop: EventLoop,
        address: Address,
        local: Address | None,
        promise: ChannelFuture[Any] | None,
    ) -> None:
        self._channel = channel
        self._loop = loop
        self._address = address
        self._local = local
        self._promise = promise
        self._kind = socket.SOCK_STREAM if address.is_stream else socket.SOCK_DGRAM
        self._is_over = False
        self._candidates: deque[Candidate] = deque()
        self._attempts: list[_Attempt] = []
        self._failures: list[tuple[Any, OSError]] = []
        self._lookup: ChannelFuture[Any] | None = None
        self._next_timer: TimerHandle | None = None
        self._timeout: TimerHandle | None = None

    def start(self) -> None:
        """Begin; the outcome is told through the promise and the channel."""
        timeout = self._channel.options.connect_timeout
        self._timeout = self._loop.schedule(timeout, self._timed_out, timeout)
        address = self._address
        if address.form == "unix":
            self._begin([(address.family, address.socket_path)])
            return
        if address.is_numeric or not address.host:  # without a host: this machine
            try:
                self._begin(self._look_up(socket.AI_NUMERICHOST))
            except OSError as exc:
                self._fail(self._broken(exc))
            return
        try:
            self._lookup = self._loop.run_blocking(self._look_up, 0)
        except PipelineNetError as exc:  # the pool has no room, or is gone
            self._fail(exc)
        else:
            self._lookup.add_done_callback(self._looked_up)

    def cancel(self) -> None:
        """The channel is closed: give up."""
        if not self._is_over:
            self._stop()
            if self._promise is not None:
                self._promise.fail_if_pending(self._channel.closed_error())

    def _look_up(self, flags: int) -> list[Candidate]:
        address = self._address
        found = socket.getaddrinfo(
            address.host or None, address.port, family=address.family, type=self._kind, flags=flags
        )
        return [(int(entry[0]), entry[4]) for entry in found]

    def _looked_up(self, lookup: ChannelFuture[Any]) -> None:
        if self._is_over:
            return
        exc = lookup.exception()
        if exc is None:
            self._begin(interleave(lookup.result()))
        elif isinstance(exc, OSError):
            self._fail(self._broken(exc))
        else:
            self._fail(exc)

    def _begin(self, candidates: list[Candidate]) -> None:
        local = self._local
        if local is not None:
            candidates = [candidate for candidate in candidates if candidate[0] == local.family]
            if not candidates:
                self._fail(self._broken(OSError(errno.EAFNOSUPPORT, f"it has no address of the family of {local}")))
                return
        self._candidates.extend(candidates)
        self._try_next()

    def _try_next(self) -> None:
        """Begin one more attempt; several, if they fail at once."""
        self._next_timer = None
        while self._candidates:
            family, sockaddr = self._candidates.popleft()
            try:
                sock = self._make_socket(family)
            except OSError as exc:
                self._failures.append((sockaddr, exc))
                continue
            attempt = _Attempt(self, sock, sockaddr)
            code = sock.connect_ex(sockaddr)
            if code == errno.EAGAIN and self._address.form == "unix":
                sock.close()
                self._candidates.appendleft((family, sockaddr))
                self._next_timer = self._loop.schedule(_FULL_BACKLOG_DELAY, self._try_next)
                return
            if code in _IN_PROGRESS:
                self._attempts.append(attempt)
                self._loop.watch(sock.fileno(), attempt, WRITE)
                if self._candidates:
                    self._next_timer = self._loop.schedule(_ATTEMPT_DELAY, self._try_next)
                return
            self._attempts.append(attempt)
            self._judge(attempt, code)
            if self._is_over:
                return
        if not self._attempts and not self._is_over:
            self._fail(self._broken(self._failures[-1][1]))

    def _make_socket(self, family: int) -> socket.socket:
        sock = socket.socket(family, self._kind)
        try:
            sock.setblocking(False)
            apply_options(sock, self._channel.options)
            if self._local is not None:
                if self._local.port and self._kind == socket.SOCK_STREAM:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((self._local.host, self._local.port))
        except BaseException:
            sock.close()
            raise
        return sock

    def attempt_ended(self, attempt: _Attempt, code: int) -> None:
        """The selector says that a socket has arrived somewhere, or nowhere."""
        self._loop.unwatch(attempt.sock.fileno())
        self._judge(attempt, code)
        if self._is_over:
            return
        if self._candidates:  # RFC 8305 5: do not wait for the rest of the delay when one has failed
            if self._next_timer is not None:
                self._next_timer.cancel()
            self._try_next()
        elif not self._attempts:
            self._fail(self._broken(self._failures[-1][1]))

    def _judge(self, attempt: _Attempt, code: int) -> None:
        self._attempts.remove(attempt)
        if code == 0 and self._is_connected_to_itself(attempt.sock):
            code = errno.ECONNREFUSED
        if code != 0:
            attempt.sock.close()
            self._failures.append((attempt.sockaddr, OSError(code, os.strerror(code))))
            return
        self._stop()
        remote = attempt.sockaddr
        if isinstance(remote, str) and remote.startswith("\0"):
            remote = os.fsencode(remote)  # what getpeername() says of an abstract name, and the server's side of us
        self._channel.connected(attempt.sock, remote, self._promise)

    def _is_connected_to_itself(self, sock: socket.socket) -> bool:
        """Say whether the kernel chose the very port that we connect to, where nobody listened.

        TCP then takes both ends of the connection for one: RFC 9293 3.5, figure 8, "simultaneous connection".
        """
        if self._kind != socket.SOCK_STREAM or self._address.form != "inet":
            return False
        try:
            return bool(sock.getsockname() == sock.getpeername())
        except OSError:
            return False  # it is gone again already, which reading will tell

    def _timed_out(self, timeout: float) -> None:
        waiting = [attempt.sockaddr for attempt in self._attempts]
        detail = f"; no answer from {', '.join(_write(sockaddr) for sockaddr in waiting)}" if waiting else ""
        self._fail(ConnectTimeoutError(f"no connection to {self._address} within {timeout:g} s{self._tried()}{detail}"))

    def _broken(self, cause: OSError) -> ChannelBrokenError:
        reason = self._tried() or f": {cause.strerror or cause}"
        error = ChannelBrokenError(f"cannot connect to {self._address}{reason}")
        error.__cause__ = cause
        return error

    def _tried(self) -> str:
        if not self._failures:
            return ""
        return ": " + ", ".join(f"{_write(where)}: {exc.strerror or exc}" for where, exc in self._failures)

    def _fail(self, exc: BaseException) -> None:
        if self._is_over:
            return
        self._stop()
        if self._promise is None:
            self._channel.pipeline.fire_exception_caught(exc)
        else:
            self._promise.fail_if_pending(exc)
        self._channel.end(exc)

    def _stop(self) -> None:
        """Let go of everything that is still under way."""
        self._is_over = True
        for timer in (self._timeout, self._next_timer):
            if timer is not None:
                timer.cancel()
        if self._lookup is not None:
            self._lookup.cancel()
        for attempt in self._attempts:
            self._loop.unwatch(attempt.sock.fileno())
            attempt.sock.close()
        self._attempts = []
        self._candidates.clear()


def _write(sockaddr: Any) -> str:
    if isinstance(sockaddr, tuple):
        return f"[{sockaddr[0]}]:{sockaddr[1]}" if ":" in sockaddr[0] else f"{sockaddr[0]}:{sockaddr[1]}"
    return str(sockaddr).replace("\0", "@", 1)
