"""A thousand TLS handshakes at once: ``python -m benchmarks.tls_crowd [--connections 1000]``.

All connect first, then all shake hands, then each sends a line and must get it back.  It prints how long that took, and
what the server's memory has grown by; and fails when a connection does, or when something is left behind.
"""

from __future__ import annotations

import argparse
import socket
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from benchmarks.build import HERE
from benchmarks.contenders import CERTIFICATE, ours
from benchmarks.process import Cores, Python, ServerProcess, allow_descriptors, interpreter_of

_PATIENCE: Final = 60.0  # seconds
_THREADS: Final = 16


def main() -> int:
    parser = argparse.ArgumentParser(description="Many TLS handshakes at once.")
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--python", help="interpreter of the server (default: .venv-compiled, or this one)")
    chosen = parser.parse_args()
    count: int = chosen.connections
    allow_descriptors(count)
    cores = Cores.choose()
    python = Python.examine(interpreter_of(chosen.python, HERE.parent / ".venv-compiled"))
    contender = ours("tls")
    with ServerProcess(contender, python, cores.server) as server:
        context = ssl.create_default_context(cafile=str(HERE / CERTIFICATE))
        descriptors = _descriptors(server.pid)
        before = server.resident_bytes()
        address = ("127.0.0.1", server.port)
        plain = [socket.create_connection(address, timeout=_PATIENCE) for _ in range(count)]
        clients = [
            context.wrap_socket(sock, server_hostname="localhost", do_handshake_on_connect=False) for sock in plain
        ]
        started = time.monotonic()
        with ThreadPoolExecutor(_THREADS) as threads:
            list(threads.map(ssl.SSLSocket.do_handshake, clients))
        shaken = time.monotonic() - started
        for number, client in enumerate(clients):
            client.sendall(b"%06d\n" % number)
        for number, client in enumerate(clients):
            if client.recv(100) != b"%06d\n" % number:
                print(f"connection {number} got another reply", file=sys.stderr)
                return 1
        grown = (server.resident_bytes() - before) / count / 1024
        server.check_alive()
        for client in clients:
            client.close()
        deadline = time.monotonic() + _PATIENCE
        while _descriptors(server.pid) > descriptors:
            if time.monotonic() > deadline:
                print(f"{_descriptors(server.pid) - descriptors} descriptors are left", file=sys.stderr)
                return 1
            time.sleep(0.05)
    print(f"{count} handshakes at once, {python.build} server: {shaken:.2f} s; {grown:.1f} KiB a connection;")
    print("every reply was right, and nothing was left")
    return 0


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


if __name__ == "__main__":
    sys.exit(main())
