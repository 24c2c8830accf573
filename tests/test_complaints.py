"""Complaints: a single failure is logged wholly, and of thousands that are alike a few and their number."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import (
    ChannelClosedError,
    ChannelHandler,
    ChannelHandlerContext,
    ChannelInboundHandler,
    Datagram,
    EventLoop,
    EventLoopGroup,
    FrameTooLongError,
    ServerBootstrap,
)
from pipeline_net.channel import Channel
from pipeline_net.codecs import LineBasedFrameDecoder
from pipeline_net.complaints import INTERVAL, KINDS, SHOWN, complaints_of, kind_of, stages_of
from pipeline_net.testing import EmbeddedChannel, EmbeddedLoop

_CHANNEL = "pipeline_net.channel"
_logger = logging.getLogger(_CHANNEL)


class _Plain(EmbeddedChannel):
    """Its tail is that of every other channel."""

    def exception_reached_tail(self, exc: BaseException) -> None:
        Channel.exception_reached_tail(self, exc)

    def message_reached_tail(self, msg: Any) -> None:
        Channel.message_reached_tail(self, msg)


class _Echo(ChannelInboundHandler[bytes]):
    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        ctx.write(msg)


def _stages(channel: Channel) -> list[ChannelHandler]:
    return [LineBasedFrameDecoder(4), _Echo()]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return the lines of the log so far, without what is below them, and forget them."""
    caplog.set_level(logging.INFO, _CHANNEL)

    def lines() -> list[str]:
        found = [record.getMessage().partition("\n")[0] for record in caplog.records]
        caplog.clear()
        return found

    return lines


def _complain(loop: EmbeddedLoop, kind: str, times: int = 1) -> int:
    """Complain so many times; how many of them were to be shown."""
    levels = [complaints_of(loop).level(_logger, logging.ERROR, kind) for _ in range(times)]
    assert set(levels) <= {logging.ERROR, logging.DEBUG}
    return levels.count(logging.ERROR)


def test_a_single_failure_is_logged_with_traceback_and_pipeline(caplog: pytest.LogCaptureFixture) -> None:
    channel = _Plain(LineBasedFrameDecoder(4), _Echo())
    channel.write_inbound(b"too long\n")
    channel.advance(10 * INTERVAL)
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.exc_info is not None
    assert "  ↓  line-based-frame-decoder  LineBasedFrameDecoder\n" in caplog.text


def test_of_many_peers_that_break_the_rules_a_few_are_shown_and_the_rest_is_counted(
    log: Callable[[], list[str]],
) -> None:
    channel = _Plain(LineBasedFrameDecoder(4), _Echo())
    for length in range(1000):
        channel.exception_reached_tail(FrameTooLongError(length, 4))
    assert len(log()) == SHOWN
    channel.advance(INTERVAL)
    (line,) = log()
    assert line.startswith(f"{1000 - SHOWN} more like these came within 10 s, and were not shown: FrameTooLongError")
    assert line.endswith(" in LineBasedFrameDecoder, _Echo")
    assert isinstance(channel.loop, EmbeddedLoop)
    assert channel.loop.next_deadline() is None
    channel.exception_reached_tail(FrameTooLongError(0, 4))
    assert len(log()) == 1, "and the next one is shown again"


def test_messages_that_nobody_reads_are_counted_too(log: Callable[[], list[str]]) -> None:
    channel = _Plain(LineBasedFrameDecoder(4))
    channel.write_inbound(b"a\n" * 100)
    assert len(log()) == SHOWN
    channel.advance(INTERVAL)
    (line,) = log()
    assert line.endswith(
        f"{100 - SHOWN} more like these came within 10 s, and were not shown:"
        " bytes that nobody read in LineBasedFrameDecoder"
    )


def test_what_is_not_shown_is_there_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, _CHANNEL)
    channel = _Plain()
    channel.write_inbound(*[b"%d" % number for number in range(SHOWN + 3)])
    assert [record.levelname for record in caplog.records] == ["WARNING"] * SHOWN + ["DEBUG"] * 3
    assert f"nobody read {b'%d' % (SHOWN + 2)!r}" in caplog.records[-1].getMessage()


def test_failures_of_another_kind_are_shown_meanwhile(log: Callable[[], list[str]]) -> None:
    loop = EmbeddedLoop()
    assert _complain(loop, "one", 100) == SHOWN
    assert _complain(loop, "another") == 1
    loop.advance(INTERVAL)
    assert log() == [f"{100 - SHOWN} more like these came within 10 s, and were not shown: one"]


def test_as_long_as_nothing_is_hidden_there_is_no_timer() -> None:
    loop = EmbeddedLoop()
    for _ in range(3):
        _complain(loop, "one", SHOWN)
        assert loop.next_deadline() is None
        loop.clock.advance(INTERVAL)


def test_the_interval_begins_with_the_first_failure(log: Callable[[], list[str]]) -> None:
    loop = EmbeddedLoop()
    loop.clock.advance(1000.0)
    assert _complain(loop, "one", SHOWN) == SHOWN
    loop.advance(4.0)
    assert _complain(loop, "one", 7) == 0
    loop.advance(5.9)
    assert log() == []
    loop.advance(0.1)
    assert log() == ["7 more like these came within 10 s, and were not shown: one"]


def test_who_is_late_with_the_timer_tells_with_the_next_failure(log: Callable[[], list[str]]) -> None:
    loop = EmbeddedLoop()
    _complain(loop, "one", SHOWN + 2)
    loop.clock.advance(25.0)  # a handler has blocked the loop
    assert _complain(loop, "one") == 1
    assert log() == ["2 more like these came within 25 s, and were not shown: one"]
    loop.run_pending()
    assert log() == []


