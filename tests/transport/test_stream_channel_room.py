"""Whether there is room for more: a channel that others write to asks the kernel before it says that there is none."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from pipeline_net import (
    ChannelFuture,
    ChannelHandlerContext,
    ChannelInboundHandler,
    MessageToByteEncoder,
)
from pipeline_net.transport.stream_channel import StreamChannel

Opener = Callable[..., tuple[StreamChannel, socket.socket]]
OnLoop = Callable[[Callable[[], Any]], Any]

_PIECE = b"x" * 1000
_HIGH = 20_000


class Notes(ChannelInboundHandler[bytes]):
    """Writes down what it hears of the writability, and writes for whoever asks it to."""

    def __init__(self) -> None:
        self.heard: list[bool] = []
        self.ctx: ChannelHandlerContext[Any, Any] | None = None

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.ctx = ctx

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.heard.append(ctx.channel.is_writable)

    def push(self, count: int) -> int:
        """Write pieces as long as there is room; how many found none."""
        ctx = self.ctx
        assert ctx is not None
        skipped = 0
        for _ in range(count):
            if ctx.channel.is_writable:
                ctx.write(_PIECE)
            else:
                skipped += 1
        return skipped


class InThree(MessageToByteEncoder[bytes]):
    def encode(self, msg: bytes) -> list[bytes]:
        return [b"<", msg, b">"]


def _receive(sock: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        data = sock.recv(65536)
        assert data
        received += data
    return received


def test_a_peer_with_room_is_left_out_of_nothing_within_one_turn(connect: Opener, run: OnLoop) -> None:
    notes = Notes()
    _, far = connect(notes, write_buffer_high=_HIGH, write_buffer_low=_HIGH // 2)
    assert run(lambda: notes.push(200)) == 0
    assert _receive(far, 200_000) == _PIECE * 200
    assert notes.heard == []


def test_messages_of_several_parts_are_not_torn(connect: Opener, run: OnLoop) -> None:
    notes = Notes()
    _, far = connect(InThree(), notes, write_buffer_high=_HIGH, write_buffer_low=_HIGH // 2)
    assert run(lambda: notes.push(200)) == 0
    assert _receive(far, 200_400) == (b"<" + _PIECE + b">") * 200
    assert notes.heard == []


def test_a_peer_that_does_not_read_is_left_out_as_before(connect: Opener, run: OnLoop) -> None:
    notes = Notes()
    channel, _ = connect(notes, write_buffer_high=_HIGH, write_buffer_low=_HIGH // 2)
    assert run(lambda: notes.push(20_000)) > 0  # 20 MB are more than the kernel takes
    assert notes.heard == [False]
    assert run(lambda: channel.pending_write_bytes) <= _HIGH + len(_PIECE)


def test_what_is_written_in_answer_is_still_sent_at_the_end_of_the_batch(connect: Opener, run: OnLoop) -> None:
    class Answers(Notes):
        def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: bytes) -> None:
            skipped.append(self.push(100))
            pending.append(ctx.channel.pending_write_bytes)

    skipped: list[int] = []
    pending: list[int] = []
    notes = Answers()
    _, far = connect(notes, write_buffer_high=_HIGH, write_buffer_low=_HIGH // 2)
    far.sendall(b"?")
    assert _receive(far, 21_000) == _PIECE * 21
    assert skipped == [79]
    assert pending == [21_000]
    run(lambda: None)  # the peer had it before the loop knew
    assert notes.heard == [False, True]


def test_who_flushes_by_hand_is_not_helped(connect: Opener, run: OnLoop) -> None:
    notes = Notes()
    channel, far = connect(notes, write_buffer_high=_HIGH, write_buffer_low=_HIGH // 2, auto_flush=False)
    assert run(lambda: notes.push(100)) == 79
    assert channel.pending_write_bytes == 21_000
    channel.flush()
    assert _receive(far, 21_000) == _PIECE * 21


def test_promises_that_are_kept_early_may_write_again_and_again(connect: Opener, run: OnLoop) -> None:
    notes = Notes()
    channel, far = connect(notes, write_buffer_high=_HIGH, write_buffer_low=_HIGH // 2)
    block = b"y" * 30_000
    left = [50]

    def again(future: ChannelFuture[Any]) -> None:
        if left[0] > 0:
            left[0] -= 1
            channel.write(block).add_done_callback(again)

    def begin() -> None:
        channel.write(block).add_done_callback(again)
        channel.write(b"z")

    run(begin)
    data = _receive(far, 51 * len(block) + 1)
    assert data.count(b"z") == 1
    assert data.count(b"y") == 51 * len(block)


def test_a_peer_that_has_gone_ends_the_channel_and_no_handler_hears_of_room(connect: Opener, run: OnLoop) -> None:
    class Ends(Notes):
        def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
            is_inside.append(is_pushing[0])

    is_inside: list[bool] = []
    is_pushing = [False]
    notes = Ends()
    channel, far = connect(notes, write_buffer_high=_HIGH, write_buffer_low=_HIGH // 2, auto_read=False)

    def push() -> None:
        far.close()  # here, so that a write is the first to hear of it
        is_pushing[0] = True
        for _ in range(50):
            assert notes.ctx is not None
            notes.ctx.write(_PIECE)
        is_pushing[0] = False

    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    run(push)
    channel.close_future.exception(10)
    run(lambda: None)
    assert is_inside == [False]  # closing inside a write is told to nobody before the write is over
    assert notes.heard == []
