"""Accepting: storms, limits, missing descriptors, and initializers that fail."""

from __future__ import annotations

import gc
import logging
import os
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline_net import (
    Channel,
    ChannelHandler,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    EventLoop,
    EventLoopGroup,
    Server,
    ServerBootstrap,
)

_PATIENCE = 10.0  # seconds


class Echo(ChannelInboundHandler[bytes]):
    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        ctx.write(msg)


class Clients:
    """Plain sockets, closed at the end."""

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []

    def connect(self, server: Server) -> socket.socket:
        port = int(server.addresses[0].rpartition(":")[2])
        sock = socket.create_connection(("127.0.0.1", port), _PATIENCE)
        self.sockets.append(sock)
        return sock

    def talk(self, server: Server) -> socket.socket:
        """Connect, and wait until the server has answered."""
        sock = self.connect(server)
        assert answers(sock)
        return sock


def answers(sock: socket.socket) -> bool:
    sock.sendall(b"x")
    return sock.recv(1) == b"x"


@pytest.fixture
def clients() -> Iterator[Clients]:
    clients = Clients()
    yield clients
    for sock in clients.sockets:
        sock.close()


def echo(channel: Channel) -> list[Echo]:
    return [Echo()]


def test_a_storm_of_connections_is_taken_in_completely(loops: EventLoopGroup, clients: Clients) -> None:
    server = ServerBootstrap(loops, initializer=echo).bind("tcp://127.0.0.1:0")
    sockets = [clients.connect(server) for _ in range(300)]
    assert all(answers(sock) for sock in sockets)
    assert len(server.channels) == 300
    assert sorted(loop.channels for loop in loops) == [150, 150]


def test_a_balancer_of_ones_own_sees_the_peer_and_decides(clients: Clients) -> None:
    seen: list[Any] = []

    class Last:
        def choose(self, loops: Any, remote_address: Any) -> EventLoop:
            seen.append(remote_address)
            loop: EventLoop = loops[-1]
            return loop

    with EventLoopGroup(3, balancer=Last()) as workers, EventLoopGroup(1) as masters:
        server = ServerBootstrap(masters, workers, echo).bind("tcp://127.0.0.1:0")
        sock = clients.talk(server)
        assert [channel.loop for channel in server.channels] == [list(workers)[-1]]
        assert seen == [sock.getsockname()]


def test_a_balancer_that_fails_costs_one_connection(clients: Clients, caplog: pytest.LogCaptureFixture) -> None:
    class FailsOnce:
        failed = False

        def choose(self, loops: Any, remote_address: Any) -> EventLoop:
            if not self.failed:
                self.failed = True
                raise KeyError("which one?")
            loop: EventLoop = loops[0]
            return loop

    with EventLoopGroup(1, balancer=FailsOnce()) as workers, EventLoopGroup(1) as masters:
        server = ServerBootstrap(masters, workers, echo, max_connections=1).bind("tcp://127.0.0.1:0")
        assert clients.connect(server).recv(1) == b""
        clients.talk(server)
    assert "which one?" in caplog.text


def test_ctrl_c_in_a_balancer_costs_one_connection_and_not_its_place(clients: Clients) -> None:
    class InterruptedOnce:
        was = False

        def choose(self, loops: Any, remote_address: Any) -> EventLoop:
            if not self.was:
                self.was = True
                raise KeyboardInterrupt
            loop: EventLoop = loops[0]
            return loop

    driven = EventLoop("driven")
    with EventLoopGroup(1, balancer=InterruptedOnce()) as workers:
        server = ServerBootstrap(driven, workers, echo, max_connections=1).bind("tcp://127.0.0.1:0")
        first = clients.connect(server)
        driven.run_once(0)  # begins to listen
        with pytest.raises(KeyboardInterrupt):
            driven.run_once(_PATIENCE)
        assert first.recv(1) == b""
        second = clients.connect(server)
        second.sendall(b"x")
        driven.run_once(_PATIENCE)
        assert second.recv(1) == b"x"
        driven.stop()


@pytest.mark.parametrize("returned", [42, "stages", [Echo], Echo()], ids=["number", "text", "class", "one stage"])
def test_an_initializer_that_returns_nonsense_costs_its_own_channel_only(
    loops: EventLoopGroup, clients: Clients, caplog: pytest.LogCaptureFixture, returned: Any
) -> None:
    answers_to_give = [returned, [Echo()]]
    server = ServerBootstrap(loops, initializer=lambda channel: answers_to_give.pop(0)).bind("tcp://127.0.0.1:0")
    assert clients.connect(server).recv(1) == b""
    clients.talk(server)
    assert "its initializer failed" in caplog.text


