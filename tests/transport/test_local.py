"""The in-process transport: a stream like any other, without a socket."""

from __future__ import annotations

import os
import struct
import tempfile
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import (
    AddressError,
    Bootstrap,
    Channel,
    ChannelBrokenError,
    ChannelClosedError,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    ConnectTimeoutError,
    EventLoop,
    EventLoopGroup,
    FileRegion,
    PipelineError,
    Server,
    ServerBootstrap,
)
from pipeline_net.transport.group import ask, wait_for

_PATIENCE = 10.0  # seconds
_MIB = 1 << 20
_WINDOW = 65536  # bytes; what may be under way between the two ends


class Recorder(ChannelInboundHandler[bytes]):
    """Notes every event; echoes, and keeps the end of input to itself, if asked to."""

    def __init__(self, *, echo: bool = False, keep_eof: bool = False) -> None:
        self.echo = echo
        self.keep_eof = keep_eof
        self.events: list[str] = []
        self.pieces: list[bytes] = []
        self.count = 0
        self.failure: BaseException | None = None
        self.channel: Channel | None = None
        self._changed = threading.Condition()

    def note(self, event: str) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def channel_active(self, ctx: ChannelHandlerContext) -> None:
        self.channel = ctx.channel
        self.note("active")

    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        if self.echo:
            ctx.write(msg)
        self.pieces.append(msg)
        self.count += len(msg)
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

    def handler_removed(self, ctx: ChannelHandlerContext) -> None:
        self.note("removed")

    def saw(self, event: str) -> bool:
        return self.wait(lambda: event in self.events)

    def wait(self, condition: Callable[[], bool]) -> bool:
        with self._changed:
            return self._changed.wait_for(condition, _PATIENCE)


def serve(loops: EventLoopGroup, initializer: Callable[[Channel], Any], **arguments: Any) -> Server:
    return ServerBootstrap(loops, initializer=initializer, **arguments).bind("local://test")


def connect(loops: EventLoopGroup, handler: Any, **options: Any) -> Channel:
    bootstrap = Bootstrap(loops, lambda _: [handler], options=ChannelOptions(**options))
    return bootstrap.connect("local://test").result(_PATIENCE)


def settle(loops: EventLoopGroup) -> None:
    """Wait until every loop has done what it had to do, and what that gave the other ones to do."""
    for _ in range(2):
        assert wait_for([ask(loop, str) for loop in loops], _PATIENCE)


