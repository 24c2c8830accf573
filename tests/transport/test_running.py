"""A loop on a thread that is lent to it, and Ctrl-C there."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import Any

import pytest

from pipeline_net import (
    COMPILED,
    BlockingOperationError,
    ChannelClosedError,
    ChannelHandlerContext,
    ChannelInboundHandler,
    EventLoop,
    EventLoopGroup,
    PipelineError,
    Server,
    ServerBootstrap,
)
from pipeline_net.transport.running import RUNNING, Interrupts, LentThread, on_a_loop
from pipeline_net.transport.wakeup import Wakeup

_PATIENCE = 10.0  # seconds

pytestmark = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="only the main thread hears of signals"
)


class Echo(ChannelInboundHandler[bytes]):
    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        ctx.write(msg)


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Ctrl-C does what it does in a program that leaves it alone; and it must do so again afterwards."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def in_background(fn: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=fn)
    thread.start()
    return thread


def port_of(server: Server) -> int:
    return int(server.addresses[0].rpartition(":")[2])


def serve(loop: EventLoop, handler: type[ChannelInboundHandler[Any, Any, Any]] = Echo) -> int:
    return port_of(ServerBootstrap(loop, initializer=lambda channel: [handler()]).bind("tcp://127.0.0.1:0"))


def test_the_thread_that_calls_is_the_loops_until_somebody_stops_it(lone: EventLoop) -> None:
    port = serve(lone)
    heard: list[bytes] = []
    facts: list[object] = []

    def visit() -> None:
        with socket.create_connection(("127.0.0.1", port), _PATIENCE) as peer:
            peer.sendall(b"hello")
            heard.append(peer.recv(100))
        facts.extend((lone.has_thread, lone.in_loop))
        lone.stop()
        facts.append(repr(lone))

    lone.execute(lambda: facts.extend((lone.in_loop, on_a_loop(), threading.current_thread())))
    visitor = in_background(visit)
    lone.run()
    visitor.join(_PATIENCE)
    assert heard == [b"hello"]
    assert facts == [True, True, threading.main_thread(), True, False, f"<EventLoop {lone.name} stopped, 0 channels>"]
    assert not on_a_loop()


def test_a_process_with_such_a_loop_has_one_thread(lone: EventLoop) -> None:
    serve(lone)
    counted: list[int] = []
    before = threading.active_count()
    lone.schedule(0.01, lambda: counted.append(threading.active_count()))
    lone.schedule(0.01, lone.stop)
    lone.run()
    assert counted == [before]


def test_stop_may_come_from_the_loop_itself_and_closes_what_is_open(lone: EventLoop) -> None:
    class StopsUs(Echo):
        def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
            lone.stop()

    port = serve(lone, StopsUs)
    ends: list[bytes] = []

    def visit() -> None:
        with socket.create_connection(("127.0.0.1", port), _PATIENCE) as peer:
            peer.sendall(b"stop")
            try:
                ends.append(peer.recv(100))
            except ConnectionResetError:
                ends.append(b"")

    visitor = in_background(visit)
    lone.run()
    visitor.join(_PATIENCE)
    assert ends == [b""]
    assert lone.channels == 0
    lone.stop()  # again is allowed
    with pytest.raises(ChannelClosedError, match="has been stopped"):
        lone.run()


def test_a_loop_is_run_by_one_thread_only(lone: EventLoop) -> None:
    errors: list[BaseException] = []

    def intrude() -> None:
        for fn in (lone.run, lambda: lone.run_once(0)):
            try:
                fn()
            except PipelineError as exc:
                errors.append(exc)
        lone.start()  # it runs, which is all that start() promises
        lone.stop()

    lone.execute(in_background, intrude)
    lone.run()
    assert [str(error) for error in errors] == [f"{lone.name} runs in a thread already"] * 2


def test_a_loop_with_a_thread_of_its_own_is_not_run_by_another(loop: EventLoop) -> None:
    with pytest.raises(PipelineError, match="runs in a thread already"):
        loop.run()


def test_run_is_refused_on_a_loop(lone: EventLoop) -> None:
    errors: list[BaseException] = []

    def nested() -> None:
        inner = EventLoop("inner")
        try:
            inner.run()
        except BlockingOperationError as exc:
            errors.append(exc)
        inner.stop()
        lone.stop()

    lone.execute(nested)
    lone.run()
    assert "cannot run on the thread of a loop" in str(errors[0])


def test_another_thread_can_close_and_drain_the_server(lone: EventLoop) -> None:
    server = ServerBootstrap(lone, initializer=lambda channel: [Echo()]).bind("tcp://127.0.0.1:0")
    port = port_of(server)
    outcome: list[object] = []

    def end() -> None:
        with socket.create_connection(("127.0.0.1", port), _PATIENCE) as peer:
            peer.sendall(b"hello")
            outcome.append(peer.recv(100))
            outcome.append(server.drain(0.05))
            outcome.append(peer.recv(100))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), _PATIENCE)
        lone.stop()

    thread = in_background(end)
    lone.run()
    thread.join(_PATIENCE)
    assert outcome == [b"hello", 1, b""]


def test_ctrl_c_lets_the_turn_end_and_sends_what_was_written(lone: EventLoop) -> None:
    finished: list[bool] = []

    class Slow(Echo):
        def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
            signal.raise_signal(signal.SIGINT)
            ctx.write(msg * 100_000)
            finished.append(True)

    port = serve(lone, Slow)
    heard: list[int] = []

    def visit() -> None:
        with socket.create_connection(("127.0.0.1", port), _PATIENCE) as peer:
            peer.sendall(b"0123456789")
            total = 0
            while chunk := peer.recv(65536):
                total += len(chunk)
            heard.append(total)

    visitor = in_background(visit)
    with pytest.raises(KeyboardInterrupt):
        lone.run()
    visitor.join(_PATIENCE)
    assert finished == [True]
    assert heard == [1_000_000]
    assert lone.is_stopping
    assert lone.channels == 0


def test_ctrl_c_wakes_a_loop_that_has_nothing_to_do(lone: EventLoop) -> None:
    serve(lone)
    thread = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    thread.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        lone.run()
    thread.join(_PATIENCE)
    assert time.monotonic() - started < _PATIENCE / 2


def test_the_second_ctrl_c_does_not_wait_for_a_peer_that_does_not_read(lone: EventLoop) -> None:
    class Floods(ChannelInboundHandler[bytes]):
        def channel_active(self, ctx: ChannelHandlerContext) -> None:
            ctx.write(bytes(1 << 24))
            signal.raise_signal(signal.SIGINT)
            ctx.channel.loop.schedule(0.05, signal.raise_signal, signal.SIGINT)

    port = serve(lone, Floods)
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), _PATIENCE), pytest.raises(KeyboardInterrupt):
        lone.run()
    assert time.monotonic() - started < 4  # the first alone would have waited for 5 seconds
    assert lone.channels == 0


def test_whoever_has_a_handler_for_the_signal_keeps_it(lone: EventLoop) -> None:
    noted: list[int] = []

    def note(number: int, frame: object) -> None:
        noted.append(number)
        lone.stop()

    signal.signal(signal.SIGINT, note)
    try:
        lone.execute(signal.raise_signal, signal.SIGINT)
        lone.run()
        assert noted == [signal.SIGINT]
        assert signal.getsignal(signal.SIGINT) is note
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_handler_that_is_set_while_the_loop_runs_is_left_in_its_place(lone: EventLoop) -> None:
    def note(number: int, frame: object) -> None:
        """Do nothing."""

    lone.execute(signal.signal, signal.SIGINT, note)
    lone.execute(lone.stop)
    lone.run()
    assert signal.getsignal(signal.SIGINT) is note
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_other_threads_hear_of_no_signal() -> None:
    noted: list[object] = []
    wakeup = Wakeup()

    def look() -> None:
        with Interrupts(wakeup) as interrupts:
            noted.extend((interrupts.are_on_main, signal.getsignal(signal.SIGINT), interrupts.have_come()))

    in_background(look).join(_PATIENCE)
    wakeup.close()
    assert noted == [False, signal.default_int_handler, False]


def test_a_lent_thread_ends_when_it_is_given_back() -> None:
    lent = LentThread()
    lent.join(0.01)
    assert lent.is_alive()
    lent.give_back()
    lent.join(_PATIENCE)
    assert not lent.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_by_a_handler_leaves_run_with_an_error(lone: EventLoop) -> None:
    children: list[int] = []

    def fork() -> None:
        pid = os.fork()
        if pid:
            children.append(pid)
            lone.stop()

    parent = os.getpid()
    lone.execute(fork)
    try:
        lone.run()
    except PipelineError as exc:
        os._exit(7 if os.getpid() != parent and "before this process was forked" in str(exc) else 1)
    finally:
        if os.getpid() != parent:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 7


_BUSY = """
import sys
from pipeline_net import EventLoop, ServerBootstrap
from pipeline_net.codecs import websocket

