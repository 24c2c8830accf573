"""The two bare servers, in C and in Python: they send back what they get, all of it, whatever the peer does."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from benchmarks import build

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no epoll")


@pytest.fixture(params=["C", "Python"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    command = [sys.executable, str(build.HERE / "peers" / "epoll_echo.py")]
    if request.param == "C":
        if shutil.which("gcc") is None and shutil.which("cc") is None:
            pytest.skip("no C compiler")
        build.epoll_echo()
        command = [str(build.HERE / "bin" / "epoll_echo")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline())
        finally:
            server.kill()


def test_what_is_sent_comes_back_to_a_slow_reader(port: int) -> None:
    sent = bytes(range(256)) * 32768  # 8 MiB: more than the kernel takes at once
    with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
        writer = threading.Thread(target=peer.sendall, args=(sent,))
        writer.start()
        back = bytearray()
        while len(back) < len(sent):
            piece = peer.recv(65536)
            assert piece
            back += piece
        writer.join(20)
    assert back == sent


def test_an_end_that_comes_with_the_last_bytes_is_seen(port: int) -> None:
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
            peer.sendall(b"hello")
            peer.shutdown(socket.SHUT_WR)
            back = b""
            while data := peer.recv(100):
                back += data
            assert back == b"hello"


def test_a_peer_that_goes_takes_nobody_along(port: int) -> None:
    for _ in range(100):
        socket.create_connection(("127.0.0.1", port), timeout=20).close()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
        peer.sendall(b"hello")
        assert peer.recv(5) == b"hello"
