"""The last reply: it arrives, whatever the peer still sends, and however late it reads."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, EventLoop
from pipeline_net.transport.poller import ERROR, HANGUP
from pipeline_net.transport.stream_channel import StreamChannel

Opener = Callable[..., tuple[StreamChannel, socket.socket]]

_PATIENCE = 10.0  # seconds
_LINGER = 1.0  # seconds of silence after which a peer is not waited for
_REPLY = bytes(range(256)) * 4096


class Keeps(ChannelInboundHandler[bytes]):
    """Reads, and says nothing."""

    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        """Drop it."""

    def channel_eof(self, ctx: ChannelHandlerContext) -> None:
        ctx.close()


def receive_all(sock: socket.socket) -> bytes:
    received = bytearray()
    while part := sock.recv(65536):
        received += part
    return bytes(received)


def leave_no_room(far: socket.socket) -> None:
    """The reply shall not fit into the peer's kernel, so that ours has to keep it."""
    far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)


def test_a_reply_that_the_peer_has_no_room_for_survives_what_it_sends_later(loop: EventLoop, connect: Opener) -> None:
    channel, far = connect(Keeps())
    leave_no_room(far)
    channel.write_and_flush(_REPLY).result(_PATIENCE)  # all of it is with our kernel
    closed = channel.close()
    begun = threading.Event()
    loop.execute(begun.set)
    assert begun.wait(_PATIENCE)
    far.sendall(b"one more thing")
    assert receive_all(far) == _REPLY
    far.close()
    closed.result(_PATIENCE)


def test_a_peer_that_sends_for_long_gets_the_reply_once_it_reads(connect: Opener) -> None:
    channel, far = connect(Keeps())
    leave_no_room(far)
    channel.write_and_flush(_REPLY).result(_PATIENCE)
    closed = channel.close()
    deadline = time.monotonic() + 1.5 * _LINGER
    while time.monotonic() < deadline:
        far.sendall(bytes(65536))
    assert receive_all(far) == _REPLY
    far.close()
    closed.result(_PATIENCE)


def test_a_peer_that_sends_for_ever_is_left_in_the_end(connect: Opener) -> None:
    channel, far = connect(Keeps(), close_timeout=0.1)
    leave_no_room(far)

    def flood() -> None:
        try:
            while True:
                far.sendall(bytes(65536))
        except OSError:
            return  # it has been left

    channel.write_and_flush(_REPLY).result(_PATIENCE)
    flooding = threading.Thread(target=flood)
    flooding.start()
    channel.close().result(_PATIENCE)
    flooding.join(_PATIENCE)
    assert not flooding.is_alive()


def test_a_peer_that_has_room_and_is_silent_is_not_waited_for(connect: Opener) -> None:
    channel, far = connect(Keeps())
    channel.write(b"bye")
    started = time.monotonic()
    channel.close().result(_PATIENCE)
    assert time.monotonic() - started < _LINGER
    assert receive_all(far) == b"bye"


@pytest.mark.parametrize("resets", [False, True])
def test_a_peer_that_goes_ends_the_wait(connect: Opener, resets: bool) -> None:
    channel, far = connect(Keeps())
    leave_no_room(far)
    channel.write_and_flush(_REPLY).result(_PATIENCE)
    closed = channel.close()
    started = time.monotonic()
    if resets:
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()
    closed.result(_PATIENCE)
    assert time.monotonic() - started < _LINGER


def test_a_loop_that_stops_does_not_take_back_what_the_kernel_has(loop: EventLoop, connect: Opener) -> None:
    channel, far = connect(Keeps())
    leave_no_room(far)
    channel.write_and_flush(_REPLY).result(_PATIENCE)
    channel.close()
    loop.stop()
    assert receive_all(far) == _REPLY


def test_who_asks_for_the_close_before_the_stop_of_a_busy_loop_gets_it(loop: EventLoop, connect: Opener) -> None:
    channel, far = connect(Keeps())
    leave_no_room(far)
    channel.write_and_flush(_REPLY).result(_PATIENCE)
    entered, go_on = threading.Event(), threading.Event()
    loop.execute(entered.set)
    loop.execute(go_on.wait, _PATIENCE)
    assert entered.wait(_PATIENCE)
    channel.close()
    stopping = threading.Thread(target=loop.stop)
    stopping.start()
    while not loop.is_stopping:
        time.sleep(0.001)
    go_on.set()
    assert receive_all(far) == _REPLY
    stopping.join(_PATIENCE)


@pytest.mark.parametrize("how", ["close", "shutdown_output"])
def test_last_words_said_when_there_is_room_again_are_sent(connect: Opener, how: str) -> None:
    class LastWords(Keeps):
        def channel_writability_changed(self, ctx: ChannelHandlerContext) -> None:
            if ctx.channel.is_writable:
                ctx.write(b"bye")
                getattr(ctx, how)()

    channel, far = connect(LastWords(), write_buffer_high=10, write_buffer_low=5)
    channel.write(bytes(20))
    assert receive_all(far) == bytes(20) + b"bye"


@pytest.mark.parametrize("bits", [HANGUP, ERROR | HANGUP])
def test_news_of_a_socket_that_had_the_same_descriptor_does_not_stop_the_sending(
    loop: EventLoop, connect: Opener, bits: int
) -> None:
    channel, far = connect(Keeps())
    channel.write(bytes(32 << 20))  # more than the kernel takes
    loop.execute(channel.flush)
    loop.execute(channel.on_events, bits)
    channel.close()
    assert len(receive_all(far)) == 32 << 20
