"""Other threads that write faster than the loop follows, over real sockets: told, bounded, in order, never stuck."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, EventLoop, WriteBufferOverflowError
from pipeline_net.transport.stream_channel import StreamChannel

_PATIENCE = 10.0  # seconds
_KIB = 1024

Opener = Callable[..., tuple[StreamChannel, socket.socket]]
OnLoop = Callable[[Callable[[], Any]], Any]


class Echo(ChannelInboundHandler[bytes]):
    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        ctx.write(msg)


class TellsProducers(ChannelInboundHandler[bytes]):
    """Lets threads wait until it is wise to write."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.pauses = 0

    def channel_writability_changed(self, ctx: ChannelHandlerContext) -> None:
        with self.changed:
            self.pauses += not ctx.channel.is_writable
            self.changed.notify_all()

    def wait_for_room(self, channel: StreamChannel) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: channel.is_writable, _PATIENCE)


def test_a_loop_that_is_held_up_keeps_no_more_than_the_limit(loop: EventLoop, connect: Opener) -> None:
    piece = bytes(64 * _KIB)
    flooded, _ = connect(Echo(), write_buffer_limit=_KIB * _KIB)
    neighbour, far_neighbour = connect(Echo())
    held_up = threading.Event()
    loop.execute(held_up.wait, _PATIENCE)
    written = [flooded.write_and_flush(piece) for _ in range(100)]
    refused = [future for future in written if future.done()]
    assert len(refused) == 100 - 16
    assert {type(future.exception()) for future in refused} == {WriteBufferOverflowError}
    assert flooded.pending_write_bytes == _KIB * _KIB
    assert not flooded.is_writable
    held_up.set()
    flooded.close_future.result(_PATIENCE)
    assert isinstance(flooded.close_reason, WriteBufferOverflowError)
    assert all(future.exception(_PATIENCE) in (None, flooded.close_reason) for future in written[:16])
    far_neighbour.sendall(b"and me?")
    assert far_neighbour.recv(100) == b"and me?"
    assert neighbour.is_open


@pytest.mark.parametrize("flush", [True, False])
def test_threads_that_heed_the_water_marks_write_everything_in_order(connect: Opener, run: OnLoop, flush: bool) -> None:
    tells = TellsProducers()
    channel, far = connect(tells, write_buffer_high=4096, write_buffer_low=1024, write_buffer_limit=256 * _KIB)

    def produce(name: int) -> None:
        for number in range(2000):
            tells.wait_for_room(channel)
            line = b"%d %d\n" % (name, number)
            if flush:
                channel.write_and_flush(line)
            else:
                channel.broadcast(line) if number % 7 == 0 else channel.write(line)

    with ThreadPoolExecutor(4) as producers, far.makefile("rb") as lines:
        produced = [producers.submit(produce, name) for name in range(4)]
        numbers: list[list[int]] = [[], [], [], []]
        for _ in range(4 * 2000):
            name, number = map(int, lines.readline().split())
            numbers[name].append(number)
        for job in produced:
            job.result(_PATIENCE)
    assert numbers == [list(range(2000))] * 4
    assert tells.pauses > 0
    assert run(lambda: (channel.is_writable, channel.pending_write_bytes)) == (True, 0)
