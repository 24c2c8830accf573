"""serve(): how it begins, and how it ends; over real sockets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

import pytest

from pipeline_net import Action, Conn, EventHandler, ReceiveBuffer, serve
from pipeline_net.codecs.base import ICodec
from pipeline_net.server import RunningServer

Dial = Callable[[str], socket.socket]

_TCP = "tcp://127.0.0.1:0"
_WAIT = 10.0  # seconds; how long a test waits for what must come


class Lines(ICodec[bytes]):
    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        end = buffer.find(b"\n")
        if end < 0:
            return None
        line = buffer.take(end)
        buffer.skip(1)
        return line

    def encode(self, message: bytes) -> bytes:
        return bytes(message) + b"\n"


class Echo(EventHandler):
    """Echoes, and says on which loop a connection lives and when it is closed."""

    def __init__(self) -> None:
        self.opened: SimpleQueue[Conn] = SimpleQueue()
        self.closed = 0
        self.lock = threading.Lock()

    def on_opened(self, conn: Conn) -> Any:
        self.opened.put(conn)

    def react(self, conn: Conn) -> Any:
        return conn.read()

    def on_closed(self, conn: Conn, exc: BaseException | None) -> Any:
        with self.lock:
            self.closed += 1


def received(client: socket.socket) -> bytes:
    """Everything until the server closes."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