loop = EventLoop()
server = ServerBootstrap(loop, initializer=lambda channel: websocket.server_stack()).bind("tcp://127.0.0.1:0")
print(server.addresses[0].rpartition(":")[2], flush=True)
try:
    loop.run()
except KeyboardInterrupt:
    print("heard", flush=True)
"""
_HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_PINGS = b"\x89\x80\0\0\0\0" * 1000


def ping_without_end(peer: socket.socket, seconds: float) -> None:
    """Send pings, and read the pongs, which compiled stages send alone."""
    until = time.monotonic() + seconds
    unsent = _PINGS
    while time.monotonic() < until:
        readable, writable, _ = select.select([peer], [peer], [], 0.1)
        if readable and not peer.recv(1 << 20):
            return
        if writable:
            unsent = unsent[peer.send(unsent) :] or _PINGS


def test_ctrl_c_is_heard_by_a_loop_that_is_never_idle_and_calls_no_interpreted_stage(tmp_path: Path) -> None:
    """Compiled code does not look for signals, and neither does a selector that finds somebody ready."""
    program = tmp_path / "busy.py"
    program.write_text(_BUSY)
    process = subprocess.Popen([sys.executable, "-P", str(program)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), _PATIENCE) as peer:
            peer.sendall(_HANDSHAKE)
            assert peer.recv(1000).startswith(b"HTTP/1.1 101 ")
            ping_without_end(peer, 0.2)
            process.send_signal(signal.SIGINT)
            ping_without_end(peer, 0.5)
        assert process.stdout.readline() == "heard\n"
        assert process.wait(_PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_a_group_says_how_it_is_run() -> None:
    """A loop of a group has a thread of its own as soon as the group starts."""
    with EventLoopGroup(1) as loops:
        loops.start()
        with pytest.raises(PipelineError, match="runs in a thread already"):
            next(iter(loops)).run()


def test_an_interrupt_while_everything_is_closed_leaves_a_loop_that_has_stopped(lone: EventLoop) -> None:
    """As a second Ctrl-C does."""

    class Interrupted(Echo):
        def channel_inactive(self, ctx: ChannelHandlerContext) -> None:
            raise KeyboardInterrupt

    port = serve(lone, Interrupted)
    with socket.create_connection(("127.0.0.1", port), _PATIENCE) as peer:
        peer.sendall(b"hello")

        def stop_when_answered() -> None:
            peer.recv(100)
            lone.stop()

        lone.execute(in_background, stop_when_answered)
        with pytest.raises(KeyboardInterrupt):
            lone.run()
    assert "stopped" in repr(lone)
    assert not lone.in_loop
    with pytest.raises(ChannelClosedError, match="has been stopped"):
        lone.execute(print)
    with pytest.raises(ValueError, match="closed"):
        lone.fileno()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_no_thread_of_a_forked_child_is_taken_for_one_of_the_parents_loops(loop: EventLoop) -> None:
    """Its threads may have the same numbers."""

    def fork() -> int:
        pid = os.fork()
        if pid == 0:
            os._exit(1 if on_a_loop() or RUNNING else 7)
        return pid

    assert RUNNING
    for pid in (fork(), loop_result(loop, fork)):
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert RUNNING


@pytest.mark.parametrize(
    "where",
    [
        "settle_allocator",
        pytest.param("_run", marks=pytest.mark.skipif(COMPILED, reason="compiled code does not look for signals")),
    ],
)
def test_ctrl_c_while_a_loop_begins_leaves_one_that_has_stopped(lone: EventLoop, where: str) -> None:
    def interrupt(frame: FrameType, event: str, arg: object) -> None:
        if event == "call" and frame.f_code.co_name == where:
            raise KeyboardInterrupt

    serve(lone)
    sys.setprofile(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            lone.run()
    finally:
        sys.setprofile(None)
    assert not on_a_loop()
    assert not lone.in_loop
    assert "stopped" in repr(lone)
    with pytest.raises(ValueError, match="closed"):
        lone.fileno()


def loop_result(loop: EventLoop, fn: Callable[[], int]) -> int:
    results: SimpleQueue[int] = SimpleQueue()
    loop.execute(lambda: results.put(fn()))
    return results.get(timeout=_PATIENCE)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_what_is_left_of_a_turn_is_the_parents_when_a_handler_forks(lone: EventLoop) -> None:
    parent = os.getpid()
    children: list[int] = []
    reader, writer = os.pipe()

    class Forks(ChannelInboundHandler[bytes]):
        def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
            ctx.write(msg)
            lone.execute(os.write, writer, b"task ")
            children.append(os.fork())
            if children != [0]:
                os.waitpid(children[0], 0)  # what the child sends comes first

    port = serve(lone, Forks)
    heard: list[bytes] = []

    def visit() -> None:
        with socket.create_connection(("127.0.0.1", port), _PATIENCE) as peer:
            peer.sendall(b"once ")
            heard.append(peer.recv(100))
            peer.shutdown(socket.SHUT_WR)
            while piece := peer.recv(100):
                heard.append(piece)
        lone.stop()

    visitor = in_background(visit)
    try:
        lone.run()
    except PipelineError:
        os._exit(0)
    finally:
        if os.getpid() != parent:
            os._exit(1)
    visitor.join(_PATIENCE)
    assert b"".join(heard) == b"once "
    assert os.read(reader, 100) == b"task "
    os.close(reader)
    os.close(writer)
