"""Servers for a client to talk to: the real one, and one that does what a test tells it, however nasty."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, EventLoopGroup, ServerBootstrap, wire
from pipeline_net.codecs import redis

_START = 10.0  # seconds for the real server to listen, on a busy machine

HELLO = b"%1\r\n$5\r\nproto\r\n:3\r\n"

Context = ChannelHandlerContext[Any, Any]
Behaviour = Callable[[Context, list[bytes]], bytes | None]
"""Is given a command, and returns what to answer, or nothing."""


@pytest.fixture(scope="module")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("redis")


@pytest.fixture(scope="module")
def real_servers(server_folder: Path) -> Iterator[Callable[..., str]]:
    """``real_servers("--requirepass", "x")`` starts redis-server, and returns the address of its Unix socket."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    running: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> str:
        path = server_folder / f"{len(running)}.sock"
        given = ["--save", "", "--appendonly", "no", "--unixsocket", str(path), *arguments]
        if "--port" not in arguments:
            given += ["--port", "0"]
        running.append(
            subprocess.Popen(
                ["redis-server", *given], cwd=server_folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
        )
        deadline = time.monotonic() + _START
        while True:
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                    probe.connect(str(path))
                return f"unix://{path}"
            except OSError:
                assert running[-1].poll() is None, f"redis-server {given} has ended"
                assert time.monotonic() < deadline, f"redis-server {given} does not listen"
                time.sleep(0.005)

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def real_address(real_servers: Callable[..., str]) -> str:
    """A redis-server of the module's own."""
    return real_servers()


@pytest.fixture
def loops() -> Iterator[EventLoopGroup]:
    with EventLoopGroup(1) as group:
        yield group


class _Scripted(ChannelInboundHandler[redis.Command]):
    """Does what the server's ``behaviour`` says, on one connection."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def channel_active(self, ctx: Context) -> None:
        self._server.contexts.append(ctx)

    def channel_read(self, ctx: Context, msg: list[bytes]) -> None:
        self._server.received.append(msg)
        answer = self._server.behaviour(ctx, msg)
        if answer is not None:
            ctx.write(answer)

    def exception_caught(self, ctx: Context, exc: BaseException) -> None:
        ctx.close()  # a client that went away in the middle of a command is what some tests are about


class FakeServer:
    """Reads commands as Redis does, and answers with whatever bytes the test likes.

    ``received`` are all commands, ``contexts`` the stages of all connections, oldest first.
    """

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.received: list[list[bytes]] = []
        self.contexts: list[Context] = []
        self._loops = EventLoopGroup(1, name="fake")
        self._server: Any = None
        self.address = ""
        self.listen("tcp://127.0.0.1:0")

    def listen(self, address: str) -> None:
        bootstrap = ServerBootstrap(
            self._loops, initializer=lambda channel: wire() >> redis.RedisCommandDecoder() >> _Scripted(self)
        )
        self._server = bootstrap.bind(address)
        self.address = self._server.addresses[0]

    def stop_listening(self) -> None:
        """Take in nobody more; the port stays ours to listen on again."""
        self._server.close()

    def listen_again(self) -> None:
        self.listen(self.address)

    def names(self) -> list[bytes]:
        """The names of all commands, greetings left out."""
        return [command[0] for command in self.received if command[0] not in (b"HELLO", b"AUTH", b"CLIENT")]

    def close(self) -> None:
        self._server.close()
        self._loops.shutdown(0.0)


@pytest.fixture
def fake() -> Iterator[Callable[[Behaviour], FakeServer]]:
    """``fake(behaviour)`` is a server that calls ``behaviour(ctx, command)`` for each command, on its loop."""
    servers: list[FakeServer] = []

    def make(behaviour: Behaviour) -> FakeServer:
        servers.append(FakeServer(behaviour))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def greets(behaviour: Behaviour) -> Behaviour:
    """Answer HELLO, and leave the rest to ``behaviour``."""

    def answer(ctx: Context, command: list[bytes]) -> bytes | None:
        return HELLO if command[0] == b"HELLO" else behaviour(ctx, command)

    return answer


@pytest.fixture
def echoes() -> Behaviour:
    """Answer HELLO, and every other command with its last word."""
    return greets(lambda ctx, command: b"$%d\r\n%b\r\n" % (len(command[-1]), command[-1]))


@pytest.fixture
def greeting() -> Callable[[Behaviour], Behaviour]:
    """``greeting(behaviour)`` answers HELLO, and leaves the rest to ``behaviour``."""
    return greets
