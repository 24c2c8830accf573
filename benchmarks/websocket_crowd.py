"""Ten thousand WebSockets that say nothing: ``python -m benchmarks.websocket_crowd [--connections 10000]``.

All shake hands and stay, with keep-alive on.  It prints what each has cost the server in memory, then sends a message
on every one and must get it back; and fails when a connection does, or when something is left behind.
"""

from __future__ import annotations

import argparse
import resource
import socket
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.build import HERE
from benchmarks.contenders import Contender
from benchmarks.process import Cores, Python, ServerProcess, interpreter_of

_PATIENCE: Final = 60.0  # seconds
_BATCH: Final = 200  # handshakes under way at once
_HANDSHAKE: Final = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
HELLO: Final = b"\x81\x85\0\0\0\0hello"
REPLY: Final = b"\x81\x05hello"
_PING: Final = b"\x89\x00"


def main() -> int:
    parser = argparse.ArgumentParser(description="Many WebSockets that are idle.")
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--python", help="interpreter of the server (default: .venv-compiled, or this one)")
    chosen = parser.parse_args()
    count: int = chosen.connections
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 200), hard))
    cores = Cores.choose()
    python = Python.examine(interpreter_of(chosen.python, HERE.parent / ".venv-compiled"))
    with ServerProcess(Contender("pipeline_net", ("servers/websocket_echo.py",)), python, cores.server) as server:
        descriptors = _descriptors(server.pid)
        talk(open_websockets(server.port, 50))  # what is made once is made
        _wait_until(server.pid, descriptors)
        before = server.resident_bytes()
        clients = open_websockets(server.port, count)
        grown = (server.resident_bytes() - before) / count / 1024
        server.check_alive()
        talk(clients)
        left = _wait_until(server.pid, descriptors)
    print(f"{count} idle WebSockets, {python.build} server: {grown:.1f} KiB of memory each")
    if left:
        print(f"{left} descriptors are left", file=sys.stderr)
        return 1
    print("every reply was right, and nothing was left")
    return 0


def open_websockets(port: int, count: int) -> list[socket.socket]:
    """Open so many, a batch at a time, and see that each is a WebSocket."""
    clients: list[socket.socket] = []
    while len(clients) < count:
        batch = [
            socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
            for _ in range(min(_BATCH, count - len(clients)))
        ]
        for client in batch:
            client.sendall(_HANDSHAKE)
        for client in batch:
            see_handshake(client)
        clients += batch
    return clients


def see_handshake(client: socket.socket) -> None:
    """Read what the server answers to a handshake."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += _receive(client, 4096)
    if not head.startswith(b"HTTP/1.1 101 "):
        raise SystemExit(f"no handshake: {head!r}")


def talk(clients: list[socket.socket]) -> None:
    """Send a message on each, get it back, and close."""
    for client in clients:
        client.sendall(HELLO)
    for client in clients:
        reply = b""
        while len(reply := reply.removeprefix(_PING)) < len(REPLY):  # a ping may have come first
            reply += _receive(client, 100)
        if reply != REPLY:
            raise SystemExit(f"another reply: {reply!r}")
        client.close()


def _receive(client: socket.socket, most: int) -> bytes:
    data = client.recv(most)
    if not data:
        raise SystemExit("the server has closed a connection")
    return data


def _wait_until(pid: int, descriptors: int) -> int:
    deadline = time.monotonic() + _PATIENCE
    while _descriptors(pid) > descriptors and time.monotonic() < deadline:
        time.sleep(0.05)
    return _descriptors(pid) - descriptors


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


if __name__ == "__main__":
    sys.exit(main())
