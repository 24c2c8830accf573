"""serve() under peers that misbehave: what goes wrong costs one connection, and never grows without bound."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest

from pipeline_net import Action, ChannelOptions, Conn, EventHandler, WriteBufferOverflowError

Dial = Callable[[str], socket.socket]

_WAIT = 10.0  # seconds; how long a test waits for what must come


class Echo(EventHandler):
    def __init__(self) -> None:
        self.opened: SimpleQueue[Conn] = SimpleQueue()
        self.closed: SimpleQueue[BaseException | None] = SimpleQueue()

    def on_opened(self, conn: Conn) -> Any:
        self.opened.put(conn)

    def react(self, conn: Conn) -> Any:
        return conn.read()

    def on_closed(self, conn: Conn, exc: BaseException | None) -> Any:
        self.closed.put(exc)


def send_until_refused(client: socket.socket, chunk: bytes) -> int:
    """Send without ever reading, until nothing more is taken for a while; how many bytes were."""
    client.settimeout(0.5)
    taken = 0
    try:
        while True:
            taken += client.send(chunk)
    except TimeoutError:
        client.settimeout(_WAIT)
        return taken


@pytest.mark.parametrize("path", [None, "socket"])
def test_a_peer_that_half_closes_and_reads_slowly_gets_every_byte(
    serving: Any, dial: Dial, tmp_path: Any, path: str | None
) -> None:
    handler = Echo()
    server = serving(handler, *(() if path is None else (f"unix://{tmp_path}/{path}",)))
    client = dial(server.addresses[0])
    data = bytes(range(251)) * 33_422  # 8 MiB and a bit; a number that divides no buffer

    def send() -> None:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    got = bytearray()
    while part := client.recv(7_000):
        got += part
    sender.join()
    assert got == data
    assert handler.closed.get(timeout=_WAIT) is None


def test_a_peer_that_half_closes_while_an_answer_is_under_way_gets_all_of_it(
    serving: Any, dial: Dial, tmp_path: Any
) -> None:
    eof = threading.Event()

    class Generous(Echo):
        def react(self, conn: Conn) -> Any:
            return conn.read() * 500_000

        def on_eof(self, conn: Conn) -> Any:
            eof.set()
            return Action.CLOSE

    options = ChannelOptions(write_buffer_high=1_000_000)  # reading goes on while the answer waits to be sent
    server = serving(Generous(), f"unix://{tmp_path}/socket", options=options, send_buffer=4608)
    client = dial(server.addresses[0])
    client.sendall(b"x")
    assert client.recv(1) == b"x"
    client.shutdown(socket.SHUT_WR)
    assert eof.wait(_WAIT)
    neighbour = dial(server.addresses[0])
    for _ in range(3):  # turns of the loop, in which the end of input can be seen again
        neighbour.sendall(b"y")
        assert neighbour.recv(500_000)
    rest = 499_999
    while part := client.recv(65_536):
        rest -= len(part)
    assert rest == 0


def test_a_peer_that_never_reads_is_not_read_from(serving: Any, dial: Dial) -> None:
    handler = Echo()
    options = ChannelOptions(write_buffer_high=100_000, write_buffer_low=50_000)
    server = serving(handler, options=options, receive_size=16_384, receive_buffer=65_536, send_buffer=65_536)
    client = dial(server.addresses[0])
    conn = handler.opened.get(timeout=_WAIT)
    taken = send_until_refused(client, b"x" * 65_536)
    assert taken < 16 * 1024 * 1024  # what the kernel's buffers hold on both sides, and a little of ours
    pending = conn.channel.pending_write_bytes
    assert options.write_buffer_low <= pending <= options.write_buffer_high + 16_384
    neighbour = dial(server.addresses[0])
    neighbour.sendall(b"and me?")
    assert neighbour.recv(100) == b"and me?"
    left = taken
    while left:  # nothing was lost: once it reads, everything is there
        left -= len(client.recv(1_000_000))


def test_a_handler_that_writes_to_a_peer_that_never_reads_is_stopped_at_the_limit(
    serving: Any, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    class Flooding(Echo):
        def react(self, conn: Conn) -> Any:
            conn.reset_buffer()
            conn.wake()
            return b"x" * 100_000

    handler = Flooding()
    server = serving(handler, options=ChannelOptions(write_buffer_limit=1_000_000))
    client = dial(server.addresses[0])
    client.sendall(b"go")
    assert isinstance(handler.closed.get(timeout=_WAIT), WriteBufferOverflowError)


def test_a_peer_that_never_reads_does_not_hold_up_the_end(serving: Any, dial: Dial) -> None:
    class Last(Echo):
        def react(self, conn: Conn) -> Any:
            return (conn.read() + b"x" * 30_000_000, Action.CLOSE)

    handler = Last()
    server = serving(handler, options=ChannelOptions(close_timeout=0.05))
    client = dial(server.addresses[0])
    client.sendall(b"go")
    assert handler.closed.get(timeout=_WAIT) is None
    server.shutdown()
    serving.join(server)


def test_connections_that_come_and_go_leave_nothing_behind(serving: Any, dial: Dial) -> None:
    handler = Echo()
    server = serving(handler, loops=2)
    for number in range(200):
        client = dial(server.addresses[0])
        if number % 3:
            client.sendall(b"x" * number)
        if number % 3 == 1:
            assert client.recv(1)
        client.close()
    for _ in range(200):
        handler.closed.get(timeout=_WAIT)
    probe = dial(server.addresses[0])
    probe.sendall(b"x")
    assert probe.recv(1) == b"x"
    assert len(server.connections) == 1
