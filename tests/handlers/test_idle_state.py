"""Idle peers are found when they have been idle for long enough, on virtual time, and slow ones are not idle."""

from __future__ import annotations

import socket
from queue import SimpleQueue
from typing import Any

import pytest

from pipeline_net import (
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    EventLoopGroup,
    ServerBootstrap,
)
from pipeline_net.codecs import LineBasedFrameDecoder
from pipeline_net.handlers.idle_state import IdleState, IdleStateEvent, IdleStateHandler
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]


class Hears(ChannelInboundHandler[Any]):
    """Writes down the idle events, each with the time at which it came."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, str, float, bool]] = []

    def user_event_triggered(self, ctx: Ctx, event: Any) -> None:
        assert isinstance(event, IdleStateEvent)
        self.heard.append((ctx.loop.time(), event.state.value, event.seconds, event.is_first))

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        """Reads everything."""


def opened(*args: Any, options: ChannelOptions | None = None, **periods: Any) -> tuple[EmbeddedChannel, Hears]:
    hears = Hears()
    return EmbeddedChannel(*args, IdleStateHandler(**periods), hears, options=options), hears


def periods(direction: str) -> dict[str, Any]:
    return {direction: 10}


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({}, "nothing to watch"),
        ({"reader": 0}, "reader must be more than 0 seconds, not 0"),
        ({"writer": -1.0}, "writer must be more than 0 seconds, not -1.0"),
        ({"all": float("nan")}, "all must be more than 0 seconds, not nan"),
    ],
)
def test_a_period_that_makes_no_sense_is_refused(wrong: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        IdleStateHandler(**wrong)


@pytest.mark.parametrize("direction", ["reader", "writer", "all"])
def test_a_silent_connection_is_idle_again_every_period(direction: str) -> None:
    channel, hears = opened(**periods(direction))
    channel.advance(9.999)
    assert hears.heard == []
    channel.advance(0.001)
    assert hears.heard == [(10, direction, 10, True)]
    channel.advance(25)
    assert hears.heard[1:] == [(20, direction, 20, False), (30, direction, 30, False)]


def test_each_direction_has_its_own_time() -> None:
    channel, hears = opened(reader=10, writer=7, all=12)
    channel.advance(5)
    channel.write_inbound(b"x")  # at 5
    channel.advance(1)
    channel.write_outbound(b"y")  # at 6
    channel.advance(12)
    assert hears.heard == [(13, "writer", 7, True), (15, "reader", 10, True), (18, "all", 12, True)]


@pytest.mark.parametrize(("direction", "other"), [("reader", "write"), ("writer", "read")])
def test_the_other_direction_does_not_count(direction: str, other: str) -> None:
    channel, hears = opened(**periods(direction))
    for _ in range(4):
        channel.advance(3)
        if other == "read":
            channel.write_inbound(b"x")
        else:
            channel.write_outbound(b"x")
    assert hears.heard == [(10, direction, 10, True)]


@pytest.mark.parametrize("direction", ["reader", "writer", "all"])
def test_what_happens_in_time_starts_the_period_anew(direction: str) -> None:
    channel, hears = opened(**periods(direction))
    for _ in range(5):
        channel.advance(9)
        if direction == "writer":
            channel.write_outbound(b"x")
        else:
            channel.write_inbound(b"x")
    assert hears.heard == []
    channel.advance(10)
    assert hears.heard == [(55, direction, 10, True)]
    channel.write_inbound(b"x")
    channel.write_outbound(b"x")
    channel.advance(10)
    assert hears.heard[1:] == [(65, direction, 10, True)]  # the first one after something happened


def test_passing_messages_schedule_nothing() -> None:
    scheduled: list[float] = []

    channel, _ = opened(reader=10, writer=10, all=10)
    loop = channel.loop
    schedule = loop.schedule

    def counting(delay: float, fn: Any, *args: Any) -> Any:
        scheduled.append(delay)
        return schedule(delay, fn, *args)

    loop.schedule = counting  # type: ignore[method-assign]  # the test's own loop, which is not compiled
    for _ in range(1000):
        channel.write_inbound(b"x", b"y")
        channel.write_outbound(b"z")
    assert scheduled == []
    channel.advance(10)
    assert len(scheduled) == 1


def test_behind_a_decoder_only_whole_messages_count() -> None:
    channel, hears = opened(LineBasedFrameDecoder(100), reader=10)
    for _ in range(10):
        channel.advance(1)
        channel.write_inbound(b"x")
    assert hears.heard == [(10, "reader", 10, True)]
    channel.write_inbound(b"\n")
    channel.advance(9)
    assert len(hears.heard) == 1


def test_a_slow_write_that_makes_progress_is_not_idle() -> None:
    channel, hears = opened(writer=10)
    channel.peer_window = 0
    channel.write(b"x" * 100_000)
    channel.run_pending()
    for _ in range(10):
        channel.advance(9)
        channel.peer_window = 100
        channel.run_pending()
    assert hears.heard == []
    channel.advance(20)
    assert [event[1:] for event in hears.heard] == [("writer", 10, True)]  # and then it makes none


def test_a_small_write_that_waits_behind_another_and_makes_progress_is_not_idle() -> None:
    channel, hears = opened(writer=10)
    channel.peer_window = 1
    channel.write(b"xyz")
    channel.run_pending()
    channel.write(b"xyz")
    channel.advance(9)
    channel.peer_window = None
    channel.run_pending()  # at 9, all is sent
    channel.advance(9)
    assert hears.heard == []


def test_a_channel_that_does_not_read_does_not_call_its_peer_idle() -> None:
    channel, hears = opened(reader=10)
    channel.hold_reads()
    channel.advance(100)
    assert hears.heard == []
    channel.release_reads()
    channel.advance(10)
    assert len(hears.heard) == 1


def test_a_peer_is_not_idle_before_it_is_asked() -> None:
    channel, hears = opened(reader=10, options=ChannelOptions(auto_read=False))
    channel.advance(15)
    assert hears.heard == []
    channel.pipeline.read()
    channel.advance(9)
    assert hears.heard == []
    channel.advance(1)
    assert hears.heard == [(25, "reader", 10, True)]


def test_a_peer_that_takes_nothing_is_not_listened_to_and_not_called_idle() -> None:
    channel, hears = opened(reader=10)
    channel.peer_window = 0
    channel.write(b"x" * 70_000)
    channel.advance(99)
    channel.peer_window = None
    channel.run_pending()
    channel.advance(9)
    assert hears.heard == []
    channel.advance(1)
    assert hears.heard == [(109, "reader", 10, True)]  # since it could be heard again


def test_a_peer_that_has_ended_its_input_is_not_called_idle() -> None:
    class StaysHalfOpen(Hears):
        def channel_eof(self, ctx: Ctx) -> None:
            """Keeps it."""

    hears = StaysHalfOpen()
    channel = EmbeddedChannel(IdleStateHandler(reader=10), hears)
    channel.finish_input()
    channel.advance(100)
    assert hears.heard == []
    assert channel.loop.next_deadline() is None  # type: ignore[attr-defined]  # the embedded loop's own


def test_added_to_a_running_pipeline_it_counts_from_then_on() -> None:
    hears = Hears()
    channel = EmbeddedChannel(hears)
    channel.advance(100)
    channel.pipeline.add_first(IdleStateHandler(reader=10))
    channel.advance(10)
    assert hears.heard == [(110, "reader", 10, True)]


@pytest.mark.parametrize("how", ["removed", "closed", "removed by who hears of it", "closed by who hears of it"])
def test_nothing_is_left_behind(how: str) -> None:
    class Reacts(Hears):
        def user_event_triggered(self, ctx: Ctx, event: Any) -> None:
            super().user_event_triggered(ctx, event)
            if how == "removed by who hears of it":
                ctx.pipeline.remove(IdleStateHandler)
            elif how == "closed by who hears of it":
                ctx.close()

    hears = Reacts()
    channel = EmbeddedChannel(IdleStateHandler(reader=10, writer=10, all=10), hears)
    if how == "removed":
        channel.pipeline.remove(IdleStateHandler)
    elif how == "closed":
        channel.finish()
    channel.advance(100)
    assert len(hears.heard) == (1 if "by" in how else 0)
    assert channel.loop.next_deadline() is None  # type: ignore[attr-defined]  # the embedded loop's own


def test_a_subclass_may_do_something_else_and_what_it_raises_is_caught() -> None:
    class Raises(IdleStateHandler):
        def channel_idle(self, ctx: Ctx, event: IdleStateEvent) -> None:
            raise LookupError(str(event))

    channel = EmbeddedChannel(Raises(all=10))
    with pytest.raises(LookupError, match="<IdleStateEvent all idle for 10 s>"):
        channel.advance(10)
    assert not channel.is_open


def test_an_event_says_what_it_is() -> None:
    assert repr(IdleStateEvent(IdleState.WRITER, 2.5, False)) == "<IdleStateEvent writer idle for 2.5 s, again>"


def test_on_a_real_loop_and_a_real_socket() -> None:
    told: SimpleQueue[IdleStateEvent] = SimpleQueue()

    class Tells(ChannelInboundHandler[bytes]):
        def user_event_triggered(self, ctx: Ctx, event: Any) -> None:
            told.put(event)
            ctx.close()

    with (
        EventLoopGroup(1) as loops,
        ServerBootstrap(loops, initializer=lambda _: [IdleStateHandler(all=0.05), Tells()]).bind(
            "tcp://127.0.0.1:0"
        ) as server,
        socket.create_connection(("127.0.0.1", int(server.addresses[0].rpartition(":")[2])), timeout=10) as client,
    ):
        assert client.recv(1) == b""
        event = told.get(timeout=10)
        assert event.state is IdleState.ALL
        assert 0.05 <= event.seconds < 10
