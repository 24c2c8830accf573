"""The public conformance suite over TCP: what a peer sees of us through real sockets, the end of the connection too.

All cases but those of 9, 12 and 13, which say nothing of the network that ``test_conformance`` does not.  The suite
asks for a "clean" end: Close both ways, then the server closes TCP; and a peer that fails the connection closes it
itself.  Both are looked at here.  Where the suite lets seconds pass, so that something may come that must not, no time
passes here: without a network ``test_conformance`` knows that nothing comes.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline_net import Bootstrap, ChannelHandlerContext, ChannelInboundHandler, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import websocket
from pipeline_net.codecs.websocket import Closed, WebSocket

from .conformance_cases import CASES, Case
from .conformance_suite import Suite

TIMEOUT = 20  # seconds, for what takes milliseconds


class Echo(ChannelInboundHandler[Any, Any, Any]):
    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        ctx.write(msg)


class SocketLink:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except ConnectionError:
            pass  # it has closed, and what it said before is still to be read

    def receive(self) -> bytes:
        try:
            return self.sock.recv(1 << 18)
        except ConnectionResetError:
            return b""

    def is_quiet(self) -> bool:
        return True


@pytest.fixture(scope="module")
def loops() -> Iterator[EventLoopGroup]:
    with EventLoopGroup(1) as group:
        yield group


@pytest.fixture(scope="module")
def port(loops: EventLoopGroup) -> Iterator[int]:
    """Where our server echoes."""
    stack = lambda channel: websocket.server_stack() >> Echo()  # noqa: E731 - as in a program
    with ServerBootstrap(loops, initializer=stack).bind("tcp://127.0.0.1:0") as server:
        yield int(server.addresses[0].rpartition(":")[2])


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(TIMEOUT)
        yield sock


def compare(suite: Suite, case: Case) -> None:
    assert suite.events == case.events
    assert suite.is_closed
    assert suite.code == case.code


@pytest.mark.parametrize("name", CASES)
def test_our_server(port: int, name: str) -> None:
    case = CASES[name]
    with socket.create_connection(("127.0.0.1", port)) as sock:
        link = SocketLink(sock)
        suite = Suite(link, "client")
        suite.ask()
        suite.play(case)
        compare(suite, case)
        assert link.receive() == b""  # the server closes first, within TIMEOUT


def accept(listener: socket.socket) -> tuple[SocketLink, Suite]:
    link = SocketLink(listener.accept()[0])
    suite = Suite(link, "server")
    key, _ = suite.be_asked()
    suite.agree(key)
    return link, suite


def hang_up(link: SocketLink, case: Case) -> None:
    """Close TCP as a server does that has nothing to complain of; else the client does it."""
    if not case.fails:
        link.sock.shutdown(socket.SHUT_WR)
    assert link.receive() == b""
    link.sock.close()


@pytest.mark.parametrize("name", CASES)
def test_our_client(loops: EventLoopGroup, listener: socket.socket, name: str) -> None:
    case = CASES[name]
    where = f"127.0.0.1:{listener.getsockname()[1]}"
    stack = lambda channel: websocket.client_stack(f"ws://{where}/") >> Echo()  # noqa: E731 - as in a program
    connecting = Bootstrap(loops, stack).connect(f"tcp://{where}")
    link, suite = accept(listener)
    channel = connecting.result(TIMEOUT)
    suite.play(case)
    compare(suite, case)
    hang_up(link, case)
    channel.close_future.result(TIMEOUT)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.suite_closes])
def test_our_program(loops: EventLoopGroup, listener: socket.socket, name: str) -> None:
    """``connect()``, whose messages are taken by another thread."""
    case = CASES[name]
    connecting = websocket.connect(loops, f"ws://127.0.0.1:{listener.getsockname()[1]}/")
    link, suite = accept(listener)
    ws = connecting.result(TIMEOUT)
    program = threading.Thread(target=echo, args=(ws,))
    program.start()
    suite.play(case)
    hang_up(link, case)
    program.join(TIMEOUT)
    compare(suite, case)
    assert ws.closed == Closed(1000, "", True, True)


def echo(ws: WebSocket) -> None:
    for message in ws:
        ws.send(message)
