"""A slow side slows the other: hundreds of megabytes pass, and the memory of the proxy stays as it is."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Wire

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what memory a process has is read from /proc")

_PIECE = bytes(1 << 18)
_PIECES = 840  # 210 MiB
_SIZE = len(_PIECE) * _PIECES
_EXAMPLE = str(Path(__file__).parents[3] / "examples" / "reverse_proxy.py")


def _resident(pid: int) -> int:
    """Bytes of memory that a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Flood:
    """Sends and sends, in a thread of its own, and knows how far it got."""

    def __init__(self, wire: Wire) -> None:
        self.sent = 0
        self._wire = wire
        self._wire.sock.settimeout(None)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for _ in range(_PIECES):
            self._wire.sock.sendall(_PIECE)
            self.sent += len(_PIECE)

    def stands_still(self) -> int:
        """Wait until it can send no more; return how much it has sent."""
        while True:
            before = self.sent
            self._thread.join(0.1)
            if self.sent == before:
                return before

    def join(self) -> None:
        self._thread.join(50)
        assert not self._thread.is_alive()


def _drain(wire: Wire, size: int) -> None:
    wire.take(0)
    buffer = bytearray(1 << 20)
    while size > 0:
        count = wire.sock.recv_into(buffer, min(size, len(buffer)))
        assert count, "the connection has ended"
        size -= count


@pytest.mark.parametrize("direction", ["response", "upload", "tunnel"])
def test_a_slow_reader_slows_the_sender_and_memory_stays_flat(
    start_program: Callable[..., Any], direction: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        proxy = start_program(
            _EXAMPLE, f"tcp://127.0.0.1:{listener.getsockname()[1]}", "--address", "tcp://127.0.0.1:0"
        )
        with socket.create_connection(("127.0.0.1", int(proxy.addresses[0].rpartition(":")[2])), 10) as dialled:
            client = Wire(dialled)
            if direction == "upload":
                client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % _SIZE)
            elif direction == "tunnel":
                client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            else:
                client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            with listener.accept()[0] as accepted:
                origin = Wire(accepted)
                origin.head()
                if direction == "response":
                    origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % _SIZE)
                    client.head()
                elif direction == "tunnel":
                    origin.send(b"HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
                    client.head()
                sender, reader = (client, origin) if direction == "upload" else (origin, client)
                before = _resident(proxy.pid)
                flood = Flood(sender)
                assert flood.stands_still() < 32 << 20  # what kernels and we hold, of 210 MiB
                grown = [_resident(proxy.pid) - before]
                _drain(reader, _SIZE // 2)
                flood.stands_still()
                grown.append(_resident(proxy.pid) - before)
                _drain(reader, _SIZE - _SIZE // 2)
                flood.join()
                grown.append(_resident(proxy.pid) - before)
                assert max(grown) < 4 << 20, grown
