"""What a channel reads over real sockets: all of it, also where the selector speaks only once."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import Bootstrap, ChannelHandlerContext, ChannelInboundHandler, EventLoop
from pipeline_net.transport.socket_options import holds_unsent_bytes
from pipeline_net.transport.stream_channel import StreamChannel

_PATIENCE = 10.0  # seconds
_MIB = 1 << 20

Opener = Callable[..., tuple[StreamChannel, socket.socket]]
OnLoop = Callable[[Callable[[], Any]], Any]


class Collector(ChannelInboundHandler[bytes]):
    """Keeps what comes, until there is so much of it, and the end of input to itself."""

    def __init__(self, wanted: int) -> None:
        self.data = bytearray()
        self.batches = 0
        self.complete = threading.Event()
        self.ended = threading.Event()
        self._wanted = wanted

    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        self.data += msg
        if len(self.data) >= self._wanted:
            self.complete.set()

    def channel_read_complete(self, ctx: ChannelHandlerContext) -> None:
        self.batches += 1

    def channel_eof(self, ctx: ChannelHandlerContext) -> None:
        self.ended.set()


class StopsAndGoes(Collector):
    """Turns reading off and on again in the middle of each batch: neither leaves anything to be noticed outside."""

    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        super().channel_read(ctx, msg)
        ctx.channel.hold_reads()
        ctx.loop.execute(ctx.channel.release_reads)
        ctx.channel.auto_read = False
        ctx.channel.auto_read = True


@pytest.mark.parametrize("kind", [Collector, StopsAndGoes])
@pytest.mark.parametrize("receive_size", [1000, 65536])
def test_what_is_more_than_one_batch_comes_without_another_word_of_the_selector(
    connect: Opener, kind: type[Collector], receive_size: int
) -> None:
    collector = kind(3 * _MIB)
    channel, far = connect(collector, receive_size=receive_size, receive_buffer=4 * _MIB)
    far.sendall(bytes(3 * _MIB))
    assert collector.complete.wait(_PATIENCE)
    assert collector.batches > 1
    assert len(collector.data) == 3 * _MIB
    assert channel.is_active


class Pieces(Collector):
    """Keeps how large the pieces were that came."""

    def __init__(self, wanted: int) -> None:
        super().__init__(wanted)
        self.sizes: list[int] = []

    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        self.sizes.append(len(msg))
        super().channel_read(ctx, msg)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when all has arrived")
@pytest.mark.parametrize(
    ("receive_size", "first", "body", "pieces"),
    [
        (65536, 1, 65536 + 4, [1, 479, 65061]),  # little has come before
        (65536, 300, 65536 + 4, [300, 65540]),  # a frame of 64 KiB and its header
        (65536, 300, 69632 + 1, [300, 69632, 1]),
        (1000, 300, 2500, [300, 1000, 1000, 500]),  # less than the default was asked for, and is kept to
        (4, 4, 10, [4, 4, 4, 2]),
    ],
)
def test_a_read_asks_for_a_body_of_receive_size_and_its_header(
    connect: Opener, run: OnLoop, receive_size: int, first: int, body: int, pieces: list[int]
) -> None:
    before = Collector(first)
    channel, far = connect(before, receive_size=receive_size, receive_buffer=4 * _MIB)
    far.sendall(bytes(first))
    assert before.complete.wait(_PATIENCE)
    after = Pieces(body)

    def replace() -> None:
        channel.pipeline.replace(before, after)
        channel.hold_reads()

    run(replace)
    far.sendall(bytes(body))
    while holds_unsent_bytes(far):
        time.sleep(0.001)
    run(channel.release_reads)
    assert after.complete.wait(_PATIENCE)
    assert [first, *after.sizes] == pieces


@pytest.mark.parametrize("size", [1, 478, 479, 480, 959, 65536])
def test_an_end_that_came_with_the_last_bytes_is_noticed(connect: Opener, run: OnLoop, size: int) -> None:
    collector = Collector(size)
    _, far = connect(collector)

    def say_all() -> None:
        far.sendall(bytes(size))
        far.shutdown(socket.SHUT_WR)

    run(say_all)  # both are there when the loop looks next
    assert collector.ended.wait(_PATIENCE)
    assert len(collector.data) == size


def test_an_end_that_came_while_nobody_read_is_noticed_by_who_reads_again(connect: Opener, run: OnLoop) -> None:
    collector = Collector(5)
    channel, far = connect(collector)
    run(channel.hold_reads)
    far.sendall(b"hello")
    far.shutdown(socket.SHUT_WR)
    run(lambda: None)
    assert not collector.complete.is_set()
    run(channel.release_reads)
    assert collector.ended.wait(_PATIENCE)
    assert collector.data == b"hello"


@pytest.mark.parametrize("together", [True, False])
def test_urgent_data_keeps_nothing_back(connect: Opener, run: OnLoop, together: bool) -> None:
    collector = Collector(8)
    _, far = connect(collector)

    def say(*pieces: tuple[bytes, int]) -> None:
        for data, flags in pieces:
            far.send(data, flags)

    if together:
        run(lambda: say((b"before", 0), (b"!", socket.MSG_OOB), (b"me", 0)))
    else:
        say((b"before", 0), (b"!", socket.MSG_OOB), (b"me", 0))
    assert collector.complete.wait(_PATIENCE)  # reading stops at the urgent byte, which is not part of the stream
    assert collector.data == b"beforeme"


def test_the_last_reply_arrives_although_the_peer_had_sent_much_that_nobody_read(connect: Opener, run: OnLoop) -> None:
    class Refuses(ChannelInboundHandler[bytes]):
        def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
            ctx.channel.hold_reads()
            ctx.write(b"too much")
            ctx.loop.schedule(0.0, ctx.close)

    channel, far = connect(Refuses(), receive_buffer=4 * _MIB)
    far.sendall(bytes(2 * _MIB))
    received = b""
    while data := far.recv(65536):
        received += data
    assert received == b"too much"
    far.close()
    channel.close_future.result(_PATIENCE)


def test_last_words_are_heard_although_we_were_still_speaking() -> None:
    """A server says no to an upload and hangs up; its no and the reset behind it are reported as one event."""
    heard = bytearray()

    class Talk(ChannelInboundHandler[bytes]):
        def channel_active(self, ctx: ChannelHandlerContext) -> None:
            ctx.write(b"x" * 50_000_000)

        def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
            heard.extend(msg)

    loop = EventLoop()
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            connecting = Bootstrap(loop, lambda channel: [Talk()]).connect(listener.getsockname())
            while not connecting.done():
                loop.run_once(1.0)
            server, _ = listener.accept()
            with server:
                channel = connecting.result()
                for _ in range(20):
                    loop.run_once(0)
                assert channel.sent < channel.written, "the kernel has no more room"
                server.sendall(b"no")
            while channel.is_open:  # closed with bytes unread, so there was a reset
                loop.run_once(1.0)
        assert heard == b"no"
    finally:
        loop.stop()
