"""The ends of a pipeline: where events and operations end, and what is left of them when the channel is closed."""

from __future__ import annotations

import gc
import logging
from typing import Any

import pytest

from pipeline_net import (
    ChannelClosedError,
    ChannelDuplexHandler,
    ChannelFuture,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelPipeline,
    PipelineError,
)
from pipeline_net.testing import EmbeddedChannel


class Keeper(ChannelInboundHandler[Any, Any, Any]):
    """Keeps its seat, as handlers do that answer later."""

    ctx: ChannelHandlerContext[Any, Any]

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.ctx = ctx


def closed_channel() -> tuple[EmbeddedChannel, Keeper, ChannelPipeline]:
    handler = Keeper()
    channel = EmbeddedChannel(handler)
    pipeline = channel.pipeline
    channel.close()
    channel.run_pending()
    return channel, handler, pipeline


class Here:
    """Counts those that are there, for channels cannot be referred to weakly."""

    count = 0

    def __init__(self) -> None:
        Here.count += 1

    def __del__(self) -> None:
        Here.count -= 1


def test_a_closed_channel_and_its_pipeline_are_gone_without_the_garbage_collector() -> None:
    class Stage(ChannelInboundHandler[Any, Any, Any]):
        def __init__(self) -> None:
            self.here = Here()

    gc.collect()
    gc.disable()
    try:
        channel = EmbeddedChannel(Stage(), Stage())
        channel.attrs["here"] = Here()
        assert Here.count == 3
        channel.close()
        channel.run_pending()
        assert Here.count == 1, "the stages have left"
        del channel
        assert Here.count == 0
    finally:
        gc.enable()


def test_the_seat_of_a_closed_channel_refuses_what_is_written() -> None:
    channel, handler, pipeline = closed_channel()
    for seat in (handler.ctx, pipeline):
        promise: ChannelFuture[Any] = channel.new_promise()
        seat.write(b"late", promise)
        with pytest.raises(ChannelClosedError, match="is closed"):
            promise.result()
    assert channel.read_outbound() is None


def test_a_message_that_comes_too_late_reaches_the_tail_of_its_channel() -> None:
    channel, handler, _ = closed_channel()
    handler.ctx.fire_channel_read("late")
    handler.ctx.fire_channel_eof()
    assert channel.read_inbound() == "late"


def test_an_exception_that_comes_too_late_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    _, _, pipeline = closed_channel()
    with caplog.at_level(logging.ERROR, "pipeline_net.pipeline"):
        pipeline.fire_exception_caught(ValueError("late"))
    assert [record.message for record in caplog.records] == ["an exception came when its channel was closed already"]


def test_other_events_of_a_pipeline_that_is_no_more_end_quietly(caplog: pytest.LogCaptureFixture) -> None:
    _, _, pipeline = closed_channel()
    pipeline.fire_channel_registered()
    pipeline.fire_channel_active()
    pipeline.fire_channel_read("late")
    pipeline.fire_channel_read_complete()
    pipeline.fire_channel_eof()
    pipeline.fire_channel_writability_changed()
    pipeline.fire_user_event_triggered("late")
    pipeline.fire_channel_inactive()
    pipeline.fire_channel_unregistered()
    assert caplog.records == []


def test_a_closed_channel_has_a_pipeline_without_stages() -> None:
    channel, handler, pipeline = closed_channel()
    for each in (channel.pipeline, handler.ctx.pipeline, pipeline):
        assert each.names == []
        assert len(each) == 0
        assert each.first is None
        assert repr(each).endswith("  (no stages)\n>")
    pipeline.remove_all()  # again, which changes nothing


class Quiet(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Does not notice when it leaves, and writes down what it hears before that."""

    def __init__(self, name: str, heard: list[str]) -> None:
        self.name = name
        self.heard = heard

    def user_event_triggered(self, ctx: ChannelHandlerContext, event: Any) -> None:
        self.heard.append(f"{self.name}: {event}")
        ctx.fire_user_event_triggered(event)

    def flush(self, ctx: ChannelHandlerContext) -> None:
        self.heard.append(f"{self.name}: flush")
        ctx.flush()


class Loud(Quiet):
    """Makes itself heard on both sides when it leaves."""

    def handler_removed(self, ctx: ChannelHandlerContext) -> None:
        self.heard.append(f"{self.name} leaves")
        ctx.fire_user_event_triggered(self.name)
        ctx.flush()


def test_who_leaves_a_closed_channel_is_heard_by_those_only_who_are_still_there() -> None:
    heard: list[str] = []
    stages = [Quiet("a", heard), Loud("b", heard), Quiet("c", heard), Loud("d", heard), Quiet("e", heard)]
    channel = EmbeddedChannel(*stages)
    seats = [channel.pipeline.context(stage) for stage in stages]
    channel.close()
    channel.run_pending()
    assert heard == ["d leaves", "c: flush", "b: flush", "a: flush", "b leaves", "a: flush"]
    assert [stage.seats for stage in stages] == [0] * 5
    assert all(seat is not None and seat.is_removed for seat in seats)


def test_a_stage_that_leaves_a_closed_channel_cannot_seat_another() -> None:
    class Heir(ChannelInboundHandler[bytes]):
        def handler_removed(self, ctx: ChannelHandlerContext) -> None:
            left.append(len(left))
            if len(left) < 1000:
                ctx.pipeline.add_last(Heir())

    left: list[int] = []
    channel = EmbeddedChannel(Heir())
    with pytest.raises(PipelineError, match="takes no stages any more"):
        channel.finish()
    assert left == [0]


def test_a_pipeline_that_is_no_more_takes_no_stages() -> None:
    _, _, pipeline = closed_channel()
    with pytest.raises(PipelineError, match="is closed, and its pipeline takes no stages any more"):
        pipeline.add_last(Keeper())


class Broken(EmbeddedChannel):
    """Its transport fails, whatever it is asked."""

    def transport_read(self) -> None:
        raise OSError("read")

    def transport_flush(self) -> None:
        raise OSError("flush")

    def transport_shutdown_output(self, promise: ChannelFuture[Any] | None) -> None:
        raise OSError("shutdown_output")

    def transport_bind(self, address: Any, promise: ChannelFuture[Any] | None) -> None:
        raise OSError("bind")


class Catcher(ChannelInboundHandler[Any, Any, Any]):
    """Writes down which exceptions pass."""

    def __init__(self, name: str, caught: list[str]) -> None:
        self.name = name
        self.caught = caught

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self.caught.append(f"{self.name}: {exc}")
        ctx.fire_exception_caught(exc)


def test_what_the_transport_raises_passes_all_stages_and_ends_the_channel() -> None:
    for ask, argument in (("read", ()), ("flush", ()), ("shutdown_output", ()), ("bind", ("address",))):
        caught: list[str] = []
        channel = Broken(Catcher("a", caught), Catcher("b", caught))
        getattr(channel.pipeline, ask)(*argument)
        assert caught == [f"a: {ask}", f"b: {ask}"]
        assert not channel.is_open
        with pytest.raises(OSError, match=ask):
            channel.finish()


def test_what_the_transport_raises_fails_the_promise_if_there_is_one() -> None:
    caught: list[str] = []
    channel = Broken(Catcher("a", caught))
    promise = channel.new_promise()
    channel.pipeline.bind("address", promise)
    assert isinstance(promise.exception(), OSError)
    assert caught == []
    assert channel.is_open
