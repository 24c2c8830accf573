"""Forked children: what they leave in epoll, and what is not theirs to close."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from pipeline_net import (
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    EventLoop,
    EventLoopGroup,
    ServerBootstrap,
)
from pipeline_net.transport.stream_channel import StreamChannel


class Keeper(ChannelInboundHandler[bytes]):
    def __init__(self) -> None:
        self.read: list[bytes] = []

    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        self.read.append(msg)


def _tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        return near, listener.accept()[0]


@pytest.mark.skipif(sys.platform != "linux", reason="about epoll")
def test_a_socket_that_a_forked_child_still_has_disturbs_nobody_once_it_is_closed_here() -> None:
    # The kernel then keeps on watching it for us, under a number that has no channel or another's.
    loop = EventLoop()
    near, far = _tcp_pair()
    other_near, other_far = _tcp_pair()

    def open_channel(sock: socket.socket, keeper: Keeper) -> StreamChannel:
        opened: list[StreamChannel] = []

        def on_the_loop() -> None:
            sock.setblocking(False)
            opened.append(StreamChannel(loop, ChannelOptions(), sock, sock.getpeername()))
            opened[0].pipeline.add_last(keeper)
            opened[0].register()
            opened[0].activate()

        loop.execute(on_the_loop)
        loop.run_once(0)
        return opened[0]

    number = near.fileno()
    childs = os.dup(number)
    channel = open_channel(near, Keeper())
    channel.close()
    loop.run_once(0)
    far.sendall(b"news of the old one")
    began = time.monotonic()
    for _ in range(10):
        loop.run_once(0.02)
    assert time.monotonic() - began > 0.15, "it waits again after the first news"

    os.dup2(other_near.fileno(), number)
    other_near.close()
    keeper = Keeper()
    channel = open_channel(socket.socket(fileno=number), keeper)
    far.sendall(b"more news")
    loop.run_once(0.02)
    far.close()
    loop.run_once(0.02)
    assert channel.is_active
    assert keeper.read == []
    other_far.sendall(b"mine")
    while not keeper.read:
        loop.run_once(1)
    assert keeper.read == [b"mine"]
    loop.stop()
    other_far.close()
    os.close(childs)


class Echo(ChannelInboundHandler[bytes]):
    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        ctx.write(msg)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_that_leaves_the_block_of_a_server_leaves_the_server_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with (
        EventLoopGroup(1) as group,
        ServerBootstrap(group, initializer=lambda channel: [Echo()]).bind(f"unix://{path}") as server,
        socket.socket(socket.AF_UNIX) as peer,
    ):
        peer.settimeout(10)
        peer.connect(path)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with server:
                    server.close()
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        for _ in range(2):
            peer.sendall(b"still here")
            assert peer.recv(100) == b"still here"
        with socket.socket(socket.AF_UNIX) as another:
            another.connect(path)
