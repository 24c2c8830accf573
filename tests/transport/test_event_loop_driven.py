"""A loop that somebody else drives: another selector, another loop's handler, the main thread."""

from __future__ import annotations

import os
import select
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import (
    Bootstrap,
    Channel,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    EventLoop,
    PipelineError,
    ServerBootstrap,
)
from pipeline_net.loop import Watched
from pipeline_net.transport.poller import READ
from pipeline_net.transport.running import on_a_loop
from pipeline_net.transport.stream_channel import StreamChannel

_PATIENCE = 10.0  # seconds

OnLoop = Callable[[Callable[[], Any]], Any]


class Readable(Watched):
    """Notes what the selector says of one end of a socket pair."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.seen: list[int] = []

    def on_events(self, bits: int) -> None:
        self.seen.append(bits)
        self.near.recv(1)

    def close(self) -> None:
        self.near.close()
        self.far.close()


def test_a_loop_can_be_nested_in_another_selector() -> None:
    """What a host does: watch ``fileno()``, wake at ``next_deadline()``, and call ``run_once(0)``."""
    loop = EventLoop()
    readable = Readable()
    events: list[str] = []
    thread = threading.Thread(target=lambda: loop.execute(events.append, "task of another thread"))
    try:
        with selectors.DefaultSelector() as host:
            host.register(loop.fileno(), selectors.EVENT_READ)

            def turn() -> None:
                deadline = loop.next_deadline()
                timeout = _PATIENCE if deadline is None else max(deadline - loop.time(), 0)
                host.select(timeout)
                loop.run_once(0)

            loop.execute(loop.watch, readable.near.fileno(), readable, READ)
            loop.schedule(0.01, events.append, "timer")
            while "timer" not in events:
                turn()
            readable.far.send(b"x")
            while not readable.seen:
                turn()
            thread.start()
            while "task of another thread" not in events:
                turn()
            assert loop.next_deadline() is None
            assert not host.select(0), "nothing to do, yet the descriptor is readable"
        assert loop.in_loop
    finally:
        thread.join(_PATIENCE)
        loop.stop()
        readable.close()


@pytest.mark.parametrize("ask", [lambda loop: loop.execute(str), lambda loop: loop.schedule(0, str)])
def test_what_is_asked_between_two_turns_wakes_the_host(ask: Callable[[EventLoop], object]) -> None:
    loop = EventLoop()
    try:
        loop.run_once(0)
        assert not select.select([loop.fileno()], [], [], 0)[0]
        assert loop.next_deadline() is None
        ask(loop)
        assert select.select([loop.fileno()], [], [], 0)[0]
        deadline = loop.next_deadline()
        assert deadline is not None
        assert deadline <= loop.time()
    finally:
        loop.stop()


def test_a_loop_with_a_thread_of_its_own_cannot_be_driven_from_outside(loop: EventLoop) -> None:
    with pytest.raises(PipelineError, match="runs in a thread already"):
        loop.run_once(0)


def test_a_loop_that_is_driven_by_anothers_handler_leaves_the_other_one_a_loop(loop: EventLoop, run: OnLoop) -> None:
    inner = EventLoop()

    def drive() -> tuple[bool, bool]:
        inner.run_once(0)
        return on_a_loop(), loop.in_loop

    assert run(drive) == (True, True)
    inner.stop()


def test_a_child_of_whoever_drives_a_loop_cannot_touch_the_parents_channels() -> None:
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    loop = EventLoop()
    near, far = socket.socketpair()
    near.setblocking(False)
    opened: list[StreamChannel] = []

    def open_channel() -> None:
        channel = StreamChannel(loop, ChannelOptions(), near, "peer")
        channel.register()
        channel.activate()
        opened.append(channel)

    loop.execute(open_channel)
    loop.run_once(0)
    (channel,) = opened
    child = os.fork()
    if child == 0:
        refused = 0
        try:
            for use in (lambda: loop.schedule(0, str), channel.close, channel.abort, lambda: channel.write(b"x")):
                try:
                    use()
                except PipelineError:
                    refused += 1
        finally:
            os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
    far.close()
    while not channel.close_future.done():  # the parent's selector still hears of it
        loop.run_once(_PATIENCE)
    loop.stop()


def test_a_task_may_stop_the_loop_that_is_driven() -> None:
    loop = EventLoop()
    ran: list[int] = []
    loop.execute(ran.append, 1)
    loop.execute(loop.stop)
    for number in (2, 3):
        loop.execute(ran.append, number)
    loop.run_once(0)
    assert ran == [1, 2, 3]
    assert "stopped" in repr(loop)


def test_whoever_watches_the_descriptor_of_a_loop_hears_of_what_an_interrupt_left() -> None:
    loop = EventLoop()
    ran: list[int] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    try:
        loop.run_once(0)
        loop.execute(interrupt)
        loop.execute(ran.append, 1)
        with pytest.raises(KeyboardInterrupt):
            loop.run_once(0)
        assert select.select([loop.fileno()], [], [], 0)[0]
        loop.run_once(0)
        assert ran == [1]
    finally:
        loop.stop()


def test_a_turn_is_not_begun_inside_another() -> None:
    loop = EventLoop()
    refused: list[str] = []

    def nested() -> None:
        with pytest.raises(PipelineError, match="in the middle of a turn") as caught:
            loop.run_once(0)
        refused.append(str(caught.value))

    loop.execute(nested)
    loop.execute(nested)
    loop.schedule(0, nested)
    loop.run_once(0)
    loop.run_once(0)
    loop.stop()
    assert len(refused) == 3


def test_run_once_waits_no_longer_than_it_is_told() -> None:
    loop = EventLoop()
    try:
        started = time.monotonic()
        loop.run_once(0.01)
        assert 0.005 < time.monotonic() - started < 5
    finally:
        loop.stop()


def test_run_once_does_not_wait_when_its_time_is_over_already() -> None:
    loop = EventLoop()
    woken: list[int] = []
    rescue = threading.Timer(2.0, loop.execute, (woken.append, 1))  # else a wrong one would wait for ever
    rescue.start()
    try:
        loop.run_once(-0.001)
        assert woken == []
    finally:
        rescue.cancel()
        rescue.join()
        loop.stop()


def test_keyboard_interrupt_reaches_whoever_drives_the_loop() -> None:
    loop = EventLoop()

    def interrupt() -> None:
        raise KeyboardInterrupt

    try:
        loop.execute(interrupt)
        with pytest.raises(KeyboardInterrupt):
            loop.run_once(0)
        ran: list[int] = []
        loop.execute(ran.append, 1)
        loop.run_once(0)
        assert ran == [1]
    finally:
        loop.stop()


def drive_until(loop: EventLoop, is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not is_done():
        assert time.monotonic() < deadline
        loop.run_once(0.01)


def test_a_timer_that_was_interrupted_goes_on_to_repeat() -> None:
    loop = EventLoop()
    ran: list[int] = []

    def tick() -> None:
        ran.append(len(ran))
        if len(ran) == 1:
            raise KeyboardInterrupt

    try:
        handle = loop.schedule_every(0.001, tick)
        with pytest.raises(KeyboardInterrupt):
            drive_until(loop, lambda: len(ran) > 1)
        assert ran == [0]
        drive_until(loop, lambda: len(ran) > 2)
        handle.cancel()
        assert loop.next_deadline() is None
    finally:
        loop.stop()


class Interrupted(ChannelInboundHandler[bytes]):
    """Answers; and while it does so for the first time, somebody types Ctrl-C."""

    def __init__(self, armed: list[bool], channels: list[Channel]) -> None:
        self._armed = armed
        self._channels = channels

    def channel_active(self, ctx: ChannelHandlerContext) -> None:
        self._channels.append(ctx.channel)

    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        ctx.write(msg)
        if self._armed:
            self._armed.clear()
            raise KeyboardInterrupt


def test_who_goes_on_after_an_interrupt_has_lost_nothing() -> None:
    loop = EventLoop()
    armed = [True]
    channels: list[Channel] = []
    server = ServerBootstrap(loop, initializer=lambda _: [Interrupted(armed, channels)]).bind("tcp://127.0.0.1:0")
    place = ("127.0.0.1", int(server.addresses[0].rpartition(":")[2]))
    peers = [socket.create_connection(place, _PATIENCE) for _ in range(4)]

    def drive_until_all_have(expected: bytes) -> None:
        waiting = set(peers)
        deadline = time.monotonic() + _PATIENCE
        while waiting and time.monotonic() < deadline:
            loop.run_once(0.01)
            for peer in select.select(waiting, [], [], 0)[0]:
                assert peer.recv(100) == expected
                waiting.discard(peer)
        assert not waiting

    try:
        while len(channels) < len(peers):
            loop.run_once(0.01)
        for peer in peers:
            peer.sendall(b"hi")
        with pytest.raises(KeyboardInterrupt):
            drive_until_all_have(b"hi")
        assert loop.next_deadline() is not None
        drive_until_all_have(b"hi")
        for channel in channels:
            channel.write(b"again")
        drive_until_all_have(b"again")
    finally:
        loop.stop()
        for peer in peers:
            peer.close()


class Batches(ChannelInboundHandler[Any]):
    """Notes where batches end; and somebody types Ctrl-C at a message."""

    def __init__(self, at: int) -> None:
        self._at = at
        self.reads = 0
        self.events: list[str] = []

    def channel_read(self, ctx: ChannelHandlerContext, msg: Any) -> None:
        self.events.append("read")
        self.reads += 1
        if self.reads == self._at:
            raise KeyboardInterrupt

    def channel_read_complete(self, ctx: ChannelHandlerContext) -> None:
        self.events.append("complete")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:0", "udp://127.0.0.1:0", "local://interrupted-batch"])
def test_stages_hear_that_an_interrupted_batch_has_ended(address: str) -> None:
    loop = EventLoop()
    batches = Batches(1)

    def drive_until(is_done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not is_done() and time.monotonic() < deadline:
            loop.run_once(0.01)

    try:
        server = ServerBootstrap(loop, initializer=lambda _: [batches]).bind(address)
        connected = Bootstrap(loop, lambda _: []).connect(server.addresses[0])
        drive_until(lambda: connected.done() and len(server.channels) == 1)
        connected.result().write_and_flush(b"x")
        with pytest.raises(KeyboardInterrupt):
            drive_until(lambda: len(batches.events) > 1)
        assert batches.events == ["read"]
        drive_until(lambda: len(batches.events) > 1)
        assert batches.events == ["read", "complete"]
    finally:
        loop.stop()


def _interrupted(channel: Channel) -> list[Any]:
    raise KeyboardInterrupt


def _drive(loop: EventLoop, turns: int) -> None:
    for _ in range(turns):
        loop.run_once(1.0)


def test_a_connection_whose_initializer_was_interrupted_is_closed_and_gives_its_place_back() -> None:
    loop = EventLoop()
    peers: list[socket.socket] = []
    try:
        server = ServerBootstrap(loop, initializer=_interrupted, max_connections=1).bind("tcp://127.0.0.1:0")
        place = ("127.0.0.1", int(server.addresses[0].rpartition(":")[2]))
        for _ in range(2):
            peers.append(socket.create_connection(place, _PATIENCE))
            with pytest.raises(KeyboardInterrupt):
                _drive(loop, 10)
            loop.run_once(0)  # says goodbye
            assert (loop.channels, len(server.channels)) == (0, 0)
            with pytest.raises(ConnectionResetError):
                peers[-1].recv(1)
    finally:
        loop.stop()
        for peer in peers:
            peer.close()


def test_whoever_connects_hears_that_the_initializer_was_interrupted() -> None:
    loop = EventLoop()
    try:
        connected = Bootstrap(loop, _interrupted).connect("tcp://127.0.0.1:9")
        with pytest.raises(KeyboardInterrupt):
            _drive(loop, 10)
        assert isinstance(connected.exception(), KeyboardInterrupt)
        loop.run_once(0)
        assert loop.channels == 0
    finally:
        loop.stop()


class Answering(ChannelInboundHandler[bytes]):
    """Answers with so many bytes, and looks which peers have their answers by then."""

    def __init__(self, size: int, peers: list[socket.socket], seen: list[int]) -> None:
        self._answer = b"x" * size
        self._peers = peers
        self._seen = seen

    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        self._seen.append(len(select.select(self._peers, [], [], 0)[0]))
        ctx.write(self._answer)


@pytest.mark.parametrize(
    ("size", "answered"),
    [(100, [0, 0, 0, 0, 0, 0]), (8192, [0, 0, 2, 2, 4, 4]), (16384, [0, 1, 2, 3, 4, 5]), (16385, [0, 1, 2, 3, 4, 5])],
)
def test_answers_of_a_turn_leave_together_unless_they_are_large(size: int, answered: list[int]) -> None:
    loop = EventLoop()
    peers: list[socket.socket] = []
    seen: list[int] = []
    server = ServerBootstrap(loop, initializer=lambda _: [Answering(size, peers, seen)]).bind("tcp://127.0.0.1:0")
    place = ("127.0.0.1", int(server.addresses[0].rpartition(":")[2]))
    try:
        peers.extend(socket.create_connection(place, _PATIENCE) for _ in answered)
        while loop.channels < len(peers):
            loop.run_once(0.01)
        loop.run_once(0)
        for peer in peers:
            peer.sendall(b"hi")
        loop.run_once(_PATIENCE)
        assert seen == answered
        assert select.select(peers, [], [], 0)[0] == peers
    finally:
        loop.stop()
        for peer in peers:
            peer.close()
