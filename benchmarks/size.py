"""The rows that are no race: memory of idle connections, timers, linear time, and what an import costs."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from statistics import median
from typing import Any, Final

from attrs import frozen

from benchmarks.build import HERE, BenchmarkError
from benchmarks.compare import Spread
from benchmarks.contenders import CERTIFICATE, ours
from benchmarks.load import Driver
from benchmarks.process import Cores, Python, ServerProcess, allow_descriptors
from benchmarks.rows import Load, Row

_CONNECTIONS: Final = 10_000
_TLS_CONNECTIONS: Final = 2_000  # a handshake takes both sides a millisecond
_TLS_FRAME: Final = 16384 - 4  # bytes; with its length it fills a record, which is what makes OpenSSL's buffers grow
_AT_ONCE: Final = 500  # connections between two echoes, well below any backlog
_FRAME: Final = b"\0\0\0\x04ping"
_PATIENCE: Final = 20.0  # seconds for one reply
_IMPORTS: Final = 10
_SCRIPT_TIMEOUT: Final = 120.0  # seconds


@frozen
class Setting:
    """What every measurement needs to know."""

    python: Python
    cores: Cores


@frozen
class Size:
    """A measured size.  Less is better."""

    figure: str
    unit: str
    must: float
    value: Spread

    @property
    def verdict(self) -> str:
        return "meets" if self.value.middle <= self.must else "falls short"


@frozen
class SizeRow:
    key: str  # what one types: make bench ROW='size-*'
    name: str
    measure: Callable[[Setting], list[Size]]


def memory_of_connections(setting: Setting) -> list[Size]:
    """Resident memory of the server, before and after; what the kernel holds for a socket is not in it."""
    allow_descriptors(_CONNECTIONS)
    contender = ours("framed")
    # Primed with small messages: the heap that large ones leave free would take in connections, and hide them.
    row = Row("", "connections", Load("frame"), (contender,), (), prime_size=1024)
    with ServerProcess(contender, setting.python, setting.cores.server) as server, ExitStack() as opened:
        Driver(setting.cores.load).prime(row, server.port)
        before = server.resident_bytes()
        clients: list[socket.socket] = []
        while len(clients) < _CONNECTIONS:
            for _ in range(_AT_ONCE):
                client = opened.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=_PATIENCE))
                clients.append(client)
            # Connections are accepted in order: when the last one is answered, all are open.
            _ping(clients[-1])
        idle = (server.resident_bytes() - before) / _CONNECTIONS / 1024
        for client in clients:
            _ping(client)
        talked = (server.resident_bytes() - before) / _CONNECTIONS / 1024
        server.check_alive()
    return [
        Size("a connection that never spoke", "KiB", 4.0, Spread(idle, idle, idle)),
        Size("after one frame and its reply", "KiB", 4.0, Spread(talked, talked, talked)),
    ]


def memory_of_tls_connections(setting: Setting) -> list[Size]:
    """The same with TLS: after the handshake, and after a record of full size in each direction."""
    allow_descriptors(_TLS_CONNECTIONS)
    contender = ours("tls-framed")
    frame = _TLS_FRAME.to_bytes(4, "big") + b"x" * _TLS_FRAME
    with ServerProcess(contender, setting.python, setting.cores.server) as server, ExitStack() as opened:
        context = ssl.create_default_context(cafile=str(HERE / CERTIFICATE))

        def connect() -> ssl.SSLSocket:
            plain = socket.create_connection(("127.0.0.1", server.port), timeout=_PATIENCE)
            return opened.enter_context(context.wrap_socket(plain, server_hostname="localhost"))

        _ping(connect(), frame)
        before = server.resident_bytes()
        clients = [connect() for _ in range(_TLS_CONNECTIONS)]
        _ping(clients[-1])
        idle = (server.resident_bytes() - before) / _TLS_CONNECTIONS / 1024
        for client in clients:
            _ping(client, frame)
        talked = (server.resident_bytes() - before) / _TLS_CONNECTIONS / 1024
        server.check_alive()
    return [
        Size("a TLS connection that never spoke", "KiB", 48.0, Spread(idle, idle, idle)),
        Size("after 16 KiB and as much in reply", "KiB", 48.0, Spread(talked, talked, talked)),
    ]


def _ping(client: socket.socket, frame: bytes = _FRAME) -> None:
    client.sendall(frame)
    reply = b""
    while len(reply) < len(frame):
        chunk = client.recv(len(frame) - len(reply))
        if not chunk:
            raise BenchmarkError(f"a connection was closed after {reply!r}")
        reply += chunk
    if reply != frame:
        raise BenchmarkError(f"wrong reply: {reply!r}")


def timers(setting: Setting) -> list[Size]:
    said = _script(setting, "timers.py")
    return [
        Size("schedule one of 100 000", "us", 2.0, Spread.of(said["schedule"])),
        Size("cancel one of 100 000", "us", 2.0, Spread.of(said["cancel"])),
    ]


def byte_by_byte(setting: Setting) -> list[Size]:
    """Four times the message must take four times as long: per byte, the same.  A quadratic decoder shows 4."""
    said = _script(setting, "byte_by_byte.py")
    sizes = []
    for kind in ("frame", "line"):
        growth = [long / short for long, short in zip(said[f"{kind} long"], said[f"{kind} short"], strict=True)]
        nanoseconds = median(said[f"{kind} long"])
        sizes.append(
            Size(f"{kind}: time per byte, 1 MiB / 256 KiB ({nanoseconds:.0f} ns)", "x", 1.5, Spread.of(growth))
        )
    return sizes


def imports(setting: Setting) -> list[Size]:
    bare: list[float] = []
    full: list[float] = []
    _python(setting, "-c", "import pipeline_net")  # the first one writes bytecode
    for _ in range(_IMPORTS):
        for times, program in ((bare, "pass"), (full, "import pipeline_net")):
            started = time.perf_counter()
            _python(setting, "-c", program)
            times.append((time.perf_counter() - started) * 1e3)
    costs = [after - before for before, after in zip(bare, full, strict=True)]
    unwanted = _script(setting, "imports.py")["unwanted"]
    count = float(len(unwanted))
    described = f"unwanted modules: {', '.join(unwanted)}" if unwanted else "modules of ssl, asyncio or a protocol"
    return [
        Size("import pipeline_net, without the interpreter", "ms", 60.0, Spread.of(costs)),
        Size(described, "", 0.0, Spread(count, count, count)),
    ]


def _script(setting: Setting, name: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(_python(setting, str(HERE / "micro" / name)))
    return said


def _python(setting: Setting, *arguments: str) -> str:
    command = ("taskset", "--cpu-list", str(setting.cores.server), setting.python.path, "-P", *arguments)
    try:
        done = subprocess.run(
            command,
            env=setting.python.environment,
            cwd=HERE,
            capture_output=True,
            text=True,
            timeout=_SCRIPT_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"{arguments[-1]} did not finish within {_SCRIPT_TIMEOUT:.0f} s") from None
    if done.returncode != 0:
        raise BenchmarkError(done.stderr.strip().rpartition("\n")[2] or f"{arguments[-1]}: status {done.returncode}")
    return done.stdout


SIZES: Final = (
    SizeRow("size-connections", "memory of 10 000 connections with three stages", memory_of_connections),
    SizeRow("size-tls", "memory of 2 000 TLS connections with four stages", memory_of_tls_connections),
    SizeRow("size-timers", "100 000 timers", timers),
    SizeRow("size-linear", "1 MiB message byte by byte", byte_by_byte),
    SizeRow("size-import", "import time", imports),
)
