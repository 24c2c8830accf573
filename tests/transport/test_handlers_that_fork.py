"""Handlers that fork: the child returns into the middle of a turn, of which everything is the parent's."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import (
    Channel,
    ChannelHandlerContext,
    ChannelInboundHandler,
    Datagram,
    EventLoop,
    PipelineError,
    ServerBootstrap,
)
from pipeline_net.transport.event_loop import GATHERED

_PATIENCE = 10.0  # seconds

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def fork_once(forked: list[int]) -> bool:
    """Fork, if nobody has yet, and let the child end first; whether this is the child."""
    if not forked:
        forked.append(os.fork())
        if forked[0]:
            assert os.waitstatus_to_exitcode(os.waitpid(forked[0], 0)[1]) == 0
    return forked[0] == 0


def run(loop: EventLoop, visit: Callable[[], object]) -> None:
    """Run the loop until the visitor, a thread of the parent, has done; the child ends when it leaves the loop."""
    parent = os.getpid()
    failures: list[BaseException] = []

    def visit_and_stop() -> None:
        try:
            visit()
        except BaseException as exc:  # noqa: BLE001 - it is raised below
            failures.append(exc)
        loop.stop()

    visitor = threading.Thread(target=visit_and_stop)
    visitor.start()
    status = 1
    try:
        loop.run()
    except PipelineError:
        status = 0 if os.getpid() != parent else 1
    finally:
        if os.getpid() != parent:
            os._exit(status)
    visitor.join(_PATIENCE)
    if failures:
        raise failures[0]


def port_of(loop: EventLoop, initializer: Callable[[Channel], Any], scheme: str = "tcp") -> int:
    server = ServerBootstrap(loop, initializer=initializer).bind(f"{scheme}://127.0.0.1:0")
    return int(server.addresses[0].rpartition(":")[2])


def flush(ctx: ChannelHandlerContext) -> None:
    ctx.write_and_flush(b"child")


def close(ctx: ChannelHandlerContext) -> None:
    ctx.write(b"child")
    ctx.close()


def end_output(ctx: ChannelHandlerContext) -> None:
    ctx.shutdown_output()


def write_much(ctx: ChannelHandlerContext) -> None:
    ctx.write(b"child" * GATHERED)


def stop_reading(ctx: ChannelHandlerContext) -> None:
    ctx.channel.hold_reads()


def abort(ctx: ChannelHandlerContext) -> None:
    with pytest.raises(PipelineError, match="forked"):
        ctx.channel.abort()


def raise_something(ctx: ChannelHandlerContext) -> None:
    raise ValueError("of a child")


@pytest.mark.parametrize("act", [flush, close, end_output, write_much, stop_reading, abort, raise_something])
@pytest.mark.parametrize("before", [b"", b"written before "])
def test_a_peer_hears_the_parent_alone(
    lone: EventLoop, act: Callable[[ChannelHandlerContext], None], before: bytes
) -> None:
    forked: list[int] = []

    class Forks(ChannelInboundHandler[bytes]):
        def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
            if not forked and before:
                ctx.write(before)
            if fork_once(forked):
                act(ctx)
            else:
                ctx.write(msg)

    port = port_of(lone, lambda channel: [Forks()])

    def visit() -> None:
        with socket.create_connection(("127.0.0.1", port), _PATIENCE) as peer:
            peer.sendall(b"first")
            assert peer.recv(100) == before + b"first"
            peer.sendall(b"second")
            assert peer.recv(100) == b"second"

    run(lone, visit)
    assert forked[0] > 0


def test_what_a_peer_sends_is_read_by_the_parent_alone(lone: EventLoop) -> None:
    forked: list[int] = []
    total = 300_000

    class Forks(ChannelInboundHandler[bytes]):
        def __init__(self) -> None:
            self.count = 0

        def channel_active(self, ctx: ChannelHandlerContext) -> None:
            ctx.channel.read_hint = 4096  # what comes is longer than the first read

        def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
            self.count += len(msg)
            fork_once(forked)
            if self.count == total:
                ctx.write(b"all")

    port = port_of(lone, lambda channel: [Forks()])

    def visit() -> None:
        with socket.create_connection(("127.0.0.1", port), _PATIENCE) as peer:
            peer.sendall(bytes(total))
            assert peer.recv(100) == b"all"

    run(lone, visit)
    assert forked[0] > 0


def test_a_child_takes_in_no_connections(lone: EventLoop) -> None:
    """Nor does it stop the parent's listener."""
    forked: list[int] = []

    class Forks(ChannelInboundHandler[bytes]):
        def channel_active(self, ctx: ChannelHandlerContext) -> None:
            fork_once(forked)

        def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
            ctx.write(msg)

    port = port_of(lone, lambda channel: [Forks()])

    def visit() -> None:
        peers = [socket.create_connection(("127.0.0.1", port), _PATIENCE) for _ in range(20)]
        for peer in peers:
            peer.sendall(b"hello")
        for peer in peers:
            assert peer.recv(100) == b"hello"
            peer.close()

    run(lone, visit)
    assert forked[0] > 0


def test_datagrams_are_the_parents_too(lone: EventLoop) -> None:
    forked: list[int] = []

    class Forks(ChannelInboundHandler[Datagram]):
        def channel_read(self, ctx: ChannelHandlerContext, msg: Datagram) -> None:
            ctx.write(Datagram(b"child" if fork_once(forked) else msg.data, msg.address))

    port = port_of(lone, lambda channel: [Forks()], "udp")

    def visit() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.settimeout(_PATIENCE)
            peer.connect(("127.0.0.1", port))
            for datagram in (b"1", b"2", b"3"):
                peer.send(datagram)
            assert [peer.recv(100) for _ in range(3)] == [b"1", b"2", b"3"]

    run(lone, visit)
    assert forked[0] > 0


def test_timers_are_the_parents_too(lone: EventLoop) -> None:
    reader, writer = os.pipe()
    forked: list[int] = []
    over = threading.Event()

    def set_timers() -> None:
        for number in (b"1", b"2", b"3"):
            lone.schedule(0.0, os.write, writer, number)
            lone.schedule(0.0, fork_once, forked)
        lone.schedule(0.0, over.set)

    lone.execute(set_timers)
    run(lone, lambda: over.wait(_PATIENCE))
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b"123"
    assert forked[0] > 0
