"""Clients on real sockets that say that their request was all: they are answered, however long that takes."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import http

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
WAIT = 10.0  # seconds; on a busy machine


class Slow(ChannelInboundHandler[http.FullRequest, Any, http.ResponsePart]):
    """Answers what asks for a number after so many milliseconds, and 0 never."""

    def channel_read(self, ctx: ChannelHandlerContext[Any, http.ResponsePart], msg: http.FullRequest) -> None:
        delay = int(msg.path[1:])
        if delay:
            ctx.channel.loop.schedule(delay / 1000, ctx.write, http.FullResponse(200, None, b"at last"))


@contextmanager
def _serving(**deadlines: Any) -> Iterator[tuple[str, int]]:
    with EventLoopGroup(1) as loops:
        server = ServerBootstrap(
            loops,
            initializer=lambda channel: (
                http.server_stack(deadlines=http.Deadlines(**deadlines)) >> http.RequestAggregator() >> Slow()
            ),
        ).bind("tcp://127.0.0.1:0")
        yield "127.0.0.1", int(server.addresses[0].rpartition(":")[2])


def _everything(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def test_a_client_that_half_closes_waits_for_its_response_longer_than_an_idle_one_may() -> None:
    with _serving(idle=0.1) as address, socket.create_connection(address, WAIT) as client:
        client.sendall(GET % 600)
        client.shutdown(socket.SHUT_WR)
        assert _everything(client).endswith(b"\r\n\r\nat last")


def test_several_requests_before_the_half_close_are_all_answered() -> None:
    with _serving(idle=0.1) as address, socket.create_connection(address, WAIT) as client:
        client.sendall(GET % 1 + GET % 250 + GET % 250)
        client.shutdown(socket.SHUT_WR)
        assert _everything(client).count(b"\r\n\r\nat last") == 3


@pytest.mark.parametrize("idle", [0.1, 60.0])
def test_one_that_nobody_answers_is_let_go(idle: float) -> None:
    with _serving(idle=idle, half_closed=0.3) as address, socket.create_connection(address, WAIT) as client:
        client.sendall(GET % 0)
        client.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionResetError):
            _everything(client)


def test_one_that_has_asked_for_nothing_ends_at_once() -> None:
    with _serving(idle=60, half_closed=60) as address, socket.create_connection(address, WAIT) as client:
        client.sendall(GET % 1)
        assert client.recv(65536)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(65536) == b""


@pytest.mark.skipif(shutil.which("nc") is None, reason="netcat is not installed")
def test_netcat_gets_a_slow_response() -> None:
    with _serving(idle=0.1) as (host, port):
        said = subprocess.run(
            ("nc", "-N", host, str(port)), input=GET % 600, capture_output=True, check=True, timeout=30
        ).stdout
    assert said.endswith(b"\r\n\r\nat last")
