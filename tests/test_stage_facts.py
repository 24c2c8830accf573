"""What is found out about a stage before it is seated."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from pipeline_net import COMPILED, ChannelHandlerContext, ChannelInboundHandler, PipelineError, on_pool
from pipeline_net.event_bits import EOF, READ
from pipeline_net.loop import StageFacts
from pipeline_net.stage_facts import free_name, is_taken, learn_facts, take_apart
from pipeline_net.testing import EmbeddedChannel

from .hand_pool import HandPool


class _HTTPEcho2Handler(ChannelInboundHandler[Any]):
    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        ctx.write(msg)

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        ctx.close()

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        pass


class Late(ChannelInboundHandler[Any]):
    async def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:  # type: ignore[override]  # the mistake
        pass


def test_the_facts_of_a_class() -> None:
    known: dict[type, StageFacts] = {}
    facts = learn_facts(_HTTPEcho2Handler, known)
    assert known == {_HTTPEcho2Handler: facts}
    assert facts.mask == READ | EOF
    assert facts.name == "http-echo2-handler"
    assert facts.reads is _HTTPEcho2Handler.channel_read
    assert facts.encodes is None
    assert (facts.is_greeted, facts.is_bid_farewell) == (False, True)


def test_a_class_whose_events_are_coroutines_is_refused() -> None:
    with pytest.raises(PipelineError, match=r"Late\.channel_active is a coroutine"):
        learn_facts(Late, {})


def test_a_stage_is_taken_apart_into_its_name_its_handler_and_its_pool() -> None:
    handler, own, others = _HTTPEcho2Handler(), HandPool(), HandPool()
    for stage, expected in (
        (handler, ("", handler, others)),
        (("echo", handler), ("echo", handler, others)),
        (on_pool(own, handler), ("", handler, own)),
        (("echo", on_pool(own, handler)), ("echo", handler, own)),
    ):
        assert take_apart(stage, others, None) == expected


@pytest.mark.parametrize("stage", [None, _HTTPEcho2Handler, ("echo",), ("", _HTTPEcho2Handler()), ("echo", "echo")])
def test_what_is_no_stage_cannot_be_taken_apart(stage: Any) -> None:
    with pytest.raises(PipelineError, match="a stage is"):
        take_apart(stage, None, None)


def test_names_are_counted_up_until_one_is_free() -> None:
    channel = EmbeddedChannel(("echo", _HTTPEcho2Handler()), ("echo-2", _HTTPEcho2Handler()))
    seats = [seat for name in channel.pipeline.names if (seat := channel.pipeline.context(name)) is not None]
    assert [is_taken(name, seats) for name in ("echo", "echo-2", "echo-3")] == [True, True, False]
    assert (free_name("echo", seats), free_name("other", seats)) == ("echo-3", "other")


def test_who_makes_a_class_for_each_connection_has_not_all_of_them_kept() -> None:
    channel = EmbeddedChannel()
    made: list[weakref.ref[type]] = []
    for _ in range(3000):

        class OfOneConnection(ChannelInboundHandler[Any]):
            pass

        made.append(weakref.ref(OfOneConnection))
        channel.pipeline.add_last(OfOneConnection())
        channel.pipeline.remove(OfOneConnection)
        assert len(channel.loop.stage_facts) <= 1024
    del OfOneConnection
    gc.collect()  # a class refers to itself
    if not COMPILED:  # mypyc never lets go of an interpreted class of which there was an instance
        assert sum(known() is not None for known in made) <= 1024
    channel.pipeline.add_last(last := _HTTPEcho2Handler())
    assert last in channel.pipeline