def pattern(size: int) -> bytes:
    return b"".join(struct.pack(">I", number) for number in range(size // 4))


def test_the_two_ends_live_on_loops_of_their_own(loops: EventLoopGroup) -> None:
    there, here = Recorder(echo=True), Recorder()
    serve(loops, lambda _: [there])
    channel = connect(loops, here)
    channel.write(b"hello")
    assert here.wait(lambda: here.count == 5)
    assert there.channel is not None
    assert there.channel.loop is not channel.loop
    assert channel.remote_address == "test"
    assert there.channel.local_address == "test"
    assert there.channel.remote_address == channel.local_address


def test_bytes_are_handed_over_and_other_buffers_are_copied(loops: EventLoopGroup) -> None:
    there = Recorder()
    serve(loops, lambda _: [there])
    channel = connect(loops, Recorder())
    immutable, mutable = b"x" * 1000, bytearray(b"y" * 1000)
    channel.write(immutable)
    channel.write(mutable).result(_PATIENCE)
    mutable[:] = b"z" * 1000
    channel.write(memoryview(b"view")[1:]).result(_PATIENCE)
    assert there.wait(lambda: there.count == 2003)
    assert there.pieces[0] is immutable
    assert there.pieces[1:] == [b"y" * 1000, b"iew"]
    assert all(type(piece) is bytes for piece in there.pieces)


def test_a_reader_that_does_not_read_makes_the_writer_unwritable(loops: EventLoopGroup) -> None:
    there, here = Recorder(), Recorder()
    serve(loops, lambda _: [there], options=ChannelOptions(auto_read=False))
    channel = connect(loops, here)
    data = pattern(_MIB)
    last = None
    for start in range(0, _MIB, 4096):
        last = channel.write(data[start : start + 4096])
    assert last is not None
    assert here.saw("unwritable")
    settle(loops)  # until every write has arrived
    assert channel.pending_write_bytes >= _MIB - _WINDOW - 4096
    assert there.count == 0
    assert not last.done()
    assert there.channel is not None
    there.channel.auto_read = True
    last.result(_PATIENCE)
    assert there.wait(lambda: there.count == _MIB)
    assert b"".join(there.pieces) == data
    assert here.saw("writable")


def test_a_writer_is_not_unwritable_before_it_has_tried_to_send(loops: EventLoopGroup) -> None:
    there, here = Recorder(), Recorder()
    serve(loops, lambda _: [there])
    channel = connect(loops, here, write_buffer_high=10_000, write_buffer_low=5_000)

    def push() -> None:
        for _ in range(40):
            if channel.is_writable:
                channel.write(b"x" * 1000)

    channel.loop.execute(push)
    assert there.wait(lambda: there.count == 40_000)
    assert "unwritable" not in here.events


def test_a_slow_reader_gets_every_reply_after_a_half_close(loops: EventLoopGroup) -> None:
    there, here = Recorder(echo=True), Recorder()
    serve(loops, lambda _: [there])
    channel = connect(loops, here)
    data = pattern(8 * _MIB)
    for start in range(0, len(data), 50_000):
        channel.write(data[start : start + 50_000])
    channel.shutdown_output().result(_PATIENCE)
    channel.close_future.result(_PATIENCE)
    assert here.saw("removed")
    assert there.saw("removed")
    assert b"".join(here.pieces) == data
    assert here.failure is None
    assert there.failure is None
    assert "eof" in here.events


def test_either_half_can_be_shut_while_the_other_goes_on(loops: EventLoopGroup) -> None:
    there, here = Recorder(keep_eof=True), Recorder(keep_eof=True)
    serve(loops, lambda _: [there])
    channel = connect(loops, here)
    channel.shutdown_output().result(_PATIENCE)
    assert there.saw("eof")
    assert isinstance(channel.write(b"x").exception(_PATIENCE), ChannelClosedError)
    assert there.channel is not None
    there.channel.write(b"still here").result(_PATIENCE)
    assert here.wait(lambda: here.count == 10)
    there.channel.shutdown_output()
    channel.close_future.result(_PATIENCE)
    there.channel.close_future.result(_PATIENCE)


def test_close_sends_what_was_written_first(loops: EventLoopGroup) -> None:
    there = Recorder()
    serve(loops, lambda _: [there])
    channel = connect(loops, Recorder())
    data = pattern(_MIB)
    channel.write(data[:1000])
    for start in range(1000, _MIB, 30_000):
        channel.write(data[start : start + 30_000])
    channel.close().result(_PATIENCE)
    assert there.saw("removed")
    assert b"".join(there.pieces) == data
    assert there.events[-3:] == ["eof", "inactive", "removed"]


def test_abort_is_a_reset_at_the_other_end(loops: EventLoopGroup) -> None:
    there = Recorder()
    serve(loops, lambda _: [there])
    channel = connect(loops, Recorder())
    assert there.saw("active")
    channel.abort()
    assert there.saw("removed")
    assert isinstance(there.failure, ChannelBrokenError)
    assert isinstance(there.failure.__cause__, ConnectionResetError)


def test_writing_to_a_peer_that_has_closed_breaks_the_channel(loops: EventLoopGroup) -> None:
    there, here = Recorder(), Recorder(keep_eof=True)
    serve(loops, lambda _: [there])
    channel = connect(loops, here)
    assert there.saw("active")
    assert there.channel is not None
    there.channel.close().result(_PATIENCE)
    assert here.saw("eof")
    failure = channel.write(b"x").exception(_PATIENCE)
    assert isinstance(failure, ChannelBrokenError)
    assert isinstance(failure.__cause__, BrokenPipeError)


def test_a_peer_that_closes_while_much_is_pending_fails_those_writes(loops: EventLoopGroup) -> None:
    there, here = Recorder(), Recorder()
    serve(loops, lambda _: [there], options=ChannelOptions(auto_read=False))
    channel = connect(loops, here)
    assert there.saw("active")
    writes = [channel.write(bytes(50_000)) for _ in range(10)]
    assert here.saw("unwritable")
    assert there.channel is not None
    there.channel.close()
    assert isinstance(writes[-1].exception(_PATIENCE), ChannelBrokenError)
    assert here.saw("removed")


def test_without_auto_read_one_read_lets_one_batch_through(loops: EventLoopGroup) -> None:
    there = Recorder()
    serve(loops, lambda _: [there], options=ChannelOptions(auto_read=False))
    channel = connect(loops, Recorder())
    channel.write_and_flush(b"one").result(_PATIENCE)
    channel.write_and_flush(b"two").result(_PATIENCE)
    assert there.saw("active")
    assert there.channel is not None
    there.channel.loop.execute(there.channel.pipeline.read)
    assert there.saw("complete")
    assert there.pieces == [b"one"]
    there.channel.loop.execute(there.channel.pipeline.read)
    assert there.wait(lambda: there.count == 6)


def test_file_regions_arrive_as_bytes(loops: EventLoopGroup) -> None:
    there = Recorder()
    serve(loops, lambda _: [there])
    channel = connect(loops, Recorder())
    data = pattern(300_000)
    with tempfile.TemporaryFile() as file:
        file.write(data)
        channel.write(b"before")
        channel.write(FileRegion(file, 100, 250_000))
        channel.write(b"after").result(_PATIENCE)
    expected = b"before" + data[100:250_100] + b"after"
    assert there.wait(lambda: there.count == len(expected))
    assert b"".join(there.pieces) == expected


def test_one_file_region_may_be_written_twice(loops: EventLoopGroup) -> None:
    there = Recorder()
    serve(loops, lambda _: [there])
    channel = connect(loops, Recorder())
    data = pattern(150_000)
    with tempfile.TemporaryFile() as file:
        file.write(data)
        region = FileRegion(file)
        channel.write(region)
        channel.write(region).result(_PATIENCE)
    assert there.wait(lambda: there.count == 2 * len(data))
    assert b"".join(there.pieces) == data + data


def test_a_file_that_was_closed_breaks_its_channel_and_not_the_loop(loops: EventLoopGroup) -> None:
    serve(loops, lambda _: [Recorder(echo=True)])
    channel, other = connect(loops, Recorder()), Recorder()
    with tempfile.TemporaryFile() as file:
        file.write(bytes(1000))
        region = FileRegion(file)
    assert isinstance(channel.write(region).exception(_PATIENCE), ChannelBrokenError)
    connect(loops, other).write(b"x")
    assert other.wait(lambda: other.count == 1)


def test_what_was_written_before_a_file_that_cannot_be_read_arrives(
    loops: EventLoopGroup, caplog: pytest.LogCaptureFixture
) -> None:
    there = Recorder()
    serve(loops, lambda _: [there])
    channel = connect(loops, Recorder())
    with tempfile.TemporaryFile() as file:
        file.write(bytes(1000))
        region = FileRegion(file)
    written: list[Any] = []

    def write() -> None:
        written.extend(channel.write(message) for message in (b"one, ", b"two", region, b"never"))

    assert isinstance(channel.loop, EventLoop)
    wait_for([ask(channel.loop, write)], _PATIENCE)  # in one batch of work
    assert [future.exception(_PATIENCE) for future in written[:2]] == [None, None]
    assert isinstance(written[2].exception(_PATIENCE), ChannelBrokenError)
    assert isinstance(written[3].exception(_PATIENCE), ChannelBrokenError)
    assert there.wait(lambda: there.count == len(b"one, two"))
    assert b"".join(there.pieces) == b"one, two"
    assert "failed to send" not in caplog.text


def test_nobody_listening_is_a_refusal(loops: EventLoopGroup) -> None:
    failure = Bootstrap(loops, lambda _: None).connect("local://nobody").exception(_PATIENCE)
    assert isinstance(failure, ChannelBrokenError)
    assert isinstance(failure.__cause__, ConnectionRefusedError)
    assert "local://nobody" in str(failure)


def test_who_comes_while_max_connections_are_open_waits(loops: EventLoopGroup) -> None:
    serve(loops, lambda _: [Recorder(echo=True)], max_connections=1, backlog=1)
    first = connect(loops, Recorder())
    here = Recorder()
    second = Bootstrap(loops, lambda _: [here]).connect("local://test")
    settle(loops)
    third = Bootstrap(loops, lambda _: None).connect("local://test")
    assert isinstance(third.exception(_PATIENCE), ChannelBrokenError)  # the queue is full
    assert not second.done()
    first.close()
    second.result(_PATIENCE).write(b"x")
    assert here.wait(lambda: here.count == 1)


def test_nobody_answering_in_time_is_a_timeout(loops: EventLoopGroup) -> None:
    serve(loops, lambda _: None, max_connections=1)
    connect(loops, Recorder())
    bootstrap = Bootstrap(loops, lambda _: None, options=ChannelOptions(connect_timeout=0.02))
    failure = bootstrap.connect("local://test").exception(_PATIENCE)
    assert isinstance(failure, ConnectTimeoutError)
    assert "local://test" in str(failure)


def test_closing_the_server_refuses_who_waits(loops: EventLoopGroup) -> None:
    server = serve(loops, lambda _: None, max_connections=1)
    connect(loops, Recorder())
    waiting = Bootstrap(loops, lambda _: None).connect("local://test")
    settle(loops)
    server.close()
    assert isinstance(waiting.exception(_PATIENCE), ChannelBrokenError)


def test_cancelling_and_closing_give_up_waiting(loops: EventLoopGroup) -> None:
    serve(loops, lambda _: None, max_connections=1)
    first = connect(loops, Recorder())
    channels: list[Channel] = []
    there = threading.Semaphore(0)

    def keep(channel: Channel) -> None:
        channels.append(channel)
        there.release()

    bootstrap = Bootstrap(loops, keep)
    cancelled, closed = bootstrap.connect("local://test"), bootstrap.connect("local://test")
    for _ in range(2):
        assert there.acquire(timeout=_PATIENCE)
    assert cancelled.cancel()
    for channel in channels:
        channel.close().result(_PATIENCE)
    assert isinstance(closed.exception(_PATIENCE), ChannelClosedError)
    first.close()
    assert connect(loops, Recorder()).is_active


def test_an_initializer_that_raises_costs_its_own_channel_only(
    loops: EventLoopGroup, caplog: pytest.LogCaptureFixture
) -> None:
    given: list[Any] = [KeyError("no stages today"), Recorder(echo=True)]

    def initialize(channel: Channel) -> Any:
        handler = given.pop(0)
        if isinstance(handler, BaseException):
            raise handler
        return [handler]

    serve(loops, initialize)
    unlucky, lucky = Recorder(), Recorder()
    connect(loops, unlucky)
    assert unlucky.saw("removed")
    connect(loops, lucky).write(b"x")
    assert lucky.wait(lambda: lucky.count == 1)
    assert "no stages today" in caplog.text


def test_the_peers_loop_stopping_is_noticed(loops: EventLoopGroup) -> None:
    here = Recorder()
    with EventLoopGroup(1) as elsewhere:
        serve(elsewhere, lambda _: [Recorder()])
        connect(loops, here)
    assert here.saw("removed")


def test_connecting_twice_or_elsewhere_is_the_programmers_error(loops: EventLoopGroup) -> None:
    serve(loops, lambda _: None)
    channel = connect(loops, Recorder())
    again, elsewhere = channel.new_promise(), channel.new_promise()
    channel.loop.execute(channel.pipeline.connect, "local://test", again)
    channel.loop.execute(channel.pipeline.connect, "tcp://127.0.0.1:9", elsewhere)
    assert isinstance(again.exception(_PATIENCE), PipelineError)
    assert isinstance(elsewhere.exception(_PATIENCE), AddressError)


def test_no_descriptor_is_used(loops: EventLoopGroup) -> None:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc here")
    serve(loops, lambda _: [Recorder(echo=True)])
    before = len(os.listdir("/proc/self/fd"))
    here = Recorder()
    connect(loops, here).write(b"x")
    assert here.wait(lambda: here.count == 1)
    assert len(os.listdir("/proc/self/fd")) == before


def test_who_goes_on_after_an_interrupt_gets_the_rest_and_the_peer_goes_on_sending() -> None:
    loop = EventLoop()
    armed = [True]
    pieces: list[bytes] = []

    class Interrupted(ChannelInboundHandler[bytes]):
        def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
            pieces.append(msg)
            ctx.write(b"answer")
            if armed:
                armed.clear()
                raise KeyboardInterrupt

    def turn(times: int) -> None:
        for _ in range(times):
            loop.run_once(0)

    try:
        ServerBootstrap(loop, initializer=lambda _: [Interrupted()]).bind("local://interrupted")
        answers = Recorder()
        connected = Bootstrap(loop, lambda _: [answers]).connect("local://interrupted")
        turn(10)
        client = connected.result()
        for _ in range(3):
            client.write(b"x" * 20000)
        with pytest.raises(KeyboardInterrupt):
            turn(10)
        turn(10)
        assert pieces == [b"x" * 20000] * 3
        assert answers.count == 3 * len(b"answer")
        for _ in range(10):  # more than the window, which what was interrupted has not made smaller
            client.write(b"y" * _WINDOW)
            turn(10)
            assert client.pending_write_bytes == 0
        assert b"".join(pieces[3:]) == b"y" * (10 * _WINDOW)
    finally:
        loop.stop()
