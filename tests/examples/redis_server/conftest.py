"""The real redis-server beside the example, both on Unix sockets; and what it means that they say the same.

Replies must be the same, byte for byte, apart from what is named here: where Redis promises no order, elements are
compared as sets; where it draws at random, only how many; times to live may differ by what passes between two servers.
"""

from __future__ import annotations

import importlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

_EXAMPLES = Path(__file__).parent.parent.parent.parent / "examples"
_WAIT = 20.0  # seconds; for a server to start, or to answer, on a busy machine

Words = list[bytes]

# Redis gives no order: replies are compared as a set of elements, maps as a set of pairs.
UNORDERED = {
    *(b"KEYS", b"SMEMBERS", b"SINTER", b"SUNION", b"SDIFF", b"HKEYS", b"HVALS", b"HGETALL"),
    *(b"SCAN", b"SSCAN", b"HSCAN", b"ZSCAN"),
}
# Redis draws at random: only types and sizes are compared.
RANDOM = {b"SPOP", b"SRANDMEMBER", b"HRANDFIELD", b"ZRANDMEMBER", b"RANDOMKEY"}
# Time passes: numbers may differ by this many.
TIMES = {b"PTTL": 2000, b"TTL": 2, b"EXPIRETIME": 2, b"PEXPIRETIME": 2000}


class Connection:
    """A client that sees bytes."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_WAIT)
        try:
            self._socket.connect(address)
        except OSError:
            self._socket.close()
            raise
        self._unread = b""

    def close(self) -> None:
        self._socket.close()

    def send(self, commands: Iterable[Words]) -> None:
        self._socket.sendall(b"".join(encode(words) for words in commands))

    def receive(self) -> bytes:
        """One whole reply."""
        while (end := reply_end(self._unread, 0)) < 0:
            more = self._socket.recv(1 << 20)
            assert more, f"closed after {self._unread!r}"
            self._unread += more
        reply, self._unread = self._unread[:end], self._unread[end:]
        return reply

    def ask(self, *words: bytes | str | int) -> bytes:
        self.send([[word if isinstance(word, bytes) else str(word).encode() for word in words]])
        return self.receive()

    def ask_all(self, commands: list[Words]) -> list[bytes]:
        self.send(commands)
        return [self.receive() for _ in commands]


def encode(words: Words) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def reply_end(data: bytes, at: int) -> int:
    """Where the reply that begins at ``at`` ends; -1 if it is not all there."""
    missing = 1  # replies, those inside counted
    while missing:
        end = data.find(b"\r\n", at) + 2
        if end < 2:
            return -1
        kind, line = data[at : at + 1], data[at + 1 : end - 2]
        missing -= 1
        at = end
        if kind in b"$=!" and int(line) >= 0:
            at += int(line) + 2
            if at > len(data):
                return -1
        elif kind in b"*~>" and int(line) > 0:
            missing += int(line)
        elif kind == b"%":
            missing += 2 * int(line)
    return at


def elements(reply: bytes) -> list[bytes]:
    """The elements of an aggregate; of a map, its pairs; of a scan, those of its second element."""
    begin = reply.index(b"\r\n") + 2
    found, at = [], begin
    while at < len(reply):
        end = reply_end(reply, at)
        found.append(reply[at:end])
        at = end
    return found


def shape(reply: bytes) -> bytes:
    """A reply without what it says: types, and sizes of aggregates."""
    found, at = b"", 0
    while at < len(reply):
        kind = reply[at : at + 1]
        end = reply.index(b"\r\n", at) + 2
        found += reply[at:end] if kind in b"*~%>-" or reply[at:end] == b"$-1\r\n" else kind
        at = end if kind in b"*~%>" else reply_end(reply, at)
    return found


def unordered(command: bytes, reply: bytes) -> object:
    if not reply.startswith((b"*", b"~", b"%")):
        return reply
    found = elements(reply)
    if command.endswith(b"SCAN"):
        return found[:1], unordered(b"HGETALL" if command != b"SCAN" and command != b"SSCAN" else b"", found[1])
    if command == b"HGETALL":
        return reply[: reply.index(b"\r\n")], sorted(zip(found[::2], found[1::2], strict=True))
    return reply[: reply.index(b"\r\n")], sorted(found)


def differs(words: Words, real: bytes, ours: bytes) -> bool:
    name = words[0].upper()
    if real == ours:
        return False
    if name in RANDOM:
        return shape(real) != shape(ours)
    if name in UNORDERED:
        return unordered(name, real) != unordered(name, ours)
    if name in TIMES and real[:1] == ours[:1] == b":" and int(real[1:]) > 0:
        return abs(int(real[1:]) - int(ours[1:])) > TIMES[name]
    return True


def compare(real: Connection, ours: Connection, commands: list[Words], batch: int = 100) -> None:
    """Send the same to both, in batches, and hold the replies against each other."""
    for begin in range(0, len(commands), batch):
        part = commands[begin : begin + batch]
        for at, (words, expected, got) in enumerate(zip(part, real.ask_all(part), ours.ask_all(part), strict=True)):
            assert not differs(words, expected, got), (
                f"command {begin + at}, {words}: the real server says {expected!r}, ours {got!r};"
                f" before it: {part[max(0, at - 12) : at]}"
            )


@pytest.fixture
def comparing() -> Callable[..., None]:
    """``comparing(real, ours, commands)`` fails at the first reply that is not the same."""
    return compare


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """``part("store")`` is that module of the example."""
    monkeypatch.syspath_prepend(str(_EXAMPLES))
    return lambda name: importlib.import_module(f"redis_server.{name}")


class Server:
    """A server in a process of its own, the real one or ours, on a Unix socket."""

    def __init__(self, folder: Path, name: str, *command: str) -> None:
        self.address = str(folder / f"{name}.sock")
        self.connections: list[Connection] = []
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def connect(self) -> Connection:
        deadline = time.monotonic() + _WAIT
        while True:
            try:
                connection = Connection(self.address)
            except (FileNotFoundError, ConnectionRefusedError):
                assert self.process.poll() is None, self.process.communicate()[1]
                assert time.monotonic() < deadline, f"nobody listens on {self.address}"
                time.sleep(0.01)
            else:
                self.connections.append(connection)
                return connection

    def kill(self) -> str:
        """End it at once, as a crash would; what it has complained of."""
        for connection in self.connections:
            connection.close()
        self.process.kill()
        return self.process.communicate(timeout=_WAIT)[1]


@pytest.fixture
def start_ours(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """``start_ours("--appendonly", …)`` starts the example; again, after it has been killed, on the same socket."""
    servers: list[Server] = []

    def start(*arguments: str) -> Server:
        address = f"unix://{tmp_path}/ours.sock"
        servers.append(
            Server(tmp_path, "ours", sys.executable, str(_EXAMPLES / "redis_server"), "--address", address, *arguments)
        )
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def start_real(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """The same for the real server; the test is skipped where there is none."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    servers: list[Server] = []

    def start(*arguments: str) -> Server:
        command = ["redis-server", "--port", "0", "--unixsocket", str(tmp_path / "real.sock"), "--save", ""]
        servers.append(
            Server(
                tmp_path, "real", *command, "--dir", str(tmp_path), "--loglevel", "warning", "--hz", "500", *arguments
            )
        )
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def both(start_real: Callable[..., Server], start_ours: Callable[..., Server]) -> tuple[Connection, Connection]:
    """A connection to the real server, and one to ours."""
    real, ours = start_real(), start_ours()
    return real.connect(), ours.connect()
