"""What a channel writes over real sockets: order, completion, threads, every kind of bytes, and files."""

from __future__ import annotations

import select
import socket
import struct
import tempfile
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import (
    ChannelBrokenError,
    ChannelFuture,
    ChannelHandlerContext,
    ChannelInboundHandler,
    FileRegion,
    ForeignThreadError,
    PipelineError,
)
from pipeline_net.transport.stream_channel import StreamChannel

_PATIENCE = 10.0  # seconds
_MIB = 1 << 20

Opener = Callable[..., tuple[StreamChannel, socket.socket]]
OnLoop = Callable[[Callable[[], Any]], Any]


class Echo(ChannelInboundHandler[bytes]):
    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        ctx.write(msg)


def receive_exactly(sock: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        data = sock.recv(min(count - len(received), 65536))
        assert data, f"the connection ended after {len(received)} of {count} bytes"
        received += data
    return bytes(received)


def pattern(size: int) -> bytes:
    """Bytes in which every gap, repetition or swap shows."""
    return b"".join(struct.pack(">I", number) for number in range(size // 4))


class Notes(ChannelInboundHandler[bytes]):
    """Writes down whether a flush is due, before and after each batch has been read."""

    def __init__(self) -> None:
        self.due: list[bool] = []
        self.done = threading.Event()

    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        self.due.append(ctx.channel.flush_is_due)
        ctx.loop.execute(self.after, ctx)

    def after(self, ctx: ChannelHandlerContext) -> None:
        self.due.append(ctx.channel.flush_is_due)
        ctx.write(b"later")  # of which the batch knew nothing
        self.due.append(ctx.channel.flush_is_due)
        self.done.set()


# -- writing ----------------------------------------------------------------------------------------


def test_writes_complete_in_order(connect: Opener) -> None:
    channel, far = connect()
    order: list[int] = []
    futures: list[ChannelFuture[None]] = []
    for number in range(100):
        future = channel.write(bytes(100_000))
        future.add_done_callback(lambda _, number=number: order.append(number))  # type: ignore[misc]  # mypy cannot infer it
        futures.append(future)
    last = channel.write(b"end")
    receive_exactly(far, 100 * 100_000 + 3)
    last.result(_PATIENCE)
    futures[-1].result(_PATIENCE)
    channel.close().result(_PATIENCE)
    assert order == list(range(100))


def test_a_writes_future_is_done_when_the_kernel_has_its_last_byte_and_not_before(connect: Opener, run: OnLoop) -> None:
    channel, far = connect()
    small = channel.write_and_flush(b"x")
    small.result(_PATIENCE)
    large = channel.write_and_flush(bytes(64 * _MIB))
    run(lambda: None)
    assert channel.pending_write_bytes > 0
    assert not large.done()
    receive_exactly(far, 1 + 64 * _MIB)
    large.result(_PATIENCE)
    assert channel.pending_write_bytes == 0


@pytest.mark.parametrize(("auto_flush", "due"), [(True, [True, False, True]), (False, [False, False, False])])
def test_a_batch_that_is_answered_later_leaves_no_flush_behind(
    connect: Opener, auto_flush: bool, due: list[bool]
) -> None:
    notes = Notes()
    channel, far = connect(notes, auto_flush=auto_flush)
    far.sendall(b"question")
    assert notes.done.wait(_PATIENCE)
    channel.flush()
    assert receive_exactly(far, 5) == b"later"
    assert notes.due == due


def test_writes_from_foreign_threads_are_first_in_first_out(connect: Opener) -> None:
    channel, far = connect()
    threads, each = 4, 2000

    def write(number: int) -> None:
        for count in range(each):
            channel.write(struct.pack(">HH", number, count))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(threads)]
    for writer in writers:
        writer.start()
    received = receive_exactly(far, threads * each * 4)
    for writer in writers:
        writer.join(_PATIENCE)
    next_of = [0] * threads
    for number, count in struct.iter_unpack(">HH", received):
        assert count == next_of[number]
        next_of[number] += 1


def test_a_write_on_the_loop_does_not_overtake_one_that_came_before_from_elsewhere(
    connect: Opener, run: OnLoop
) -> None:
    channel, far = connect()
    go_on = threading.Event()
    written = threading.Event()

    def on_the_loop() -> None:
        written.wait(_PATIENCE)
        channel.write(b"second")
        go_on.set()

    channel.loop.execute(on_the_loop)
    channel.write(b"first ")
    written.set()
    assert go_on.wait(_PATIENCE)
    assert receive_exactly(far, 12) == b"first second"


def test_chained_writes_from_done_callbacks_do_not_recurse(connect: Opener) -> None:
    channel, far = connect()
    count = 100_000
    left = count

    def write_next(_: object) -> None:
        nonlocal left
        left -= 1
        if left:
            channel.write(b"x").add_done_callback(write_next)

    channel.loop.execute(write_next, None)
    assert receive_exactly(far, count - 1) == b"x" * (count - 1)


def test_every_kind_of_bytes_can_be_written(connect: Opener) -> None:
    channel, far = connect()
    mutable = bytearray(b"bytearray ")
    wide = memoryview(b"view").cast("H")  # counts two where there are four bytes
    pieces: list[Any] = [b"bytes ", mutable, memoryview(b"part of a view")[:8], wide, b""]
    futures = [channel.write(piece) for piece in pieces]
    for future in futures:
        future.result(_PATIENCE)
    assert receive_exactly(far, 28) == b"bytes bytearray part of view"


def test_thousands_of_pieces_are_gathered(connect: Opener, run: OnLoop) -> None:
    channel, far = connect()

    def write() -> None:
        for number in range(5000):
            channel.pipeline.write(struct.pack(">I", number) * 16)
        for number in range(5000, 5200):
            channel.pipeline.write(bytearray(struct.pack(">I", number) * 4096))

    run(write)
    expected = b"".join(struct.pack(">I", n) * 16 for n in range(5000))
    expected += b"".join(struct.pack(">I", n) * 4096 for n in range(5000, 5200))
    assert receive_exactly(far, len(expected)) == expected


def test_an_object_nobody_encoded_fails_its_promise_only(connect: Opener) -> None:
    channel, far = connect(Echo())
    failure = channel.write({"not": "bytes"}).exception(_PATIENCE)
    assert isinstance(failure, PipelineError)
    far.sendall(b"x")
    assert receive_exactly(far, 1) == b"x"


def test_a_context_that_is_used_from_a_foreign_thread_says_so(connect: Opener) -> None:
    contexts: list[ChannelHandlerContext] = []

    class Leaks(ChannelInboundHandler[bytes]):
        def channel_active(self, ctx: ChannelHandlerContext) -> None:
            contexts.append(ctx)

        def exception_caught(self, ctx: ChannelHandlerContext, exc: BaseException) -> None:
            raise AssertionError("no handler runs on a foreign thread")

    channel, _ = connect(Leaks())
    promise = channel.new_promise()
    with pytest.raises(ForeignThreadError, match="thread-safe"):
        contexts[0].write(b"x", promise)
    assert isinstance(promise.exception(_PATIENCE), ForeignThreadError)
    with pytest.raises(ForeignThreadError, match="thread-safe"):
        contexts[0].write(b"x")
    assert channel.is_open


def test_what_changes_its_length_before_it_is_sent_breaks_its_channel_and_does_not_spin(
    connect: Opener, run: OnLoop
) -> None:
    for change in (lambda data: data.clear(), lambda data: data.extend(b"more")):
        channel, _far = connect()
        data = bytearray(b"12345678")

        def write_and_change(
            channel: Any = channel, data: bytearray = data, change: Callable[[bytearray], None] = change
        ) -> Any:
            promise = channel.write(data)
            change(data)
            return promise

        failure = run(write_and_change).exception(_PATIENCE)
        assert isinstance(failure, ChannelBrokenError)
        assert "changed its length" in str(failure)


def test_a_view_with_gaps_fails_its_write_alone(connect: Opener) -> None:
    channel, far = connect()
    failure = channel.write(memoryview(b"abcdef")[::2]).exception(_PATIENCE)
    assert isinstance(failure, PipelineError)
    assert "gaps" in str(failure)
    channel.write(b"next").result(_PATIENCE)
    assert receive_exactly(far, 4) == b"next"


# -- files ------------------------------------------------------------------------------------------


def test_file_regions_are_sent_in_their_place_among_other_writes(connect: Opener) -> None:
    channel, far = connect()
    data = pattern(5 * _MIB)
    with tempfile.TemporaryFile() as file:
        file.write(data)
        region = FileRegion(file, 1000, 4 * _MIB)
        channel.write(b"before")
        whole = channel.write(region)
        channel.write(b"between")
        channel.write(FileRegion(file, 0, 10))
        channel.write(FileRegion(file, 5, 0))
        last = channel.write(b"after")
        expected = b"before" + data[1000 : 1000 + 4 * _MIB] + b"between" + data[:10] + b"after"
        assert receive_exactly(far, len(expected)) == expected
        whole.result(_PATIENCE)
        last.result(_PATIENCE)


def test_one_file_region_may_be_written_to_many_channels(connect: Opener) -> None:
    data = pattern(3 * _MIB)
    with tempfile.TemporaryFile() as file:
        file.write(data)
        region = FileRegion(file, 10)
        pairs = [connect(), connect()]
        written = [channel.write(region) for channel, _ in pairs] + [pairs[0][0].write(region)]
        again = data[10:] + data[10:]
        assert receive_exactly(pairs[1][1], len(data) - 10) == data[10:]
        assert receive_exactly(pairs[0][1], len(again)) == again
        for promise in written:
            promise.result(_PATIENCE)
        assert (region.offset, region.count) == (10, len(data) - 10)


def test_a_file_that_shrinks_breaks_its_channel_and_not_the_loop(connect: Opener) -> None:
    channel, _far = connect()
    _, far_of_other = connect(Echo())
    with tempfile.TemporaryFile() as file:
        file.write(bytes(1000))
        region = FileRegion(file)
        file.truncate(10)
        failure = channel.write(region).exception(_PATIENCE)
        assert isinstance(failure, ChannelBrokenError)
    far_of_other.sendall(b"x")
    assert receive_exactly(far_of_other, 1) == b"x"


def test_a_file_that_was_closed_breaks_its_channel_and_not_the_loop(connect: Opener) -> None:
    channel, _far = connect()
    _, far_of_other = connect(Echo())
    with tempfile.TemporaryFile() as file:
        file.write(bytes(1000))
        region = FileRegion(file)
    failure = channel.write(region).exception(_PATIENCE)
    assert isinstance(failure, ChannelBrokenError)
    far_of_other.sendall(b"x")
    assert receive_exactly(far_of_other, 1) == b"x"


# -- when answers leave -----------------------------------------------------------------------------


class AnswersAndLooks(ChannelInboundHandler[bytes]):
    """Answers with so many bytes, and notes which of the peers have been answered by then."""

    def __init__(self, size: int, peers: list[socket.socket], seen: list[int], patience: float) -> None:
        self.has_looked = threading.Event()
        self._size = size
        self._peers = peers
        self._seen = seen
        self._patience = patience  # seconds that an answer may need on its way

    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        timeout = self._patience if self._seen else 0.0
        self._seen.append(len(select.select(self._peers, [], [], timeout)[0]))
        self.has_looked.set()
        ctx.write(bytes(self._size))


@pytest.mark.parametrize(
    ("size", "seen_by_the_second"),
    [pytest.param(100, 0, id="little, when all have been read"), pytest.param(100_000, 1, id="much, at once")],
)
def test_what_readers_of_one_turn_are_answered_leaves(
    connect: Opener, run: OnLoop, size: int, seen_by_the_second: int
) -> None:
    peers: list[socket.socket] = []
    seen: list[int] = []
    patience = _PATIENCE if seen_by_the_second else 0.0
    handlers = [AnswersAndLooks(size, peers, seen, patience) for _ in range(2)]
    for handler in handlers:
        peers.append(connect(handler)[1])
    run(lambda: [peer.send(b"?") for peer in peers])  # both are there when the loop looks next
    for handler in handlers:
        assert handler.has_looked.wait(_PATIENCE)  # before anybody takes the answers away
    for peer in peers:
        receive_exactly(peer, size)
    assert seen == [0, seen_by_the_second]
