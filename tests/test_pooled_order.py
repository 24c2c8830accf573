"""Handlers on a pool: nothing overtakes anything, whichever stage comes or goes meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_net import (
    ChannelDuplexHandler,
    ChannelFuture,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOutboundHandler,
    WorkerPool,
    on_pool,
)
from pipeline_net.testing import EmbeddedChannel

from .hand_pool import HandPool, Hears

Ctx = ChannelHandlerContext[Any, Any]
Log = list[str]


class Reads(ChannelInboundHandler[Any, Any]):
    """Overrides one event of the many that must not overtake it."""

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        ctx.fire_channel_read(msg)


class Writes(ChannelOutboundHandler[Any, Any]):
    """Overrides one operation of the many that must not overtake it."""

    def write(self, ctx: Ctx, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        ctx.write(msg, promise)


class Passes(ChannelDuplexHandler[Any, Any, Any, Any]):
    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        ctx.fire_channel_read(msg)

    def write(self, ctx: Ctx, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        ctx.write(msg, promise)


class HearsToTheEnd(Hears):
    """Writes into a log of several, also its own end, and lets the end of input through."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.log = log

    def channel_eof(self, ctx: Ctx) -> None:
        super().channel_eof(ctx)
        ctx.fire_channel_eof()

    def channel_unregistered(self, ctx: Ctx) -> None:
        self.log.append("unregistered")

    def handler_removed(self, ctx: Ctx) -> None:
        self.log.append("removed")


def test_what_follows_a_message_comes_through_the_pool_after_it() -> None:
    log: Log = []
    pool = HandPool()
    channel = EmbeddedChannel()
    channel.pipeline.add_last(Reads(), executor=pool).add_last(HearsToTheEnd(log))
    channel.write_inbound("message")
    channel.fire_user_event("event")
    channel.finish_input()
    assert log == []
    assert channel.is_open
    pool.finish(channel)
    assert log == ["message", "complete", "event", "eof", "inactive", "unregistered", "removed"]


def test_a_channel_that_breaks_still_delivers_what_was_read_before_it_says_goodbye() -> None:
    log: Log = []
    pool = HandPool()
    channel = EmbeddedChannel()
    channel.pipeline.add_last(Reads(), executor=pool).add_last(HearsToTheEnd(log)).add_last(Reads(), executor=pool)
    channel.write_inbound("message")
    channel.abort()
    channel.run_pending()
    assert log == []
    pool.finish(channel)
    assert log == ["message", "complete", "inactive", "unregistered", "removed"]
    assert channel.pipeline.names == []


def test_flushing_shutting_down_and_closing_do_not_overtake_a_write() -> None:
    pool = HandPool()
    channel = EmbeddedChannel()
    channel.pipeline.add_last(Writes(), executor=pool)
    written = [channel.write_and_flush(b"first"), channel.write(b"second")]
    channel.shutdown_output()
    closed = channel.close()
    pool.finish(channel)
    assert channel.outbound == [b"first", b"second"]
    assert [future.result() for future in [*written, closed]] == [None] * 3


def turn_until(channel: EmbeddedChannel, is_done: Callable[[], bool]) -> None:
    """Turn the loop while a pool is at work."""
    deadline = time.monotonic() + 30
    while not is_done() and time.monotonic() < deadline:
        channel.run_pending()
    assert is_done()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_stage_may_leave_from_the_pool_and_then_forward_what_it_had(replaced: bool) -> None:
    class Stamps(ChannelInboundHandler[Any, Any]):
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            ctx.fire_channel_read(f"new {msg}")

    class Asks(ChannelInboundHandler[Any, Any]):
        """Looks, at its leisure, whether somebody may come in; then makes way."""

        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            arrived.wait(10)
            if replaced:
                ctx.pipeline.replace(self, Stamps())
            else:
                ctx.pipeline.remove(self)
            ctx.fire_channel_read(msg)

    arrived = threading.Event()
    pool = WorkerPool(2)
    try:
        channel = EmbeddedChannel()
        channel.pipeline.add_last(Asks(), executor=pool)
        channel.write_inbound("0")
        turn_until(channel, lambda: True)
        arrived.set()
        for number in range(1, 200):  # meanwhile the others come, before and after the change
            channel.write_inbound(f"{number}")
        turn_until(channel, lambda: len(channel.inbound) == 200)
    finally:
        pool.release()
    assert channel.inbound == [f"{'new ' if replaced else ''}{number}" for number in range(200)]
    assert len(channel.pipeline) == (1 if replaced else 0)


_STEP = st.sampled_from(
    ["read", "read", "write", "write", "work", "remove", "replace", "replace by pooled", "replace at once", "add"]
)


@given(steps=st.lists(_STEP, max_size=40))
@settings(max_examples=150, deadline=None)
def test_random_changes_neither_lose_nor_repeat_nor_reorder_anything(steps: list[str]) -> None:
    pool = HandPool()
    channel = EmbeddedChannel()
    pipeline = channel.pipeline
    pipeline.add_last(Passes()).add_last(Passes(), executor=pool).add_last(Passes(), executor=pool)
    read = written = 0
    for step in steps:
        names = pipeline.names
        target = names[len(names) // 2] if names else None
        if step == "read":
            channel.write_inbound(read)
            read += 1
        elif step == "write":
            channel.write(written)
            channel.run_pending()
            written += 1
        elif step == "work":
            pool.work()
        elif target is None or step == "add":
            pipeline.add_first(Passes(), executor=pool)
        elif step == "remove":
            pipeline.remove(target)
        elif step == "replace":
            pipeline.replace(target, Passes())
        elif step == "replace at once":
            pipeline.replace(target, on_pool(pool, Passes()))
        else:
            pipeline.add_after(target, Passes(), executor=pool)
            pipeline.remove(target)
    pool.finish(channel)
    assert channel.inbound == list(range(read))
    assert channel.outbound == list(range(written))
    assert channel.wants_to_read
    channel.finish()
    pool.finish(channel)
    assert pipeline.names == []


# Loops are daemons and go on when the interpreter has begun to exit, and then a pool takes no more jobs.
_UNTIL_THE_END = """
import atexit, logging, socket
from pipeline_net import ChannelInboundHandler, EventLoopGroup, ServerBootstrap, WorkerPool

class Echo(ChannelInboundHandler):
    def channel_read(self, ctx, msg):
        ctx.write(msg)

logging.basicConfig(format="%(levelname)s %(message)s")
pool = WorkerPool(1)
loops = EventLoopGroup(1)

def stages(channel):
    channel.pipeline.add_last(Echo(), executor=pool)

server = ServerBootstrap(loops, initializer=stages)
port = int(server.bind("tcp://127.0.0.1:0").addresses[0].rpartition(":")[2])
client = socket.create_connection(("127.0.0.1", port), 10)
client.sendall(b"hello")
assert client.recv(5) == b"hello"

def late():
    client.sendall(b"hello")
    assert client.recv(5) == b""
    with socket.create_connection(("127.0.0.1", port), 10) as another:
        another.sendall(b"hello")
        assert another.recv(5) == b""

atexit.register(late)
"""


def test_stages_on_a_pool_end_quietly_while_the_interpreter_exits() -> None:
    program = [sys.executable, "-X", "dev", "-W", "error::DeprecationWarning", "-c", _UNTIL_THE_END]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stderr == ""
