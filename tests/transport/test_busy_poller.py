"""BusyPoller asks without sleeping for a while; what it reports and how long it waits are the other poller's."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time

import pytest

from pipeline_net import (
    Channel,
    ChannelHandlerContext,
    ChannelInboundHandler,
    EventLoop,
    EventLoopGroup,
    ServerBootstrap,
)
from pipeline_net.transport.busy_poller import BusyPoller
from pipeline_net.transport.poller import READ, Poller, make_poller

_PATIENCE = 10.0  # seconds
_BUSY = 0.02  # seconds


class Recorder(Poller):
    """Notes how long it was to wait; at the ``ready``-th question there is something to report."""

    def __init__(self, ready: int = 0) -> None:
        self.asked: list[float | None] = []
        self._ready = ready

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        self.asked.append(timeout)
        return [(7, READ)] if len(self.asked) == self._ready else []


def test_what_is_there_is_reported_without_a_look_at_the_clock() -> None:
    inner = Recorder(ready=1)
    assert BusyPoller(inner, _BUSY).poll(None) == [(7, READ)]
    assert inner.asked == [0.0]


def test_what_comes_soon_is_met_awake() -> None:
    inner = Recorder(ready=3)
    assert BusyPoller(inner, 1.0).poll(None) == [(7, READ)]
    assert inner.asked == [0.0, 0.0, 0.0]


def test_who_only_looks_is_not_kept() -> None:
    inner = Recorder()
    assert BusyPoller(inner, 1.0).poll(0.0) == []
    assert inner.asked == [0.0]


@pytest.mark.parametrize(("timeout", "left"), [(None, None), (5.0, 5.0 - _BUSY), (_BUSY, 0.0), (0.001, 0.0)])
def test_then_it_sleeps_for_what_is_left(timeout: float | None, left: float | None) -> None:
    inner = Recorder()
    started = time.monotonic()
    assert BusyPoller(inner, _BUSY).poll(timeout) == []
    assert time.monotonic() - started >= (_BUSY if timeout is None else min(timeout, _BUSY))
    *awake, asleep = inner.asked
    assert set(awake) == {0.0}
    assert asleep == (None if left is None else pytest.approx(left))


@pytest.mark.parametrize("busy_poll", [0, -1, 1.5, float("nan")])
def test_impossible_patience_is_refused(busy_poll: float) -> None:
    with pytest.raises(ValueError, match=r"busy_poll= must be more than 0 seconds and at most 1, not"):
        BusyPoller(make_poller(), busy_poll)


def test_a_group_refuses_it_too() -> None:
    with pytest.raises(ValueError, match=r"busy_poll= must be .* not 2"):
        EventLoopGroup(1, busy_poll=2)


def test_it_forgets_what_the_other_forgets() -> None:
    best = make_poller()
    assert BusyPoller(best, _BUSY).forgets_closed is best.forgets_closed
    assert BusyPoller(Recorder(), _BUSY).forgets_closed is False
    best.close()


class Echo(ChannelInboundHandler[bytes]):
    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        ctx.write(msg)


def test_a_group_of_wakeful_loops_serves_keeps_time_and_hears_other_threads() -> None:
    def stages(channel: Channel) -> list[Echo]:
        return [Echo()]

    done = threading.Event()
    with EventLoopGroup(2, busy_poll=0.001) as loops:
        server = ServerBootstrap(loops, initializer=stages).bind("tcp://127.0.0.1:0")
        place = ("127.0.0.1", int(server.addresses[0].rpartition(":")[2]))
        with socket.create_connection(place, _PATIENCE) as peer:
            for number in range(20):
                peer.sendall(b"%03d" % number)
                assert peer.recv(100) == b"%03d" % number
        loop = next(iter(loops))
        time.sleep(0.01)  # by now it sleeps
        loop.execute(loop.schedule, 0.01, done.set)
        assert done.wait(_PATIENCE)


def test_a_lone_loop_can_be_wakeful_too() -> None:
    with pytest.raises(ValueError, match=r"busy_poll= must be .* not -1"):
        EventLoop(busy_poll=-1)
    loop = EventLoop(busy_poll=0.001)
    server = ServerBootstrap(loop, initializer=lambda channel: [Echo()]).bind("tcp://127.0.0.1:0")
    place = ("127.0.0.1", int(server.addresses[0].rpartition(":")[2]))
    answers: list[bytes] = []

    def ask() -> None:
        with socket.create_connection(place, _PATIENCE) as peer:
            for number in range(20):
                peer.sendall(b"%03d" % number)
                answers.append(peer.recv(100))
        time.sleep(0.01)  # by now it sleeps
        loop.schedule(0.01, loop.stop)

    thread = threading.Thread(target=ask)
    thread.start()
    loop.run()
    thread.join(_PATIENCE)
    assert answers == [b"%03d" % number for number in range(20)]


def test_a_loop_with_nothing_to_do_sleeps() -> None:
    used: list[float] = []
    measured = threading.Event()

    def measure() -> None:
        used.append(time.thread_time())
        measured.set()

    with EventLoopGroup(1, busy_poll=0.001) as loops:
        loops.start()
        loop = next(iter(loops))
        for _ in range(2):
            measured.clear()
            loop.execute(measure)
            assert measured.wait(_PATIENCE)
            time.sleep(0.3)
    assert used[1] - used[0] < 0.1


def test_ctrl_c_is_heard_while_it_asks() -> None:
    loop = EventLoop(poller=BusyPoller(make_poller(), 0.3))
    started = time.monotonic()
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_once(8.0)
        assert time.monotonic() - started < 4.0
    finally:
        timer.join()
        loop.stop()
