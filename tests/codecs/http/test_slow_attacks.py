"""Slow peers on purpose: slowhttptest in all its modes, and one that reads steadily, if too little."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from typing import Any, Never

import attrs
import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, ChannelOptions, EventLoopGroup, ServerBootstrap
from pipeline_net.bootstrap import Server
from pipeline_net.codecs import http

_DEADLINES = http.Deadlines(head=1.0, body=1.0, min_body_rate=500, idle=1.0, min_read_rate=5000)
_LARGE = bytes(4 << 20)
_CONNECTIONS = 25
_SECONDS = 20  # how long the attack would last if nobody sent it away
_PATIENCE = 8.0  # seconds: deadlines of one or two, for connections that come within one, on a busy machine
_PROMPT = 1.0  # seconds for a small response, on a busy machine


class Site(ChannelInboundHandler[http.FullRequest, Never, http.FullResponse]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, http.FullResponse], msg: http.FullRequest) -> None:
        ctx.write(http.FullResponse(200, None, _LARGE if msg.path == "/large" else b"hello"))


@attrs.define
class Books:
    """How many connections have come, and how many have gone."""

    come: int = 0
    gone: int = 0


class Count(ChannelInboundHandler[Any]):
    def __init__(self, books: Books) -> None:
        self._books = books

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._books.come += 1
        ctx.fire_channel_active()

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._books.gone += 1
        ctx.fire_channel_inactive()


@pytest.fixture
def site() -> Iterator[tuple[str, Server, Books]]:
    books = Books()

    def stages(channel: Any) -> Any:
        return [Count(books), *(http.server_stack(deadlines=_DEADLINES) >> http.RequestAggregator() >> Site()).handlers]

    with EventLoopGroup(1) as group:
        bootstrap = ServerBootstrap(group, initializer=stages, options=ChannelOptions(send_buffer=65536))
        with bootstrap.bind("tcp://127.0.0.1:0") as server:
            yield server.addresses[0].replace("tcp://", "http://"), server, books


@pytest.mark.skipif(shutil.which("slowhttptest") is None, reason="slowhttptest is not installed")
@pytest.mark.parametrize(
    ("mode", "path"),
    [
        (("-H", "-i", "1"), "/"),  # a head that never ends
        (("-B", "-i", "1", "-s", "8192"), "/"),  # a body of which a little comes now and then
        (("-R", "-a", "1", "-b", "500"), "/"),  # a head with hundreds of ranges, and then nothing
        (("-X", "-w", "128", "-y", "512", "-n", "1", "-z", "8"), "/large"),  # a response that is hardly read
    ],
    ids=["headers", "body", "range", "read"],
)
def test_slow_attacks_end_and_nobody_else_notices(
    site: tuple[str, Server, Books], mode: tuple[str, ...], path: str
) -> None:
    url, server, books = site
    size = (*("-c", str(_CONNECTIONS)), *("-r", str(_CONNECTIONS)), *("-l", str(_SECONDS)), *("-p", "3"))
    began = time.monotonic()
    attack = subprocess.Popen(("slowhttptest", *mode, *size, "-u", url + path), stdout=subprocess.DEVNULL)
    slowest = 0.0
    visits = 0
    try:
        # Attackers that hardly read do not notice that they were cut off, so what counts is what the server has.
        while books.come < _CONNECTIONS + visits or len(server.channels) or books.come != books.gone:
            assert time.monotonic() - began < _PATIENCE, f"{server!r} after {_PATIENCE} seconds: {books}"
            asked_at = time.monotonic()
            with urllib.request.urlopen(url, timeout=10) as response:
                assert response.read() == b"hello"
            slowest = max(slowest, time.monotonic() - asked_at)
            visits += 1
            time.sleep(0.05)  # a visitor now and then
    finally:
        attack.kill()
        attack.wait()
    assert slowest < _PROMPT


@pytest.mark.parametrize(("rate", "is_cut_off"), [(50_000_000, True), (500, False)])
def test_a_peer_that_reads_steadily_must_still_read_enough(rate: int, is_cut_off: bool) -> None:
    deadlines = http.Deadlines(idle=0.4, min_read_rate=rate)
    with EventLoopGroup(1) as group:
        bootstrap = ServerBootstrap(
            group,
            initializer=lambda channel: http.server_stack(deadlines=deadlines) >> http.RequestAggregator() >> Site(),
            options=ChannelOptions(send_buffer=16384),
        )
        with bootstrap.bind("tcp://127.0.0.1:0") as server, socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
            client.connect(("127.0.0.1", int(server.addresses[0].rpartition(":")[2])))
            client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
            began = time.monotonic()
            was_cut_off = False
            while not was_cut_off and time.monotonic() - began < (10.0 if is_cut_off else 1.5):
                try:
                    was_cut_off = not client.recv(4096)
                except ConnectionResetError:
                    was_cut_off = True
                time.sleep(0.005)  # something moves in every moment
    assert was_cut_off is is_cut_off
