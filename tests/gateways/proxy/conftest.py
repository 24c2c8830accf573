"""A proxy between two plain sockets: the test plays the client and the origin, byte by byte."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline_net import EventLoop, EventLoopGroup, ServerBootstrap
from pipeline_net.gateways.proxy import ProxyOptions, ReverseProxy, proxy_stack

_WAIT = 10.0  # seconds; on a busy machine


class Wire:
    """One end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(_WAIT)
        self._unread = b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def head(self) -> bytes:
        """Read up to an empty line; return it all, without it."""
        while b"\r\n\r\n" not in self._unread:
            chunk = self.sock.recv(65536)
            assert chunk, f"the connection ended behind {self._unread!r}"
            self._unread += chunk
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        return head

    def take(self, size: int) -> bytes:
        """Read so many bytes."""
        while len(self._unread) < size:
            chunk = self.sock.recv(65536)
            assert chunk, f"the connection ended behind {self._unread!r}"
            self._unread += chunk
        taken, self._unread = self._unread[:size], self._unread[size:]
        return taken

    def rest(self) -> bytes:
        """Read to the end."""
        pieces = [self._unread]
        while chunk := self.sock.recv(65536):
            pieces.append(chunk)
        self._unread = b""
        return b"".join(pieces)

    def is_reset(self) -> bool:
        """Read to the end; whether it was a bad one."""
        try:
            self._unread += self.rest()
        except ConnectionResetError:
            return True
        return False

    @property
    def has_more(self) -> bool:
        self.sock.settimeout(0.05)
        try:
            self._unread += self.sock.recv(65536)
        except TimeoutError:
            pass
        finally:
            self.sock.settimeout(_WAIT)
        return bool(self._unread)

    def close(self) -> None:
        self.sock.close()


class Place:
    """A proxy, and both its sides."""

    def __init__(self, group: EventLoopGroup, origins: list[socket.socket], addresses: tuple[str, ...]) -> None:
        self._group = group
        self.origins = origins
        self.addresses = addresses
        self._wires: list[Wire] = []
        self.proxy: ReverseProxy
        self.port = 0

    @property
    def loop(self) -> EventLoop:
        """Where it all happens."""
        return next(iter(self._group))

    def start(self, *addresses: str, limits: Any = None, **options: Any) -> None:
        """Begin to serve, with these options."""
        self.proxy = ReverseProxy(*(addresses or self.addresses), options=ProxyOptions(**options))
        settings = {} if limits is None else {"limits": limits}
        bootstrap = ServerBootstrap(self._group, initializer=lambda channel: proxy_stack(self.proxy, **settings))
        self.port = int(bootstrap.bind("tcp://127.0.0.1:0").addresses[0].rpartition(":")[2])

    def dial(self) -> Wire:
        return self._kept(socket.create_connection(("127.0.0.1", self.port), _WAIT))

    def accept(self, number: int = 0) -> Wire:
        """Wait for the proxy to ask an origin."""
        return self._kept(self.origins[number].accept()[0])

    def ask(self, request: bytes) -> tuple[Wire, Wire]:
        """Send a request; return both sides."""
        client = self.dial()
        client.send(request)
        return client, self.accept()

    def _kept(self, sock: socket.socket) -> Wire:
        self._wires.append(Wire(sock))
        return self._wires[-1]

    def close(self) -> None:
        for wire in self._wires:
            wire.close()


@pytest.fixture
def place() -> Iterator[Place]:
    """A proxy with two origins; ``place.start()`` begins."""
    origins = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    for origin in origins:
        origin.settimeout(_WAIT)
    addresses = tuple(f"tcp://127.0.0.1:{origin.getsockname()[1]}" for origin in origins)
    try:
        with EventLoopGroup(1) as group:
            found = Place(group, origins, addresses[:1])
            try:
                yield found
            finally:
                found.close()
    finally:
        for origin in origins:
            origin.close()
