"""Connections whose peers say nothing, or take nothing, come to an end; slow ones do not."""

from __future__ import annotations

import logging
import socket
from queue import SimpleQueue
from typing import Any

import pytest

from pipeline_net import (
    Channel,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    ChannelOutboundHandler,
    EventLoopGroup,
    ReadTimeoutError,
    ServerBootstrap,
    WriteTimeoutError,
)
from pipeline_net.handlers.timeouts import ReadTimeoutHandler, WriteTimeoutHandler
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]

_FLOOD = 32 * 1024 * 1024  # bytes; more than the kernel keeps for a peer


class Hears(ChannelInboundHandler[Any]):
    def __init__(self, last_words: bytes = b"") -> None:
        self.errors: list[BaseException] = []
        self.last_words = last_words

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        """Reads everything."""

    def exception_caught(self, ctx: Ctx, exc: BaseException) -> None:
        self.errors.append(exc)
        if self.last_words:
            ctx.write(self.last_words)


class TestReading:
    def test_a_silent_peer_is_reported_and_the_connection_closed(self) -> None:
        hears = Hears(b"bye")
        channel = EmbeddedChannel(ReadTimeoutHandler(10), hears, remote_address=("192.0.2.1", 7))
        channel.advance(6)
        channel.write_inbound(b"x")
        channel.advance(9.9)
        assert channel.is_open
        channel.advance(0.1)
        assert channel.close_future.done()
        [error] = hears.errors
        assert isinstance(error, ReadTimeoutError)
        assert str(error) == "nothing came from ('192.0.2.1', 7) for 10 s"
        assert channel.outbound == [b"bye"]
        channel.advance(100)
        assert len(hears.errors) == 1

    def test_an_error_that_nobody_handles_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        channel = EmbeddedChannel(ReadTimeoutHandler(10))
        with caplog.at_level(logging.ERROR), pytest.raises(ReadTimeoutError):
            channel.advance(10)
        assert "read-timeout-handler" in caplog.text

    def test_while_closing_waits_for_the_peer_it_is_told_once(self) -> None:
        hears = Hears()
        channel = EmbeddedChannel(
            ReadTimeoutHandler(10), hears, options=ChannelOptions(pause_reads_when_unwritable=False)
        )
        channel.peer_window = 0
        channel.write(b"x")
        channel.advance(35)
        assert len(hears.errors) == 1

    def test_who_keeps_the_connection_all_the_same_is_told_once(self) -> None:
        class Keeps(ChannelOutboundHandler[Any, Any]):
            def close(self, ctx: Ctx, promise: Any) -> None:
                """Stays."""

        channel = EmbeddedChannel(Keeps(), ReadTimeoutHandler(10), hears := Hears())
        channel.advance(35)
        assert channel.is_open
        assert len(hears.errors) == 1

    @pytest.mark.parametrize("seconds", [0, -1, float("nan")])
    def test_a_time_that_makes_no_sense_is_refused(self, seconds: float) -> None:
        with pytest.raises(ValueError, match="must be more than 0 seconds"):
            ReadTimeoutHandler(seconds)
        with pytest.raises(ValueError, match="must be more than 0 seconds"):
            WriteTimeoutHandler(seconds)


class TestWriting:
    def test_a_peer_that_takes_nothing_loses_its_connection(self) -> None:
        hears = Hears()
        channel = EmbeddedChannel(WriteTimeoutHandler(10), hears, remote_address=("192.0.2.1", 7))
        channel.advance(100)
        channel.peer_window = 2
        written = channel.write(b"hello")
        channel.advance(2.5)
        assert channel.outbound == [b"he"]
        channel.advance(9.9)
        assert channel.is_open
        channel.advance(0.1)
        assert channel.close_future.done()
        assert channel.is_aborted
        [error] = hears.errors
        assert isinstance(error, WriteTimeoutError)
        assert str(error) == "('192.0.2.1', 7) has taken none of 3 bytes for 10 s"
        assert written.exception() is error

    def test_a_peer_that_takes_a_little_in_time_keeps_it(self) -> None:
        channel = EmbeddedChannel(WriteTimeoutHandler(10))
        channel.peer_window = 0
        written = channel.write(b"x" * 20)
        for _ in range(20):
            channel.advance(9)
            channel.peer_window = 1
            channel.run_pending()
        assert written.done()
        assert channel.is_open

    def test_no_timer_is_set_while_nothing_waits(self) -> None:
        channel = EmbeddedChannel(WriteTimeoutHandler(10))
        channel.write_outbound(b"x")
        channel.advance(10)
        assert channel.loop.next_deadline() is None  # type: ignore[attr-defined]  # the embedded loop's own
        channel.write_outbound(b"x")
        channel.advance(1000)
        assert channel.is_open

    def test_a_write_that_stalls_behind_finished_ones_is_found(self) -> None:
        channel = EmbeddedChannel(WriteTimeoutHandler(10))
        channel.write_outbound(b"x")
        channel.peer_window = 0
        channel.write(b"y")
        with pytest.raises(WriteTimeoutError):
            channel.advance(12.5)  # a quarter later than strictly, at most

    def test_what_waits_already_when_it_is_added_is_watched(self) -> None:
        channel = EmbeddedChannel()
        channel.peer_window = 0
        channel.write(b"y")
        channel.pipeline.add_last(WriteTimeoutHandler(10))
        with pytest.raises(WriteTimeoutError):
            channel.advance(10)

    @pytest.mark.parametrize("how", ["removed", "closed"])
    def test_nothing_is_left_behind(self, how: str) -> None:
        channel = EmbeddedChannel(WriteTimeoutHandler(10), options=ChannelOptions(close_timeout=1.0))
        channel.peer_window = 0
        channel.write(b"y")
        if how == "removed":
            channel.pipeline.remove(WriteTimeoutHandler)
        else:
            channel.close()
            channel.advance(1)
        assert channel.loop.next_deadline() is None  # type: ignore[attr-defined]  # the embedded loop's own
        channel.advance(100)

    def test_closing_has_a_time_of_its_own(self) -> None:
        hears = Hears()
        channel = EmbeddedChannel(WriteTimeoutHandler(10), hears, options=ChannelOptions(close_timeout=60.0))
        channel.peer_window = 0
        channel.write(b"y")
        closed = channel.close()
        channel.advance(59)
        assert not closed.done()
        channel.advance(1)
        assert closed.done()
        assert hears.errors == []


def test_a_real_peer_that_reads_nothing_is_cut_off_and_one_that_reads_slowly_is_not() -> None:
    channels: SimpleQueue[Channel] = SimpleQueue()

    class Floods(ChannelInboundHandler[bytes]):
        def channel_active(self, ctx: Ctx) -> None:
            ctx.write(b"x" * _FLOOD)
            channels.put(ctx.channel)

        def exception_caught(self, ctx: Ctx, exc: BaseException) -> None:
            """Expected."""

    with (
        EventLoopGroup(1) as loops,
        ServerBootstrap(loops, initializer=lambda _: [WriteTimeoutHandler(0.3), Floods()]).bind(
            "tcp://127.0.0.1:0"
        ) as server,
    ):
        address = ("127.0.0.1", int(server.addresses[0].rpartition(":")[2]))
        with socket.create_connection(address, timeout=10):
            channel = channels.get(timeout=10)
            channel.close_future.result(10)
            assert isinstance(channel.close_reason, WriteTimeoutError)
        with socket.create_connection(address, timeout=10) as client:
            channel = channels.get(timeout=10)
            received = 0
            while received < _FLOOD:
                received += len(client.recv(1 << 20))
            assert channel.is_open
