"""examples/sniff.py: real clients of four kinds on one port."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable

import pytest

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")

Start = Callable[..., str]
Dial = Callable[[str], socket.socket]

_WAIT = 20.0  # seconds; for a process to end on a busy machine


def said_by(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=_WAIT, check=True, input="").stdout


def answer(client: socket.socket, *pieces: bytes) -> bytes:
    """What comes back before the server closes."""
    for piece in pieces:
        client.sendall(piece)
    if not isinstance(client, ssl.SSLSocket):
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))
    return client.recv(65536)


def tls(address: str) -> ssl.SSLSocket:
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    context = ssl.create_default_context(cadata=ssl.get_server_certificate((host, int(port))))
    return context.wrap_socket(socket.create_connection((host, int(port)), timeout=_WAIT), server_hostname=host)


def test_everybody_counts_the_same_things(start_example: Start, dial: Dial) -> None:
    address = start_example("sniff.py", "--loops", "2")
    assert answer(dial(address), b"app", b"les\n") == b"apples: 1\n"
    assert answer(dial(address), b"GET /app", b"les HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"\r\n\r\napples: 2\n")
    assert answer(dial(address), b"*2\r\n$4\r\nIN", b"CR\r\n$6\r\napples\r\n") == b":3\r\n"
    with tls(address) as client:
        assert answer(client, b"apples\n") == b"apples: 4\n"
    with tls(address) as client:
        assert answer(client, b"GET /apples HTTP/1.1\r\n\r\n").endswith(b"apples: 5\n")
    with tls(address) as client:
        assert answer(client, b"*2\r\n$4\r\nINCR\r\n$6\r\napples\r\n") == b":6\r\n"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs the curl command")
def test_curl(start_example: Start) -> None:
    place = start_example("sniff.py").removeprefix("tcp://")
    pages = said_by("curl", "-s", f"http://{place}/apples", f"http://{place}/apples", "--max-time", "10")
    assert pages == "apples: 1\napples: 2\n"
    assert said_by("curl", "-s", "--insecure", f"https://{place}/apples", "--max-time", "10") == "apples: 3\n"
    refused = said_by("curl", "-s", "-X", "DELETE", f"http://{place}/", "-o", "/dev/null", "-w", "%{http_code}")
    assert refused == "405"


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="needs the redis-cli command")
def test_redis_cli(start_example: Start) -> None:
    port = start_example("sniff.py").rpartition(":")[2]
    assert said_by("redis-cli", "-p", port, "incr", "apples") == "1\n"
    assert said_by("redis-cli", "-p", port, "ping") == "PONG\n"
    assert said_by("redis-cli", "-p", port, "get", "apples").startswith("ERR this server knows PING and INCR name")
