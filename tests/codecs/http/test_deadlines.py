"""The watch by itself; what a server makes of it is in test_server.py."""

from __future__ import annotations

from typing import Any

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler
from pipeline_net.codecs.http import Deadlines
from pipeline_net.codecs.http.deadlines import ANSWER, BODY, FIRST, HEAD, IDLE, DeadlineKeeper, DeadlineWatch
from pipeline_net.testing import EmbeddedChannel


class Told(DeadlineKeeper):
    def __init__(self) -> None:
        self.phases: list[int] = []

    def deadline_passed(self, ctx: ChannelHandlerContext[Any, Any], phase: int) -> None:
        self.phases.append(phase)


class Seat(ChannelInboundHandler[Any]):
    ctx: ChannelHandlerContext[Any, Any]

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.ctx = ctx


def _watch(**settings: Any) -> tuple[DeadlineWatch, Told, EmbeddedChannel, ChannelHandlerContext[Any, Any]]:
    seat, told = Seat(), Told()
    channel = EmbeddedChannel(seat)
    return DeadlineWatch(Deadlines(**{"head": 1, "body": 2, "idle": 4, **settings}), told), told, channel, seat.ctx


def test_each_phase_has_its_time() -> None:
    for phase, seconds in ((FIRST, 1), (HEAD, 1), (BODY, 2), (IDLE, 4)):
        watch, told, channel, ctx = _watch()
        watch.enter(ctx, phase)
        channel.advance(seconds - 0.01)
        assert told.phases == []
        channel.advance(0.02)
        assert told.phases == [phase]
        channel.advance(100)
        assert told.phases == [phase]


def test_a_shorter_deadline_is_not_missed_because_a_longer_one_was_set() -> None:
    watch, told, channel, ctx = _watch()
    watch.enter(ctx, IDLE)
    watch.enter(ctx, HEAD)
    channel.advance(1.01)
    assert told.phases == [HEAD]


def test_a_longer_deadline_takes_the_place_of_a_shorter_one() -> None:
    watch, told, channel, ctx = _watch()
    watch.enter(ctx, HEAD)
    channel.advance(0.9)
    watch.enter(ctx, IDLE)
    channel.advance(3.9)
    assert told.phases == []
    channel.advance(0.2)
    assert told.phases == [IDLE]


def test_bytes_of_a_body_prolong_it() -> None:
    watch, told, channel, ctx = _watch(min_body_rate=10)
    watch.enter(ctx, BODY)
    watch.received += 10
    channel.advance(2.9)
    assert told.phases == []
    channel.advance(0.2)
    assert told.phases == [BODY]


def test_an_application_is_never_late() -> None:
    watch, told, channel, ctx = _watch()
    watch.enter(ctx, ANSWER)
    channel.advance(1000)
    assert told.phases == []


def test_a_watch_that_was_stopped_is_silent() -> None:
    watch, told, channel, ctx = _watch()
    watch.enter(ctx, HEAD)
    watch.stop()
    channel.advance(1000)
    assert told.phases == []
