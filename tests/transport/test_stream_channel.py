"""A channel over real sockets: what is sent arrives, in order and whole, whatever the peer does."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import (
    ChannelBrokenError,
    ChannelClosedError,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    EventLoop,
    WriteBufferOverflowError,
)
from pipeline_net.transport.stream_channel import StreamChannel

_PATIENCE = 10.0  # seconds
_MIB = 1 << 20
_RESET = struct.pack("ii", 1, 0)

Opener = Callable[..., tuple[StreamChannel, socket.socket]]
OnLoop = Callable[[Callable[[], Any]], Any]


class Echo(ChannelInboundHandler[bytes]):
    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        ctx.write(msg)


class Recorder(ChannelInboundHandler[bytes]):
    """Notes every event; keeps the end of input to itself if asked to."""

    def __init__(self, *, keep_eof: bool = False) -> None:
        self.events: list[str] = []
        self.data = bytearray()
        self.failure: BaseException | None = None
        self.keep_eof = keep_eof
        self._changed = threading.Condition()

    def note(self, event: str) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def handler_added(self, ctx: ChannelHandlerContext) -> None:
        self.note("added")

    def handler_removed(self, ctx: ChannelHandlerContext) -> None:
        self.note("removed")

    def channel_registered(self, ctx: ChannelHandlerContext) -> None:
        self.note("registered")

    def channel_active(self, ctx: ChannelHandlerContext) -> None:
        self.note("active")

    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        self.data += msg
        self.note("read")

    def channel_read_complete(self, ctx: ChannelHandlerContext) -> None:
        self.note("complete")

    def channel_eof(self, ctx: ChannelHandlerContext) -> None:
        self.note("eof")
        if not self.keep_eof:
            ctx.fire_channel_eof()

    def channel_writability_changed(self, ctx: ChannelHandlerContext) -> None:
        self.note("writable" if ctx.channel.is_writable else "unwritable")

    def exception_caught(self, ctx: ChannelHandlerContext, exc: BaseException) -> None:
        self.failure = exc
        self.note("exception")

    def channel_inactive(self, ctx: ChannelHandlerContext) -> None:
        self.note("inactive")

    def channel_unregistered(self, ctx: ChannelHandlerContext) -> None:
        self.note("unregistered")

    def saw(self, event: str, times: int = 1) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.events.count(event) >= times, _PATIENCE)


def receive_all(sock: socket.socket, size: int = 65536) -> bytes:
    received = bytearray()
    while data := sock.recv(size):
        received += data
    return bytes(received)


def send_until_stuck(sock: socket.socket) -> int:
    """Send until the peer takes no more, and say how many bytes that were."""
    sent = 0
    while True:
        try:
            sent += sock.send(bytes(_MIB))
        except TimeoutError:
            return sent


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


# -- the end of one direction -----------------------------------------------------------------------


def test_a_peer_that_half_closes_still_gets_every_reply(connect: Opener) -> None:
    channel, far = connect(Echo())
    data = pattern(32 * _MIB)

    def send() -> None:
        far.sendall(data)
        far.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    received = receive_all(far, 16384)  # slowly: a quarter of what the server reads at once
    sender.join(_PATIENCE)
    assert len(received) == len(data)
    assert received == data
    channel.close_future.result(_PATIENCE)
    assert channel.close_reason is None


def test_a_stage_that_keeps_the_end_of_input_can_go_on_writing(connect: Opener) -> None:
    recorder = Recorder(keep_eof=True)
    channel, far = connect(recorder)
    far.shutdown(socket.SHUT_WR)
    assert recorder.saw("eof")
    channel.write_and_flush(b"still here").result(_PATIENCE)
    assert receive_exactly(far, 10) == b"still here"
    channel.shutdown_output()
    assert receive_all(far) == b""
    channel.close_future.result(_PATIENCE)


def test_shutting_the_output_sends_first_what_was_written_and_goes_on_reading(connect: Opener) -> None:
    recorder = Recorder()
    channel, far = connect(recorder)
    data = pattern(4 * _MIB)
    written = channel.write(data)
    shut = channel.shutdown_output()
    assert receive_all(far) == data
    written.result(_PATIENCE)
    shut.result(_PATIENCE)
    far.sendall(b"answer")
    assert recorder.saw("read")
    assert channel.is_active
    late = channel.write(b"too late").exception(_PATIENCE)
    assert isinstance(late, ChannelClosedError)
    far.shutdown(socket.SHUT_WR)
    channel.close_future.result(_PATIENCE)


def test_a_half_closed_socket_does_not_spin() -> None:
    loop = EventLoop()
    near, far = socket.socketpair()
    near.setblocking(False)
    try:
        recorder = Recorder(keep_eof=True)
        loop.execute(open_on, loop, near, recorder)
        loop.run_once(0)
        far.shutdown(socket.SHUT_WR)
        while "eof" not in recorder.events:
            loop.run_once(_PATIENCE)
        loop.run_once(0)
        assert not select.select([loop.fileno()], [], [], 0)[0]
        far.close()  # now both directions are shut, which epoll reports without being asked
        loop.run_once(0)
        loop.run_once(0)
        assert not select.select([loop.fileno()], [], [], 0)[0]
    finally:
        loop.stop()


def test_a_socket_that_hung_up_before_it_was_read_does_not_spin_afterwards() -> None:
    loop = EventLoop()
    near, far = socket.socketpair()
    near.setblocking(False)
    try:
        recorder = Recorder(keep_eof=True)
        opened: list[StreamChannel] = []
        loop.execute(lambda: opened.append(open_on(loop, near, recorder, options=ChannelOptions(auto_read=False))))
        loop.run_once(0)
        far.close()
        loop.run_once(0)  # nobody reads, but epoll says all the same that both directions are shut
        assert not select.select([loop.fileno()], [], [], 0)[0]
        (channel,) = opened
        channel.pipeline.read()
        while "eof" not in recorder.events:
            loop.run_once(_PATIENCE)
        loop.run_once(0)
        assert channel.is_active
        assert not select.select([loop.fileno()], [], [], 0)[0]
    finally:
        loop.stop()


def test_a_channel_that_the_selector_has_no_room_for_is_closed_with_the_reason(rigged: Any) -> None:
    loop = EventLoop(poller=rigged)
    near, far = socket.socketpair()
    near.setblocking(False)
    try:
        recorder = Recorder()
        rigged.is_full = True
        loop.execute(open_on, loop, near, recorder)
        loop.run_once(0)
        loop.run_once(0)
        assert recorder.events[-1] == "removed"
        assert isinstance(recorder.failure, ChannelBrokenError)
        assert isinstance(recorder.failure.__cause__, OSError)
        assert loop.channels == 0
        assert far.recv(1) == b""
    finally:
        loop.stop()
        far.close()


def test_a_reset_while_nobody_reads_is_noticed_once(connect: Opener) -> None:
    recorder = Recorder()
    channel, far = connect(recorder, auto_read=False)
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    far.close()
    assert recorder.saw("unregistered")
    assert isinstance(recorder.failure, ChannelBrokenError)
    assert channel.close_reason is recorder.failure


def open_on(loop: EventLoop, sock: socket.socket, *handlers: Any, options: Any = None) -> StreamChannel:
    channel = StreamChannel(loop, ChannelOptions() if options is None else options, sock, "peer")
    channel.pipeline.add_last(*handlers)
    channel.register()
    channel.activate()
    return channel


# -- bounds -----------------------------------------------------------------------------------------


def test_a_peer_that_writes_and_never_reads_is_not_read_from(connect: Opener) -> None:
    recorder = Recorder()

    class EchoAndTell(Echo):
        def channel_writability_changed(self, ctx: ChannelHandlerContext) -> None:
            recorder.note("writable" if ctx.channel.is_writable else "unwritable")

    channel, far = connect(EchoAndTell())
    far.settimeout(0.2)  # longer than it takes a server that reads to make room
    sent = send_until_stuck(far)
    assert recorder.saw("unwritable")
    assert channel.pending_write_bytes <= 65536 + 65536 * 17 // 16  # what was there, and one more read
    far.settimeout(_PATIENCE)
    far.shutdown(socket.SHUT_WR)
    assert len(receive_all(far)) == sent
    assert recorder.events[:4] == ["unwritable", "writable", "unwritable", "writable"]


def test_one_more_write_over_the_hard_cap_fails_and_closes_the_channel(connect: Opener, run: OnLoop) -> None:
    recorder = Recorder()
    channel, far = connect(recorder, write_buffer_limit=_MIB, send_buffer=4096)
    first = run(lambda: channel.write(bytes(_MIB)))
    second = run(lambda: channel.write(bytes(8 * _MIB)))  # less than the limit is pending: the kernel has taken some
    third = run(lambda: channel.write(b"x"))
    assert isinstance(third.exception(_PATIENCE), WriteBufferOverflowError)
    assert isinstance(second.exception(_PATIENCE), WriteBufferOverflowError)
    first.exception(_PATIENCE)
    assert recorder.saw("unregistered")
    assert isinstance(channel.close_reason, WriteBufferOverflowError)
    assert recorder.failure is channel.close_reason
    far.close()


def test_water_marks_are_exact_and_each_transition_is_told_once(connect: Opener, run: OnLoop) -> None:
    recorder = Recorder()
    channel, far = connect(recorder, write_buffer_high=1000, write_buffer_low=500, auto_flush=False)

    def write(count: int) -> bool:
        channel.pipeline.write(bytes(count))
        return channel.is_writable

    assert run(lambda: write(1000))
    assert not run(lambda: write(1))
    assert not run(lambda: write(5000))
    run(lambda: channel.pipeline.flush())
    assert receive_exactly(far, 6001) == bytes(6001)
    assert recorder.saw("writable")
    assert [event for event in recorder.events if "writable" in event] == ["unwritable", "writable"]
    assert channel.pending_write_bytes == 0


# -- closing ----------------------------------------------------------------------------------------


def test_close_sends_what_was_written_first(connect: Opener) -> None:
    channel, far = connect()
    data = pattern(8 * _MIB)
    written = channel.write(data)
    closed = channel.close()
    assert receive_all(far) == data
    written.result(_PATIENCE)
    closed.result(_PATIENCE)


def test_a_last_reply_survives_that_the_peer_was_still_sending(connect: Opener) -> None:
    channel, far = connect(auto_read=False)
    far.sendall(bytes(65536))  # never read: a plain close() would answer with a reset, and the reply would be lost
    data = pattern(2 * _MIB)
    channel.write(data)
    channel.close()
    assert receive_all(far) == data
    far.close()
    channel.close_future.result(_PATIENCE)
    assert channel.close_reason is None


def test_closing_gives_up_on_a_peer_that_does_not_read(connect: Opener) -> None:
    channel, far = connect(close_timeout=0.05)
    written = channel.write(bytes(32 * _MIB))
    channel.close().result(_PATIENCE)
    assert isinstance(written.exception(_PATIENCE), ChannelClosedError)
    far.close()


def test_abort_resets_the_connection_and_drops_what_was_not_sent(connect: Opener) -> None:
    recorder = Recorder()
    channel, far = connect(recorder)
    written = channel.write(bytes(32 * _MIB))
    channel.abort()
    assert isinstance(written.exception(_PATIENCE), ChannelClosedError)
    with pytest.raises(ConnectionResetError):
        receive_all(far)
    assert recorder.saw("unregistered")


def test_a_peer_that_resets_is_told_to_the_stages_and_to_pending_writes(connect: Opener) -> None:
    recorder = Recorder()
    channel, far = connect(recorder)
    written = channel.write(bytes(32 * _MIB))
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    far.close()
    assert recorder.saw("removed")
    assert isinstance(recorder.failure, ChannelBrokenError)
    assert isinstance(recorder.failure.__cause__, OSError)
    assert isinstance(written.exception(_PATIENCE), ChannelBrokenError)
    assert recorder.events.index("exception") < recorder.events.index("inactive")


def test_addresses_can_still_be_read_after_close(connect: Opener) -> None:
    channel, far = connect()
    there, here = far.getsockname(), far.getpeername()
    channel.close().result(_PATIENCE)
    assert channel.remote_address == there
    assert channel.local_address == here


def test_whatever_is_asked_of_a_closed_channel_fails_or_is_done(connect: Opener) -> None:
    channel, _ = connect()
    channel.close().result(_PATIENCE)
    channel.close().result(_PATIENCE)
    channel.abort()
    channel.flush()
    for attempt in (channel.write(b"x"), channel.write_and_flush(b"x"), channel.shutdown_output()):
        assert isinstance(attempt.exception(_PATIENCE), ChannelClosedError)


# -- the order of things ----------------------------------------------------------------------------


def test_the_stages_hear_of_a_life_in_order(connect: Opener) -> None:
    recorder = Recorder()
    _channel, far = connect(recorder)
    far.sendall(b"x")
    assert recorder.saw("complete")
    far.close()
    assert recorder.saw("removed")
    assert recorder.events == [
        *("added", "registered", "active", "read", "complete"),
        *("eof", "inactive", "unregistered", "removed"),
    ]


def test_closing_inside_an_event_completes_the_promises_before_the_goodbyes(connect: Opener) -> None:
    recorder = Recorder()

    class ClosesInRead(ChannelInboundHandler[bytes]):
        def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
            ctx.channel.close_future.add_done_callback(lambda _: recorder.note("close future"))
            promise = ctx.new_promise()
            promise.add_done_callback(lambda _: recorder.note("close promise"))
            ctx.close(promise)
            recorder.note(f"back in read, {'open' if ctx.channel.is_open else 'not open'}")

    _channel, far = connect(ClosesInRead(), recorder)
    far.sendall(b"x")
    assert recorder.saw("removed")
    assert recorder.events == [
        *("added", "registered", "active", "back in read, not open", "complete"),
        *("close future", "close promise", "inactive", "unregistered", "removed"),
    ]


def test_closing_twice_completes_twice_and_is_told_once(connect: Opener, run: OnLoop) -> None:
    recorder = Recorder()
    channel, _ = connect(recorder)
    first, second = run(lambda: (channel.close(), channel.close()))
    first.result(_PATIENCE)
    second.result(_PATIENCE)
    assert recorder.saw("removed")
    assert recorder.events.count("inactive") == 1


def test_a_handler_added_to_an_active_channel_is_not_told_that_it_is_active(connect: Opener) -> None:
    channel, far = connect()
    late = Recorder()
    channel.pipeline.add_last(late)
    far.sendall(b"x")
    assert late.saw("complete")
    assert late.events == ["added", "read", "complete"]


def test_after_an_exception_the_batch_goes_on(connect: Opener) -> None:
    recorder = Recorder()

    class Fails(ChannelInboundHandler[bytes]):
        def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
            raise KeyError("a bug")

    _, far = connect(Fails(), recorder)
    far.sendall(b"x")
    assert recorder.saw("complete")
    assert recorder.events[3:] == ["exception", "complete"]
    assert isinstance(recorder.failure, KeyError)


def test_an_exception_nobody_handles_closes_its_channel_and_no_other(
    connect: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    class Fails(ChannelInboundHandler[bytes]):
        def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
            raise KeyError("a bug")

    bad, far_of_bad = connect(Fails())
    _, far_of_good = connect(Echo())
    far_of_bad.sendall(b"x")
    bad.close_future.result(_PATIENCE)
    far_of_good.sendall(b"x")
    assert receive_exactly(far_of_good, 1) == b"x"
    assert "Fails" in caplog.text
    assert "a bug" in caplog.text


def test_without_auto_read_one_read_lets_one_batch_through(connect: Opener, run: OnLoop) -> None:
    recorder = Recorder()
    channel, far = connect(recorder, auto_read=False, receive_size=4)
    far.sendall(b"12345678")
    run(lambda: channel.pipeline.read())
    assert recorder.saw("complete")
    assert bytes(recorder.data) == b"1234"
    run(lambda: None)  # another turn of the loop reads nothing more
    assert bytes(recorder.data) == b"1234"
    channel.auto_read = True
    assert recorder.saw("complete", 2)
    assert bytes(recorder.data) == b"12345678"
