"""Seats that were left: they forward to the neighbours of now, and keep nothing alive by going in a circle."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline_net import (
    ChannelClosedError,
    ChannelDuplexHandler,
    ChannelFuture,
    ChannelHandlerContext,
    ChannelInboundHandler,
)
from pipeline_net.testing import EmbeddedChannel

Seat = ChannelHandlerContext[Any, Any]


class Stage(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Counts those that are there, for stages of a compiled class cannot be referred to weakly; and says who it is."""

    count = 0

    def __init__(self, name: str = "") -> None:
        Stage.count += 1
        self.said = name

    def __del__(self) -> None:
        Stage.count -= 1

    def channel_read(self, ctx: Seat, msg: Any) -> None:
        ctx.fire_channel_read(msg + self.said)

    def write(self, ctx: Seat, msg: Any, promise: Any) -> None:
        ctx.write(msg + self.said, promise)


class Keeper(Stage):
    """Keeps its seat, as handlers do that answer later."""

    seat: Seat

    def handler_added(self, ctx: Seat) -> None:
        self.seat = ctx


class Farewell(Keeper):
    """Wants to know when it leaves, and says goodbye both ways."""

    def handler_removed(self, ctx: Seat) -> None:
        ctx.fire_user_event_triggered("bye")
        ctx.write("bye")


class Unwelcome(Stage):
    def handler_added(self, ctx: Seat) -> None:
        raise ValueError("not here")


class Passes(ChannelInboundHandler[Any]):
    def exception_caught(self, ctx: Seat, exc: BaseException) -> None:
        """Not now."""


class AtOnce:
    """A pool that does everything at once."""

    def submit(self, fn: Callable[..., object], /, *args: Any) -> None:
        fn(*args)


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    Stage.count = 0
    yield
    gc.enable()


def end(channel: EmbeddedChannel) -> None:
    channel.close()
    channel.run_pending()


def test_a_removed_seat_forwards_to_the_neighbours_of_now() -> None:
    old = Keeper("old")
    channel = EmbeddedChannel(("below", Stage("-")), ("old", old), ("above", Stage("+")))
    channel.pipeline.remove("old")
    old.seat.fire_channel_read("1")
    old.seat.write("a")
    channel.pipeline.replace("above", ("above", Stage("*")))
    channel.pipeline.replace("below", ("below", Stage("_")))
    channel.pipeline.add_last(Stage("!"))
    channel.pipeline.add_first(Stage("."))
    old.seat.fire_channel_read("2")
    old.seat.write("b")
    channel.run_pending()
    assert (channel.read_inbound(), channel.read_inbound()) == ("1+", "2*!")
    assert (channel.read_outbound(), channel.read_outbound()) == ("a-", "b_.")


def test_what_the_old_one_forwards_goes_through_those_that_replaced_it() -> None:
    old = Keeper("old")
    channel = EmbeddedChannel(old)
    channel.pipeline.replace(old, Stage("x"), Stage("y"))
    old.seat.fire_channel_read("1")
    old.seat.write("a")
    channel.run_pending()
    assert (channel.read_inbound(), channel.read_outbound()) == ("1xy", "ayx")


@pytest.mark.parametrize("kind", [Stage, Keeper, Farewell])
def test_stages_that_were_there_to_the_end(kind: type[Stage]) -> None:
    channel = EmbeddedChannel(kind(), kind(), kind())
    end(channel)
    assert Stage.count == 0


@pytest.mark.parametrize("kind", [Stage, Keeper, Farewell])
def test_stages_that_were_taken_out(kind: type[Stage]) -> None:
    channel = EmbeddedChannel(("a", kind()), ("b", kind()), ("c", kind()))
    channel.pipeline.remove("b")
    channel.pipeline.remove("a")
    assert Stage.count == 1, "who is not in the pipeline is not kept"
    channel.pipeline.replace("c", kind(), kind())
    assert Stage.count == 2
    end(channel)
    assert Stage.count == 0


def test_a_channel_in_which_a_stage_was_replaced() -> None:
    channel: EmbeddedChannel | None = EmbeddedChannel(("a", Stage()))
    assert channel is not None
    channel.attrs["marked"] = Stage()
    channel.pipeline.replace("a", Stage())
    end(channel)
    assert Stage.count == 1
    channel = None
    assert Stage.count == 0


def test_a_stage_that_was_shown_out() -> None:
    channel = EmbeddedChannel(Passes())
    channel.pipeline.add_first(Unwelcome())
    channel.run_pending()
    end(channel)
    assert Stage.count == 0


@pytest.mark.parametrize("kind", [Stage, Keeper, Farewell])
@pytest.mark.parametrize("leaves", ["with the channel", "before", "replaced"])
def test_a_stage_on_a_pool(kind: type[Stage], leaves: str) -> None:
    channel: EmbeddedChannel | None = EmbeddedChannel()
    assert channel is not None
    channel.attrs["marked"] = Stage()
    channel.pipeline.add_last(("pooled", kind("p")), executor=AtOnce())
    channel.run_pending()
    channel.write_inbound("1")
    channel.run_pending()
    assert channel.read_inbound() == "1p"
    if leaves == "before":
        channel.pipeline.remove("pooled")
    elif leaves == "replaced":
        channel.pipeline.replace("pooled", Stage())
    channel.run_pending()
    end(channel)
    assert Stage.count == 1, "the channel's own"
    channel = None
    assert Stage.count == 0


def test_what_comes_from_a_stage_that_left_before_its_channel_was_closed() -> None:
    old = Keeper("old")
    channel = EmbeddedChannel(("below", Stage("-")), ("old", old), ("above", Stage("+")))
    channel.pipeline.remove("old")
    end(channel)
    promise: ChannelFuture[None] = channel.new_promise()
    old.seat.write("late", promise)
    with pytest.raises(ChannelClosedError, match="is closed"):
        promise.result()
    old.seat.fire_channel_read("late")
    assert channel.read_inbound() == "late", "the end of the pipeline is where it always was"


def test_a_stage_on_a_pool_that_writes_when_it_leaves_with_the_channel(caplog: pytest.LogCaptureFixture) -> None:
    channel = EmbeddedChannel()
    channel.pipeline.add_last(Farewell(), executor=AtOnce())
    channel.run_pending()
    end(channel)
    assert caplog.text == ""


def test_a_goodbye_on_closing_goes_both_ways() -> None:
    heard = []

    class Hears(ChannelInboundHandler[Any]):
        def user_event_triggered(self, ctx: Seat, event: Any) -> None:
            heard.append(event)

        def handler_removed(self, ctx: Seat) -> None:
            heard.append("removed")

    class Refused(ChannelDuplexHandler[Any, Any, Any, Any]):
        def write(self, ctx: Seat, msg: Any, promise: Any) -> None:
            heard.append(msg)

    channel = EmbeddedChannel(Refused(), Farewell(), Hears())
    end(channel)
    assert heard == ["removed", "bye"], "from the tail to the head: who sat above has left, who sits below is there"
