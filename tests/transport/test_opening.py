"""What an initializer may return, and what becomes of the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline_net import (
    Channel,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    EventLoop,
    PipelineError,
    wire,
)
from pipeline_net.transport.opening import seat_stages
from pipeline_net.transport.stream_channel import StreamChannel


class Stage(ChannelInboundHandler[bytes]):
    def __init__(self) -> None:
        self.events: list[str] = []

    def handler_added(self, ctx: ChannelHandlerContext) -> None:
        self.events.append("added")

    def channel_registered(self, ctx: ChannelHandlerContext) -> None:
        self.events.append("registered")


@pytest.fixture
def channel() -> Iterator[Channel]:
    loop = EventLoop()
    loop.run_once(0)  # from now on, this is the loop's thread
    channel = StreamChannel(loop, ChannelOptions(), None)
    yield channel
    loop.stop()


@pytest.mark.parametrize(
    "given",
    [lambda stage: wire() >> stage, lambda stage: [stage], lambda stage: iter([("named", stage)])],
    ids=["stack", "list", "named"],
)
def test_stages_are_seated_and_then_hear_of_the_registration(channel: Channel, given: Callable[[Stage], Any]) -> None:
    stage = Stage()
    seat_stages(channel, lambda _: given(stage))
    assert list(channel.pipeline) == [stage]
    assert stage.events == ["added", "registered"]


def test_an_initializer_may_return_the_pipeline_in_which_it_has_seated_them(channel: Channel) -> None:
    class Shared(Stage):
        shareable = True

    stage, shared = Stage(), Shared()
    seat_stages(channel, lambda channel: channel.pipeline.add_last(stage, shared))
    assert list(channel.pipeline) == [stage, shared]
    assert stage.events == ["added", "registered"]


def test_an_initializer_may_seat_them_itself_and_return_nothing(channel: Channel) -> None:
    stage = Stage()

    def initialize(channel: Channel) -> None:
        channel.pipeline.add_last(stage)

    seat_stages(channel, initialize)
    assert stage.events == ["added", "registered"]


def test_stages_are_appended_to_those_it_has_seated_itself(channel: Channel) -> None:
    first, second = Stage(), Stage()

    def initialize(channel: Channel) -> list[Stage]:
        channel.pipeline.add_last(first)
        return [second]

    seat_stages(channel, initialize)
    assert list(channel.pipeline) == [first, second]


@pytest.mark.parametrize("nonsense", [42, Stage(), "text", [42], [Stage]], ids=str)
def test_what_is_neither_stages_nor_nothing_is_refused(channel: Channel, nonsense: Any) -> None:
    with pytest.raises(PipelineError):
        seat_stages(channel, lambda _: nonsense)
    assert len(channel.pipeline) == 0


def test_what_an_initializer_raises_comes_out_even_from_a_generator(channel: Channel) -> None:
    def initialize(channel: Channel) -> Iterator[Stage]:
        yield Stage()
        raise KeyError("half-way")

    with pytest.raises(KeyError):
        seat_stages(channel, initialize)
    assert len(channel.pipeline) == 0


def test_a_channel_that_a_stage_closes_while_it_is_seated_is_not_registered(channel: Channel) -> None:
    class Closes(Stage):
        def handler_added(self, ctx: ChannelHandlerContext) -> None:
            ctx.close()

    stage = Closes()
    seat_stages(channel, lambda _: [stage])
    assert not channel.is_open
    assert stage.events == []