def test_however_many_kinds_there_are_the_memory_is_bounded(log: Callable[[], list[str]]) -> None:
    loop = EmbeddedLoop()
    shown = sum(_complain(loop, f"kind {number}") for number in range(10 * KINDS))
    assert shown == KINDS
    loop.advance(INTERVAL)
    assert log() == [f"{9 * KINDS} more like these came within 10 s, and were not shown: failures of other kinds"]


def test_a_logger_that_would_say_nothing_counts_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, _CHANNEL)
    loop = EmbeddedLoop()
    assert _complain(loop, "one", 100) == 0
    assert loop.next_deadline() is None


def test_threads_lose_none(log: Callable[[], list[str]]) -> None:
    loop = EmbeddedLoop()
    shown: list[int] = []
    threads = [threading.Thread(target=lambda: shown.append(_complain(loop, "one", 2000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(shown) == SHOWN
    loop.advance(INTERVAL)
    loop.advance(INTERVAL)  # a foreign thread's timer is set with the loop's next turn
    assert log() == [f"{8000 - SHOWN} more like these came within 10 s, and were not shown: one"]


def test_a_loop_that_ends_tells_first(log: Callable[[], list[str]]) -> None:
    with EventLoopGroup(1) as loops, ServerBootstrap(loops, initializer=_stages).bind("tcp://127.0.0.1:0") as server:
        port = int(server.addresses[0].rpartition(":")[2])
        for _ in range(SHOWN + 3):
            with socket.create_connection(("127.0.0.1", port)) as peer:
                peer.sendall(b"too long\n")
                assert peer.recv(1) == b""
    lines = log()
    assert len(lines) == SHOWN + 1
    assert lines[-1].startswith("3 more like these came within ")


class _Raises(ChannelInboundHandler[Datagram]):
    def channel_read(self, ctx: ChannelHandlerContext, msg: Datagram) -> None:
        if msg.data == b"end":
            ctx.write(msg)
        else:
            raise ValueError(msg.data.decode())


def test_datagrams_cannot_flood_the_log_either(log: Callable[[], list[str]]) -> None:
    with (
        EventLoopGroup(1) as loops,
        ServerBootstrap(loops, initializer=lambda _: [_Raises()]).bind("udp://127.0.0.1:0") as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
    ):
        peer.connect(("127.0.0.1", int(server.addresses[0].rpartition(":")[2])))
        peer.settimeout(10)
        for data in [*[b"%d" % number for number in range(SHOWN + 3)], b"end"]:
            peer.send(data)
        assert peer.recv(10) == b"end"
    lines = log()
    assert len(lines) == SHOWN + 1
    assert lines[-1].startswith("3 more like these came within ")


class _RaisesTwice(_Echo):
    def channel_read(self, ctx: ChannelHandlerContext, msg: bytes) -> None:
        raise ValueError(msg)

    def exception_caught(self, ctx: ChannelHandlerContext, exc: BaseException) -> None:
        raise KeyError("oh") from exc


def test_an_exception_caught_that_raises_is_one_of_them(caplog: pytest.LogCaptureFixture) -> None:
    channel = EmbeddedChannel(_RaisesTwice())
    channel.write_inbound(*[b"x"] * (SHOWN + 3))
    channel.advance(INTERVAL)
    assert len(caplog.records) == SHOWN + 1
    assert caplog.records[-1].getMessage().startswith("3 more like these came within 10 s")


def test_what_is_hidden_can_be_told_at_once(log: Callable[[], list[str]]) -> None:
    loop = EmbeddedLoop()
    _complain(loop, "one", SHOWN + 2)
    loop.advance(1.0)
    complaints_of(loop).tell()
    assert log() == ["2 more like these came within 1 s, and were not shown: one"]
    assert loop.next_deadline() is None
    assert _complain(loop, "one") == 1


def test_the_line_that_tells_how_many_has_the_number_for_programs(caplog: pytest.LogCaptureFixture) -> None:
    loop = EmbeddedLoop()
    _complain(loop, "one", SHOWN + 2)
    loop.advance(INTERVAL)
    (record,) = caplog.records
    assert vars(record)["hidden"] == 2
    assert record.levelname == "ERROR"


def test_a_loop_that_has_ended_has_no_timer_and_tells_at_once(log: Callable[[], list[str]]) -> None:
    loop = EventLoop("ended")
    loop.stop()
    with pytest.raises(ChannelClosedError):
        loop.schedule(1.0, print)
    for _ in range(SHOWN + 1):
        complaints_of(loop).level(_logger, logging.ERROR, "one")
    (line,) = log()
    assert line.startswith("1 more like these came within ")


def test_the_kind_of_a_failure_does_not_depend_on_the_bytes_of_the_peer() -> None:
    kinds = set()
    for data in (b"too long\n", b"much too long\n", b"\xff" * 1000 + b"\n"):
        channel = EmbeddedChannel(LineBasedFrameDecoder(4))
        with pytest.raises(Exception, match="over the limit") as raised:
            channel.write_inbound(data)
        kinds.add(kind_of(raised.value, stages_of(channel.pipeline)))
    assert len(kinds) == 1


def test_the_kind_of_a_failure_names_where_it_was_raised_and_the_stages() -> None:
    channel = EmbeddedChannel(_Echo())
    assert stages_of(channel.pipeline) == "_Echo"
    assert kind_of(ValueError("never raised"), "_Echo") == "ValueError in _Echo"
    try:
        raise KeyError("x")
    except KeyError as exc:
        kind = kind_of(exc, "_Echo")
    assert kind.startswith("KeyError (")
    assert "test_complaints.py:" in kind
    assert stages_of(EmbeddedChannel().pipeline) == "no stages"
