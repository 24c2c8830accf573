"""on_pool(): a stage and its pool as one stage, wherever stages are taken."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from pipeline_net import (
    ChannelHandlerContext,
    ChannelInboundHandler,
    EventLoopGroup,
    PipelineError,
    ServerBootstrap,
    Stack,
    WorkerPool,
    on_pool,
    wire,
)
from pipeline_net.channel import Channel
from pipeline_net.codecs import LineBasedFrameDecoder, LineEncoder, StringDecoder
from pipeline_net.on_pool import StageOnPool
from pipeline_net.testing import EmbeddedChannel, check_decoder
from pipeline_net.transport.opening import seat_stages

from .hand_pool import HandPool


class Lookup(ChannelInboundHandler[str, str]):
    def channel_read(self, ctx: ChannelHandlerContext[str, Any], msg: str) -> None:
        ctx.fire_channel_read(f"{msg} on {threading.current_thread().name}")


class Answer(ChannelInboundHandler[str, Any, str]):
    def channel_read(self, ctx: ChannelHandlerContext[Any, str], msg: str) -> None:
        ctx.write(msg)


def test_a_stack_has_stages_that_run_on_a_pool() -> None:
    with WorkerPool(1, name="database") as pool, EventLoopGroup(1) as loops:

        def stages(channel: Channel) -> Stack:
            codec = wire() >> LineBasedFrameDecoder(80) >> StringDecoder() >> LineEncoder()
            return codec >> on_pool(pool, Lookup()) >> Answer()

        server = ServerBootstrap(loops, initializer=stages).bind("tcp://127.0.0.1:0")
        port = int(server.addresses[0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 10) as peer, peer.makefile("rb") as lines:
            peer.sendall(b"one\n")
            assert lines.readline() == b"one on database-1\n"


def test_a_pipeline_takes_them_named_or_not_and_draws_them() -> None:
    pool = HandPool()
    channel = EmbeddedChannel(("first", on_pool(pool, Lookup())), on_pool(pool, Lookup()))
    channel.pipeline.replace("first", ("second", on_pool(pool, Lookup())), Answer())
    assert channel.pipeline.names == ["second", "answer", "lookup"]
    assert repr(channel.pipeline) == (
        f"<ChannelPipeline of {channel!r}\n"
        "  ↓  second  Lookup  on a pool\n"
        "  ↓  answer  Answer\n"
        "  ↓  lookup  Lookup  on a pool\n>"
    )


def test_an_initializer_may_return_a_list_with_them() -> None:
    heard: list[str] = []

    class Hears(ChannelInboundHandler[bytes]):
        def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
            heard.append(threading.current_thread().name)
            ctx.write(b"hello")
            ctx.close()

    with WorkerPool(1) as pool, EventLoopGroup(1) as loops:
        server = ServerBootstrap(loops, initializer=lambda channel: [on_pool(pool, Hears())]).bind("tcp://127.0.0.1:0")
        port = int(server.addresses[0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 10) as peer, peer.makefile("rb") as answer:
            assert answer.read() == b"hello"
    assert heard == ["worker-1"]


def test_the_pool_of_a_stage_goes_before_the_one_of_all() -> None:
    own, others = HandPool(), HandPool()
    channel = EmbeddedChannel()
    channel.pipeline.add_last(on_pool(own, Lookup()), executor=others)
    channel.pipeline.fire_channel_read("x")
    assert (len(own.jobs), len(others.jobs)) == (1, 0)


def test_a_stack_draws_them() -> None:
    pool = HandPool()
    stack = wire() >> LineBasedFrameDecoder(80) >> StringDecoder() >> on_pool(pool, Lookup())
    assert repr(stack) == "wire() >> LineBasedFrameDecoder >> StringDecoder >> on_pool(Lookup)"
    named = stack >> ("again", on_pool(pool, Lookup()))
    assert EmbeddedChannel(named).pipeline.names[-2:] == ["lookup", "again"]
    assert [type(stage) for stage in stack.handlers][-1] is StageOnPool


def test_a_decoder_on_a_pool_is_verified_like_any_other() -> None:
    class AtOnce:
        def submit(self, fn: Any, /, *args: Any) -> None:
            fn(*args)

    check_decoder(lambda: on_pool(AtOnce(), LineBasedFrameDecoder(80)), [(b"a\nb\n", [b"a", b"b"])])


@pytest.mark.parametrize(
    ("stage", "hint"), [(Lookup, r"did you mean Lookup\(\)\?"), (None, "not None"), (("a", Lookup()), "not \\('a'")]
)
def test_what_is_no_stage_is_refused(stage: Any, hint: str) -> None:
    with pytest.raises(PipelineError, match=hint):
        on_pool(HandPool(), stage)


def test_an_initializer_that_returns_one_alone_is_told_to_return_a_list() -> None:
    initializer: Any = lambda channel: on_pool(HandPool(), Lookup())  # noqa: E731 - as it is written
    with pytest.raises(PipelineError, match=r"not on_pool\(Lookup\): did you mean \[on_pool\(…\)\]\?"):
        seat_stages(EmbeddedChannel(), initializer)


def test_arguments_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(PipelineError, match=r"submit\(fn, \*args\), which <.*Lookup object"):
        on_pool(Lookup(), Lookup())  # type: ignore[arg-type]  # what the test is about
