"""Groups: how many loops, who chooses among them, and the ways in which they end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from pipeline_net import (
    BlockingOperationError,
    Bootstrap,
    Channel,
    ChannelBrokenError,
    ChannelClosedError,
    ChannelFuture,
    ChannelHandlerContext,
    ChannelInboundHandler,
    EventLoop,
    EventLoopGroup,
    Server,
    ServerBootstrap,
)
from pipeline_net.transport.group import LoneLoop, as_group, ask, usable_cores, wait_for

_PATIENCE = 10.0  # seconds
_MIB = 1 << 20


class Opened(ChannelInboundHandler[bytes]):
    """Lets a test wait until the server has the connection; answers ``q`` by closing."""

    def __init__(self) -> None:
        self.active = threading.Event()
        self.ctx: ChannelHandlerContext | None = None

    def channel_active(self, ctx: ChannelHandlerContext) -> None:
        self.ctx = ctx
        self.active.set()

    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        if msg == b"q":
            ctx.close()


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.addresses[0].rpartition(":")[2])), _PATIENCE)


def test_a_group_has_one_loop_for_each_usable_core_unless_told_otherwise() -> None:
    with EventLoopGroup() as group:
        assert len(group) == usable_cores() == len(os.sched_getaffinity(0))
    with EventLoopGroup(3) as group:
        assert len(list(group)) == 3


@pytest.mark.parametrize("loops", [0, -1])
def test_a_group_without_loops_is_refused(loops: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        EventLoopGroup(loops)


def test_a_balancer_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="fairest"):
        EventLoopGroup(1, balancer="fairest")


def test_loops_and_threads_carry_the_groups_name() -> None:
    with EventLoopGroup(2, name="web") as group:
        group.start()
        assert all(loop.name.startswith("web-") for loop in group)
        assert {loop.name for loop in group} <= {thread.name for thread in threading.enumerate()}


def test_the_balancer_chooses() -> None:
    with EventLoopGroup(3) as group:
        loops = list(group)
        assert [group.next() for _ in range(6)] == loops + loops
    with EventLoopGroup(3, balancer="source-hash") as group:
        assert len({group.next(("10.0.0.1", port)) for port in range(100)}) == 1


def test_nothing_is_started_before_it_is_needed() -> None:
    with EventLoopGroup(2) as group:
        assert not any(loop.has_thread for loop in group)
        group.start()
        group.start()
        assert all(loop.has_thread for loop in group)


def test_a_loop_that_was_handed_out_works() -> None:
    with EventLoopGroup(2) as group:
        loop = group.next()
        done: ChannelFuture[None] = ChannelFuture(loop)
        loop.execute(done.set_result, None)
        done.result(_PATIENCE)
        assert loop.run_blocking(len, "four").result(_PATIENCE) == 4


def test_a_balancer_that_chooses_no_loop_is_named() -> None:
    class Confused:
        def choose(self, loops: Sequence[EventLoop], remote_address: Any) -> EventLoop:
            return 5  # type: ignore[return-value]  # the mistake is the point

    with EventLoopGroup(1, balancer=Confused()) as group, pytest.raises(TypeError, match=r"Confused.* chose 5"):
        group.next()


def test_making_a_group_without_descriptors_leaves_none_behind() -> None:
    code = """
import os, resource
from pipeline_net import EventLoopGroup
EventLoopGroup(1).shutdown()  # what is imported on the way is open by now
before = len(os.listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_NOFILE, (before + 5, before + 5))
try:
    EventLoopGroup(50)
except OSError as exc:
    print(len(os.listdir("/proc/self/fd")) - before, type(exc).__name__)
