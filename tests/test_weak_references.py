"""Weak references to our objects: cleared, and their callbacks called, in the compiled build as in the pure one."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import (
    ByteToMessageDecoder,
    ChannelDuplexHandler,
    ChannelFuture,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOutboundHandler,
    EventHandler,
    ICodec,
    MessageToByteEncoder,
    MessageToMessageCodec,
    wire,
)
from pipeline_net.codecs import LengthFieldBasedFrameDecoder, LineBasedFrameDecoder, StringDecoder
from pipeline_net.testing import EmbeddedChannel, EmbeddedLoop


class OfAUser(ChannelInboundHandler[bytes]):
    """Interpreted, on top of what may be compiled."""


class WithSlots(ChannelDuplexHandler[Any, Any, Any, Any]):
    __slots__ = ("more",)


@pytest.mark.parametrize(
    "make",
    [
        OfAUser,
        WithSlots,
        ChannelInboundHandler[bytes],
        ChannelOutboundHandler[bytes],
        ICodec[bytes],
        MessageToByteEncoder[bytes],
        MessageToMessageCodec[bytes, bytes, bytes, bytes],
        lambda: LengthFieldBasedFrameDecoder(100),
        lambda: LineBasedFrameDecoder(100),
        StringDecoder,
        lambda: ChannelFuture[None](EmbeddedLoop()),
        lambda: wire() >> OfAUser(),
    ],
)
def test_a_weak_reference_hears_of_the_end(make: Callable[[], Any]) -> None:
    heard: list[object] = []
    thing = make()
    reference = weakref.ref(thing, heard.append)
    others = weakref.WeakSet([thing])
    assert reference() is thing
    del thing
    assert reference() is None
    assert heard == [reference]
    assert len(others) == 0


def test_what_refers_weakly_may_end_first() -> None:
    handler = OfAUser()
    for _ in range(3):
        reference = weakref.ref(handler)
        assert reference() is handler
        del reference
    assert weakref.getweakrefcount(handler) == 0


def test_seats_may_be_watched_too() -> None:
    seats: list[weakref.ref[ChannelHandlerContext[Any, Any]]] = []

    class Watched(ChannelInboundHandler[bytes]):
        def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
            seats.append(weakref.ref(ctx))

    from pipeline_net.testing import EmbeddedChannel

    channel = EmbeddedChannel(Watched())
    assert seats[0]() is channel.pipeline.context("watched")
    channel.finish()
    assert seats[0]() is None


@pytest.mark.parametrize(
    "base",
    [
        ChannelInboundHandler,
        ChannelDuplexHandler,
        MessageToByteEncoder,
        ByteToMessageDecoder,
        LineBasedFrameDecoder,
        EventHandler,
    ],
)
def test_a_class_ends_of_which_there_were_instances(base: Any) -> None:
    """Somebody may make one for each connection."""

    class Made(base):  # type: ignore[misc]  # which one, only the table says
        def __init__(self) -> None:
            """Take nothing."""

    class Derived(Made):
        itself: Any = None

    made = Made()
    ends = [weakref.ref(Made), weakref.ref(Derived)]
    Derived.itself = Derived()  # a circle of a class and its instance
    del made, Made, Derived
    gc.collect()
    assert [end() for end in ends] == [None, None]


def test_instances_hold_their_class_for_as_long_as_they_live() -> None:
    class Made(ChannelInboundHandler[bytes]):
        pass

    before = sys.getrefcount(Made)
    many = [Made() for _ in range(100)]
    for one in many:
        EmbeddedChannel(one).close()
    gc.collect()
    assert sys.getrefcount(Made) > before + 99
    end = weakref.ref(Made)
    del Made
    gc.collect()
    assert end() is type(many[0])
    del many, one
    gc.collect()
    assert end() is None