def test_an_initializer_that_raises_is_logged_with_the_pipeline_so_far(
    loops: EventLoopGroup, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    first = True

    def initialize(channel: Channel) -> list[Echo]:
        nonlocal first
        if first:
            first = False
            channel.pipeline.add_last(("half-way", Echo()))
            raise KeyError("database")
        return [Echo()]

    server = ServerBootstrap(loops, initializer=initialize, max_connections=1).bind("tcp://127.0.0.1:0")
    assert clients.connect(server).recv(1) == b""
    clients.talk(server)
    assert "half-way" in caplog.text
    assert "database" in caplog.text


def test_accepting_pauses_at_max_connections_and_resumes_when_one_closes(
    loops: EventLoopGroup, clients: Clients
) -> None:
    server = ServerBootstrap(loops, initializer=echo, max_connections=2).bind("tcp://127.0.0.1:0")
    first, second = clients.talk(server), clients.talk(server)
    third = clients.connect(server)  # the kernel has taken it; the server has not
    third.sendall(b"x")
    assert answers(first)
    assert answers(second)
    assert len(server.channels) == 2
    third.settimeout(0.05)
    with pytest.raises(TimeoutError):
        third.recv(1)
    third.settimeout(_PATIENCE)
    first.close()
    assert third.recv(1) == b"x"


def test_max_connections_is_one_limit_for_all_listeners_of_a_server(loops: EventLoopGroup, clients: Clients) -> None:
    server = ServerBootstrap(loops, initializer=echo, max_connections=8, reuse_port=True).bind("tcp://127.0.0.1:0")
    sockets = [clients.connect(server) for _ in range(32)]
    served = 0
    while sockets:
        for sock in sockets:
            sock.settimeout(0.02)
            sock.sendall(b"x")
        still_waiting = []
        for sock in sockets:
            try:
                assert sock.recv(1) == b"x"
            except TimeoutError:
                still_waiting.append(sock)
            else:
                served += 1
                assert len(server.channels) <= 8
        for sock in sockets:
            if sock not in still_waiting:
                sock.close()
        sockets = still_waiting
    assert served == 32


def test_options_of_the_kernel_reach_every_connection(loops: EventLoopGroup, clients: Clients) -> None:
    options = ChannelOptions(keepalive=61, keepalive_interval=7, keepalive_count=3, receive_buffer=50_000)
    found: list[dict[str, int]] = []
    done = threading.Event()

    class Look(ChannelInboundHandler[bytes]):
        def channel_active(self, ctx: ChannelHandlerContext) -> None:
            sock = ctx.channel._sock  # type: ignore[attr-defined]  # the kernel's view is what counts here
            found.append(
                {
                    "nodelay": sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
                    "keepalive": sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                    "interval": sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
                    "count": sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
                    "buffer": sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
                    "blocking": int(os.get_blocking(sock.fileno())),
                }
            )
            done.set()

    server = ServerBootstrap(loops, initializer=lambda _: [Look()], options=options).bind("tcp://127.0.0.1:0")
    clients.connect(server)
    assert done.wait(_PATIENCE)
    (seen,) = found
    assert seen.pop("buffer") >= 50_000  # Linux doubles it, for its own books
    assert bool(seen.pop("nodelay"))
    assert bool(seen.pop("keepalive"))
    assert seen == {"interval": 7, "count": 3, "blocking": 0}


def test_a_listener_closed_by_its_own_initializer_takes_nobody_else(loops: EventLoopGroup, clients: Clients) -> None:
    servers: list[Server] = []

    def close_the_door(channel: Channel) -> list[Echo]:
        servers[0].close()
        return [Echo()]

    with EventLoopGroup(1) as one:
        servers.append(ServerBootstrap(one, initializer=close_the_door).bind("tcp://127.0.0.1:0"))
        clients.talk(servers[0])
        assert servers[0].wait(_PATIENCE)
        with pytest.raises(ConnectionRefusedError):
            clients.connect(servers[0])


_WITHOUT_DESCRIPTORS = """
import logging, os, resource, socket, sys
from pipeline_net import ChannelInboundHandler, EventLoopGroup, ServerBootstrap

logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="%(message)s")

class Echo(ChannelInboundHandler):
    def channel_read(self, ctx, msg):
        ctx.write(msg)

def answers(sock):
    sock.sendall(b"x")
    return sock.recv(1) == b"x"

with EventLoopGroup(2) as loops:
    server = ServerBootstrap(loops, initializer=lambda channel: [Echo()]).bind("tcp://127.0.0.1:0")
    port = int(server.addresses[0].rpartition(":")[2])
    allowed = 20
    clients = [socket.socket() for _ in range(2 * allowed)]
    for client in clients:
        client.settimeout(20)
    used = len(os.listdir("/proc/self/fd")) - 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + allowed, used + allowed))
    for client in clients:
        client.connect(("127.0.0.1", port))
    early, late = clients[:allowed], clients[allowed:]
    assert all(answers(client) for client in early)
    assert all(answers(client) for client in early), "a live connection was lost"
    print("live")
    for client in early:
        client.close()
    assert all(answers(client) for client in late), "accepting has not resumed"
    print("resumed")
    for client in late:
        client.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts its descriptors in /proc")
def test_without_descriptors_live_connections_go_on_and_accepting_resumes() -> None:
    outcome = subprocess.run(
        [sys.executable, "-c", _WITHOUT_DESCRIPTORS], capture_output=True, text=True, timeout=60, check=False
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    lines = outcome.stdout.splitlines()
    assert "live" in lines
    assert lines[-1] == "resumed"
    rests = [line for line in lines if "cannot accept, and rests" in line]
    assert 1 <= len(rests) <= 10, "one line for each pause, and each pause is longer"


def test_a_connection_that_was_reset_in_the_queue_harms_nobody(clients: Clients) -> None:
    with EventLoopGroup(1) as one:
        one.start()
        gate = threading.Event()
        server = ServerBootstrap(one, initializer=echo).bind("tcp://127.0.0.1:0")
        clients.talk(server)
        one.next().execute(gate.wait, _PATIENCE)  # nobody is accepted for the moment
        for _ in range(10):
            sock = clients.connect(server)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            sock.close()
        gate.set()
        clients.talk(server)


def test_backlog_is_what_was_asked_for(loops: EventLoopGroup, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        server = ServerBootstrap(loops, initializer=echo, backlog=1).bind("tcp://127.0.0.1:0")
    with socket.create_connection(("127.0.0.1", int(server.addresses[0].rpartition(":")[2]))) as sock:
        assert answers(sock)


class Quiet(ChannelInboundHandler[bytes]):
    """Does nothing."""


def test_the_stages_of_a_closed_channel_do_not_wait_for_the_garbage_collector(loops: EventLoopGroup) -> None:
    gone: list[weakref.ref[Quiet]] = []
    closed = threading.Event()

    def initializer(channel: Channel) -> list[ChannelHandler]:
        handler = Quiet()
        gone.append(weakref.ref(handler, lambda _: closed.set()))
        return [handler]

    gc.disable()
    try:
        with ServerBootstrap(loops, initializer=initializer).bind("tcp://127.0.0.1:0") as server:
            with socket.create_connection(("127.0.0.1", int(server.addresses[0].rpartition(":")[2]))):
                pass
            assert closed.wait(_PATIENCE)
        assert gone[0]() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("limit", [None, 3])
def test_the_channels_of_a_server_hold_one_tuple_of_keepers(
    loops: EventLoopGroup, clients: Clients, limit: int | None
) -> None:
    server = ServerBootstrap(loops, initializer=echo, max_connections=limit).bind("tcp://127.0.0.1:0")
    for _ in range(3):
        clients.talk(server)
    keepers = [channel.keepers for channel in server.channels]
    assert {len(each) for each in keepers} == {1 if limit is None else 2}
    assert len({id(each) for each in keepers}) == 1


class CountingSocket(socket.socket):
    """Counts how often it is asked for a connection, and how often in vain."""

    asked = 0
    in_vain = 0

    def _accept(self) -> tuple[int, Any]:
        self.asked += 1
        try:
            accepted: tuple[int, Any] = super()._accept()  # type: ignore[misc]  # typeshed keeps it a secret
        except BlockingIOError:
            self.in_vain += 1
            raise
        return accepted


@pytest.fixture
def counted(clients: Clients) -> Iterator[tuple[EventLoop, Server, CountingSocket]]:
    """A server on a loop that the test drives, and its listening socket."""
    loop = EventLoop("driven")
    server = ServerBootstrap(loop, initializer=echo).bind("tcp://127.0.0.1:0")
    listener: Any = server._listeners[0]
    with CountingSocket(fileno=os.dup(listener._sock.fileno())) as sock:
        sock.setblocking(False)
        listener._sock = sock
        loop.run_once(0)  # begins to listen
        yield loop, server, sock
        loop.stop()


def test_who_comes_one_at_a_time_seldom_lets_us_ask_in_vain(
    counted: tuple[EventLoop, Server, CountingSocket], clients: Clients
) -> None:
    loop, server, sock = counted
    for number in range(40):
        clients.connect(server)
        while len(server.channels) <= number:
            loop.run_once(_PATIENCE)
    assert sock.asked == 40 + sock.in_vain
    assert 1 <= sock.in_vain <= 4


def test_a_crowd_is_taken_in_within_a_few_turns_also_after_quiet_times(
    counted: tuple[EventLoop, Server, CountingSocket], clients: Clients
) -> None:
    loop, server, sock = counted
    for number in range(3):
        clients.connect(server)
        while len(server.channels) <= number:
            loop.run_once(_PATIENCE)
    assert sock.in_vain == 1, "so it is careful"
    for _ in range(100):
        clients.connect(server)
    turns = 0
    while len(server.channels) < 103:
        loop.run_once(_PATIENCE)
        turns += 1
    assert turns <= 24