"""
    if sys.platform != "linux":
        pytest.skip("counts its descriptors in /proc")
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert outcome.stdout.split() == ["0", "OSError"]


def test_with_nothing_open_the_end_takes_milliseconds() -> None:
    started = time.monotonic()
    for _ in range(10):
        group = EventLoopGroup(2)
        server = ServerBootstrap(group, initializer=lambda _: None).bind("tcp://127.0.0.1:0")
        group.shutdown()
        assert server.wait(0)
        with EventLoopGroup(2) as group:
            ServerBootstrap(group, initializer=lambda _: None).bind("tcp://127.0.0.1:0")
    assert time.monotonic() - started < 2.0


def test_a_group_that_was_never_started_ends_too_and_twice_is_allowed() -> None:
    group = EventLoopGroup(2)
    group.shutdown()
    group.shutdown()
    with pytest.raises(ChannelClosedError):
        group.start()


def test_leaving_the_block_does_not_wait_for_idle_channels() -> None:
    opened = Opened()
    with EventLoopGroup(2) as group:
        server = ServerBootstrap(group, initializer=lambda _: [opened]).bind("tcp://127.0.0.1:0")
        sock = connect(server)
        assert opened.active.wait(_PATIENCE)
        started = time.monotonic()
    assert time.monotonic() - started < 1.0
    assert sock.recv(1) == b""
    sock.close()


def test_leaving_the_block_still_sends_what_was_written() -> None:
    opened = Opened()
    received = bytearray()

    def read_slowly(sock: socket.socket) -> None:
        while data := sock.recv(65536):
            received.extend(data)

    with EventLoopGroup(1) as group:
        server = ServerBootstrap(group, initializer=lambda _: [opened]).bind("tcp://127.0.0.1:0")
        sock = connect(server)
        assert opened.active.wait(_PATIENCE)
        assert opened.ctx is not None
        opened.ctx.channel.write(bytes(16 * _MIB))
        reader = threading.Thread(target=read_slowly, args=(sock,))
        reader.start()
    reader.join(_PATIENCE)
    sock.close()
    assert len(received) == 16 * _MIB


def test_shutdown_gives_channels_the_time_to_finish_by_themselves() -> None:
    opened = Opened()
    group = EventLoopGroup(2)
    server = ServerBootstrap(group, initializer=lambda _: [opened]).bind("tcp://127.0.0.1:0")
    sock = connect(server)
    assert opened.active.wait(_PATIENCE)
    shutting = threading.Thread(target=group.shutdown, args=(_PATIENCE,))
    started = time.monotonic()
    shutting.start()
    assert server.wait(_PATIENCE)
    with pytest.raises(ConnectionRefusedError):
        connect(server)
    assert shutting.is_alive()
    sock.sendall(b"q")
    shutting.join(_PATIENCE)
    assert not shutting.is_alive()
    assert time.monotonic() - started < _PATIENCE / 2
    assert sock.recv(1) == b""
    sock.close()


def test_shutdown_closes_who_has_not_finished_in_time() -> None:
    opened = Opened()
    group = EventLoopGroup(2)
    server = ServerBootstrap(group, initializer=lambda _: [opened]).bind("tcp://127.0.0.1:0")
    sock = connect(server)
    assert opened.active.wait(_PATIENCE)
    group.shutdown(0.02)
    assert sock.recv(1) == b""
    sock.close()
    assert opened.ctx is not None
    assert opened.ctx.channel.close_future.done()


def test_shutting_down_on_a_loop_is_refused() -> None:
    with EventLoopGroup(1) as group:
        group.start()
        errors: list[BaseException] = []

        def shut_down() -> None:
            try:
                group.shutdown()
            except BlockingOperationError as exc:
                errors.append(exc)

        assert wait_for([ask(group.next(), shut_down)], _PATIENCE)
        assert len(errors) == 1


def test_a_forked_child_leaves_the_parents_group_alone() -> None:
    with EventLoopGroup(1) as group:
        group.start()
        child = os.fork()
        if child == 0:
            try:
                group.shutdown()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert wait_for([ask(group.next(), str)], _PATIENCE)


def test_one_loop_can_stand_in_for_a_group() -> None:
    loop = EventLoop()
    try:
        group = as_group(loop)
        assert isinstance(group, LoneLoop)
        assert list(group) == [loop]
        assert group.next(("10.0.0.1", 1)) is loop
        group.start()
        assert not loop.has_thread  # whoever made it starts it, or drives it
    finally:
        loop.stop()
    with EventLoopGroup(1) as real:
        assert as_group(real) is real


def test_a_client_that_connects_while_its_group_ends_gets_an_answer() -> None:
    outcomes: list[Any] = []
    group = EventLoopGroup(1)
    server = ServerBootstrap(group, initializer=lambda _: None).bind("local://ending")
    stop = threading.Event()

    def connect_again_and_again() -> None:
        bootstrap = Bootstrap(group, lambda _: None)
        while not stop.is_set():
            try:
                outcomes.append(bootstrap.connect(server.addresses[0]))
            except ChannelClosedError:
                return

    connecting = threading.Thread(target=connect_again_and_again)
    connecting.start()
    while not outcomes:
        os.sched_yield()
    group.shutdown(0)
    stop.set()
    connecting.join(_PATIENCE)
    for outcome in outcomes:
        failure = outcome.exception(0)
        assert failure is None or isinstance(failure, ChannelClosedError | ChannelBrokenError)


def test_closed_channels_are_not_counted(loops: EventLoopGroup) -> None:
    server = ServerBootstrap(loops, initializer=lambda _: None).bind("local://counted")
    channels: list[Channel] = [
        Bootstrap(loops, lambda _: None).connect(server.addresses[0]).result(_PATIENCE) for _ in range(10)
    ]
    while sum(loop.channels for loop in loops) != 20:
        os.sched_yield()
    for channel in channels:
        channel.close().result(_PATIENCE)
    while any(loop.channels for loop in loops):
        os.sched_yield()


def test_a_number_of_loops_that_is_no_number_is_named() -> None:
    # What is compiled looks at the types of its arguments before anybody can name them.
    with pytest.raises(TypeError, match=r"loops= is the number of loops, not '2'|int or None object expected; got str"):
        EventLoopGroup("2")  # type: ignore[arg-type]  # as it comes from a command line
