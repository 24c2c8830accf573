"""What WebSockets cost that say nothing: memory of a real server, for each of some thousands of connections.

The same with ten thousand is ``python -m benchmarks.websocket_crowd``.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.websocket_crowd import HELLO, REPLY, open_websockets, see_handshake, talk
from pipeline_net import COMPILED

_SETTLING = 500  # connections that come first: what is made once, and what the allocator keeps ready, is made for them
_COUNTED = 2000  # connections of which each takes its share
# Bytes for each.  From Python 3.13 on the collector comes later, and objects with many attributes are larger.
_MOST = (4096 if COMPILED else 6144) if sys.version_info < (3, 13) else (4608 if COMPILED else 7680)
_WAIT = 10.0  # seconds

_SERVER = """
from pipeline_net import ChannelInboundHandler, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import websocket

class Echo(ChannelInboundHandler):
    def channel_read(self, ctx, msg):
        ctx.write(msg)

with EventLoopGroup(1) as loops:
    bootstrap = ServerBootstrap(loops, initializer=lambda channel: websocket.server_stack() >> Echo())
    server = bootstrap.bind("tcp://127.0.0.1:0")
    print(server.addresses[0].rpartition(":")[2], flush=True)
    input()
"""


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Allow this process, and those that it starts, as many descriptors as there are connections."""
    import resource

    needed = _SETTLING + _COUNTED + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"needs {needed} descriptors, and at most {hard} are allowed here")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_an_idle_websocket_costs_few_kilobytes(descriptors: None) -> None:
    program = [sys.executable, "-c", _SERVER]
    with (
        subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server,
        ExitStack() as clients,
    ):
        assert server.stdout is not None
        port = int(server.stdout.readline())
        settled = [clients.enter_context(client) for client in open_websockets(port, _SETTLING)]
        before = _resident(server.pid)
        idle = [clients.enter_context(client) for client in open_websockets(port, _COUNTED)]
        each = (_resident(server.pid) - before) / _COUNTED
        for client in settled[:5] + idle[:: _COUNTED // 20]:
            client.sendall(HELLO)
            assert client.recv(100) == REPLY
        server.communicate("\n", timeout=_WAIT)
    assert 1024 < each <= _MOST  # less would mean that something was not counted


@pytest.mark.parametrize("wait", [see_handshake, lambda client: talk([client])])
def test_a_server_that_closes_is_no_reason_to_wait_for_ever(wait: Callable[[socket.socket], object]) -> None:
    here, there = socket.socketpair()
    there.shutdown(socket.SHUT_WR)
    with here, there, pytest.raises(SystemExit, match="has closed a connection"):
        wait(here)


def test_a_ping_may_come_before_the_reply_and_by_itself() -> None:
    here, there = socket.socketpair()
    with there:
        there.sendall(b"\x89\x00")
        answering = threading.Timer(0.05, there.sendall, (REPLY,))
        answering.start()
        talk([here])
        answering.join()
        assert there.recv(100) == HELLO
