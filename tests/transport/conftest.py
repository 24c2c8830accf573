"""A loop, a group, and pairs of a channel and the plain socket at its other end."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline_net import ChannelFuture, ChannelHandler, ChannelOptions, EventLoop, EventLoopGroup
from pipeline_net.transport.poller import Poller, make_poller
from pipeline_net.transport.stream_channel import StreamChannel

_PATIENCE = 10.0  # seconds

Opener = Callable[..., tuple[StreamChannel, socket.socket]]


class RiggedPoller(Poller):
    """A poller that has no room when it is told so, and reports what it is told to."""

    def __init__(self) -> None:
        self._real = make_poller()
        self.is_full = False
        self.newest = -1  # the descriptor that was registered last
        self.rumours: list[tuple[int, int]] = []  # descriptors and bits that the next calls report, one each

    def register(self, fd: int, interest: int) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.newest = fd
        self._real.register(fd, interest)

    def modify(self, fd: int, interest: int) -> None:
        self._real.modify(fd, interest)

    def unregister(self, fd: int) -> None:
        self._real.unregister(fd)

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        return [self.rumours.pop()] if self.rumours else self._real.poll(timeout)

    def close(self) -> None:
        self._real.close()


@pytest.fixture
def rigged() -> RiggedPoller:
    """A poller for one loop, which closes it."""
    return RiggedPoller()


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    """One loop in a thread of its own."""
    loop = EventLoop()
    loop.start()
    yield loop
    loop.stop()


@pytest.fixture
def lone() -> Iterator[EventLoop]:
    """One loop that nobody runs yet."""
    loop = EventLoop()
    try:
        yield loop
    finally:
        loop.stop()


@pytest.fixture
def loops() -> Iterator[EventLoopGroup]:
    """Two loops that have not been started."""
    with EventLoopGroup(2) as group:
        yield group


def _tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    return near, far


@pytest.fixture
def connect(loop: EventLoop) -> Iterator[Opener]:
    """``connect(*handlers, **options)``: an active channel over TCP, and the socket at the other end."""
    opened: list[tuple[StreamChannel | None, socket.socket]] = []

    def open_pair(*handlers: ChannelHandler, **options: Any) -> tuple[StreamChannel, socket.socket]:
        near, far = _tcp_pair()
        near.setblocking(False)
        far.settimeout(_PATIENCE)

        def open_channel() -> StreamChannel:
            channel = StreamChannel(loop, ChannelOptions(**options), near, near.getpeername())
            channel.pipeline.add_last(*handlers)
            channel.register()
            channel.activate()
            return channel

        opened.append((None, far))
        channel = on_loop(loop, open_channel)
        opened[-1] = (channel, far)
        return channel, far

    yield open_pair
    for channel, far in opened:
        if channel is not None:
            channel.abort()
        far.close()


def on_loop(loop: EventLoop, fn: Callable[[], Any]) -> Any:
    """Run ``fn`` on the loop, and wait for what it returns or raises."""
    done: ChannelFuture[Any] = ChannelFuture(loop)

    def run() -> None:
        try:
            done.set_result(fn())
        except BaseException as exc:  # noqa: BLE001 - the test gets it
            done.set_exception(exc)

    loop.execute(run)
    return done.result(_PATIENCE)


@pytest.fixture
def run(loop: EventLoop) -> Callable[[Callable[[], Any]], Any]:
    """``run(fn)``: run ``fn`` on the loop, and return what it returns."""
    return lambda fn: on_loop(loop, fn)