def exchange(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return client.recv(65536)


def is_free(address: str) -> bool:
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


# -- beginning --------------------------------------------------------------------------------------


def test_connections_that_come_before_the_handler_is_ready_wait(serving: Any, dial: Dial) -> None:
    made: SimpleQueue[None] = SimpleQueue()
    clients: list[socket.socket] = []

    class Preparing(Echo):
        order: list[str]

        def on_init_complete(self, server: RunningServer) -> Any:
            made.get(timeout=_WAIT)  # the codec that was made for a try
            for _ in range(2):
                clients.append(dial(server.addresses[0]))
                clients[-1].sendall(b"early\n")
                made.get(timeout=_WAIT)  # the loop is at it; with the second, it is done with the first
            self.order = ["prepared"]

        def on_opened(self, conn: Conn) -> Any:
            self.order.append("opened")

    def codec() -> ICodec[bytes]:
        made.put(None)
        return Lines()

    handler = Preparing()
    serving(handler, codec=codec)
    assert [client.recv(100) for client in clients] == [b"early\n"] * 2
    assert handler.order == ["prepared", "opened", "opened"]


def test_a_connection_that_left_before_the_handler_was_ready_was_never_opened(serving: Any, dial: Dial) -> None:
    class Preparing(Echo):
        def on_init_complete(self, server: RunningServer) -> Any:
            dial(server.addresses[0]).close()
            return Action.CLOSE  # of nothing, hence nothing

    handler = Preparing()
    server = serving(handler)
    assert exchange(dial(server.addresses[0]), b"next") == b"next"
    server.shutdown()
    serving.join(server)
    opened = 0
    while not handler.opened.empty():
        handler.opened.get()
        opened += 1
    assert opened == handler.closed  # it may have been opened, and then was closed too


def test_close_ends_it_as_shutdown_does(serving: Any, dial: Dial) -> None:
    server = serving(Echo())
    client = dial(server.addresses[0])
    assert exchange(client, b"x") == b"x"
    server.close()
    serving.join(server)
    assert received(client) == b""
    assert is_free(server.addresses[0])


@pytest.mark.parametrize("callback", ["on_init_complete", "ready", "on_shutdown"])
def test_what_the_servers_own_callbacks_raise_comes_out_of_serve_with_nothing_left_open(callback: str) -> None:
    calls: list[str] = []
    addresses: list[str] = []

    def called(name: str, server: RunningServer) -> None:
        calls.append(name)
        addresses[:] = server.addresses
        if name == callback:
            raise LookupError(name)

    class Failing(Echo):
        def on_init_complete(self, server: RunningServer) -> Any:
            called("on_init_complete", server)

        def on_shutdown(self, server: RunningServer) -> Any:
            called("on_shutdown", server)

    def ready(server: RunningServer) -> None:
        server.shutdown()
        called("ready", server)

    with pytest.raises(LookupError, match=callback):
        serve(Failing(), _TCP, ready=ready)
    assert calls == ["on_init_complete", "ready", "on_shutdown"][: 1 if callback == "on_init_complete" else 3]
    assert is_free(addresses[0])


# -- the end ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("callback", ["on_init_complete", "on_opened", "react", "on_eof", "on_closed"])
def test_any_callback_can_end_the_server(serving: Any, dial: Dial, callback: str) -> None:
    class Ending(Echo):
        def _perhaps(self, name: str) -> Any:
            return Action.SHUTDOWN if name == callback else None

        def on_init_complete(self, server: RunningServer) -> Any:
            return self._perhaps("on_init_complete")

        def on_opened(self, conn: Conn) -> Any:
            return self._perhaps("on_opened")

        def react(self, conn: Conn) -> Any:
            return self._perhaps("react")

        def on_eof(self, conn: Conn) -> Any:
            return self._perhaps("on_eof") or Action.CLOSE

        def on_closed(self, conn: Conn, exc: BaseException | None) -> Any:
            return self._perhaps("on_closed")

    server = serving(Ending())
    if callback != "on_init_complete":
        client = dial(server.addresses[0])
        with suppress(OSError):  # the server that ends in on_opened may be gone, with our byte unread
            client.sendall(b"x")
            client.shutdown(socket.SHUT_WR)
            assert received(client) == b""
    serving.join(server)


def test_on_shutdown_comes_after_the_last_connection_has_closed_and_the_end_takes_no_time(
    serving: Any, dial: Dial
) -> None:
    seen: list[tuple[int, int]] = []

    class Counting(Echo):
        def on_shutdown(self, server: RunningServer) -> Any:
            seen.append((self.closed, len(server.connections)))

    took: list[float] = []
    for _ in range(3):  # a busy machine may be late, but not each time
        server = serving(Counting(), loops=2)
        clients = [dial(server.addresses[0]) for _ in range(20)]
        for client in clients:
            assert exchange(client, b"x") == b"x"
        began = time.monotonic()
        server.shutdown()
        server.shutdown()
        serving.join(server)
        took.append(time.monotonic() - began)
        assert [client.recv(10) for client in clients] == [b""] * 20
    assert min(took) < 0.4  # others need half a second to notice
    assert seen == [(20, 0)] * 3


def test_what_was_written_before_the_end_arrives(serving: Any, dial: Dial) -> None:
    class Farewell(Echo):
        def react(self, conn: Conn) -> Any:
            conn.reset_buffer()
            return b"x" * 3_000_000, Action.SHUTDOWN

    server = serving(Farewell())
    client = dial(server.addresses[0])
    client.sendall(b"go")
    assert len(received(client)) == 3_000_000
    serving.join(server)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_in_good_order_and_a_second_one_does_no_harm(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    calls: list[str] = []

    class Noting(Echo):
        def on_shutdown(self, server: RunningServer) -> Any:
            os.kill(os.getpid(), number)
            calls.append("on_shutdown")

    serve(Noting(), _TCP, ready=lambda server: os.kill(os.getpid(), number))
    assert calls == ["on_shutdown"]
    assert signal.getsignal(number) is before


def test_the_wake_up_descriptor_of_signals_is_left_alone() -> None:
    receiver, sender = socket.socketpair()
    with receiver, sender:
        sender.setblocking(False)
        previous = signal.set_wakeup_fd(sender.fileno())
        try:
            serve(Echo(), _TCP, ready=lambda server: os.kill(os.getpid(), signal.SIGTERM))
            assert receiver.recv(10) == bytes([signal.SIGTERM])
        finally:
            assert signal.set_wakeup_fd(previous) == sender.fileno()


def test_a_process_that_serves_ends_with_success_when_it_is_asked_to() -> None:
    program = (
        "from pipeline_net import EventHandler, serve\n"
        "class Quiet(EventHandler):\n"
        "    def on_shutdown(self, server): print('bye', flush=True)\n"
        f"serve(Quiet(), {_TCP!r}, multicore=True, ready=lambda server: print(server.addresses[0], flush=True))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=_WAIT) as client:
            process.send_signal(signal.SIGINT)
            with suppress(ConnectionResetError):  # the kernel's answer to who has not been accepted yet
                assert client.recv(10) == b""
        assert process.stdout.read() == "bye\n"
        assert process.wait(_WAIT) == 0
