"""Stages on a pool that goes away, is interrupted or full of others: each hears its end, in its turn."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from pipeline_net import (
    ChannelHandlerContext,
    ChannelInboundHandler,
    EventLoopGroup,
    ServerBootstrap,
    WorkerPool,
)
from pipeline_net.channel import Channel
from pipeline_net.testing import EmbeddedChannel

from .hand_pool import HandPool, Hears, Lives, until

Ctx = ChannelHandlerContext[Any, Any]
Log = list[str]

LIFE = ["added", "registered", "active", "inactive", "unregistered", "removed"]


def test_a_pool_of_somebody_else_that_is_full_loses_no_goodbye_either() -> None:
    pool, lives, behind = HandPool(), Lives(), Hears()
    channel = EmbeddedChannel()
    channel.pipeline.add_last(lives, executor=pool).add_last(behind)
    pool.finish(channel)
    channel.pipeline.fire_channel_read("one")
    pool.work()
    channel.pipeline.fire_channel_read("two")
    channel.abort()
    pool.is_full = True
    pool.finish(channel)
    assert lives.log == ["added", "one", "inactive", "unregistered", "removed"]
    assert behind.log == ["one", "PoolFullError", "inactive"]


@pytest.mark.parametrize("is_taken", [False, True], ids=["before it had the job", "after"])
def test_an_interrupt_while_the_pool_is_asked_neither_loses_nor_doubles_an_event(is_taken: bool) -> None:
    class Interrupted(HandPool):
        must_interrupt = False

        def submit(self, fn: Any, /, *args: Any) -> None:
            if self.must_interrupt:
                self.must_interrupt = False
                if is_taken:
                    super().submit(fn, *args)
                raise KeyboardInterrupt
            super().submit(fn, *args)

    pool, lives, behind = Interrupted(), Lives(), Hears()
    channel = EmbeddedChannel()
    channel.pipeline.add_last(lives, executor=pool).add_last(behind)
    pool.finish(channel)
    for is_first in (True, False):  # at an event, and when the loop asks again for what waits
        lives.log.clear()
        if is_first:
            pool.must_interrupt = True
            with pytest.raises(KeyboardInterrupt):
                channel.pipeline.fire_channel_read("one")
            channel.pipeline.fire_channel_read("two")
            channel.run_pending()
            assert len(pool.jobs) == 1 + is_taken  # of which one finds nothing to do
        else:
            channel.pipeline.fire_channel_read("one")
            pool.work()
            channel.pipeline.fire_channel_read("two")
            pool.must_interrupt = True
            with pytest.raises(KeyboardInterrupt):
                channel.run_pending()
        pool.finish(channel)
        assert lives.log == ["one", "two"]
    channel.finish()
    pool.finish(channel)
    assert lives.log[-1] == "removed"


class Throwing(HandPool):
    """Gives futures, and may throw away what it has taken."""

    def __init__(self) -> None:
        super().__init__()
        self.futures: list[Future[None]] = []

    def submit(self, fn: Any, /, *args: Any) -> Any:
        super().submit(fn, *args)
        self.futures.append(Future())
        return self.futures[-1]

    def throw_away(self) -> None:
        self.jobs.clear()
        for future in self.futures:
            future.cancel()


def test_a_pool_that_throws_away_what_it_has_taken_loses_no_goodbye() -> None:
    pool, lives, behind = Throwing(), Lives(), Hears()
    channel = EmbeddedChannel()
    channel.pipeline.add_last(lives, executor=pool).add_last(behind)
    channel.pipeline.fire_channel_read("lost")
    channel.pipeline.fire_channel_read_complete()
    pool.throw_away()
    channel.run_pending()
    assert lives.log == ["added", "complete"]
    assert behind.log == ["PipelineError", "complete"]
    assert channel.pipeline.names == ["lives", "hears"]


@pytest.mark.parametrize("make", [lambda: WorkerPool(1), lambda: ThreadPoolExecutor(1)], ids=["ours", "futures"])
def test_stages_hear_their_end_also_when_their_pool_was_released_before(
    make: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    pool = make()
    lives = Lives()

    def stages(channel: Channel) -> None:
        channel.pipeline.add_last(lives, executor=pool)

    with EventLoopGroup(1) as loops:
        server = ServerBootstrap(loops, initializer=stages).bind("tcp://127.0.0.1:0")
        port = int(server.addresses[0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 10):
            until(lambda: "active" in lives.log)
            pool.release() if isinstance(pool, WorkerPool) else pool.shutdown()
        until(lambda: "removed" in lives.log)
    assert lives.log == LIFE
    assert not any(name.startswith("MainThread") or name == "loop-1" for name in lives.threads)
    assert caplog.text == ""


def test_a_crowd_that_leaves_at_once_is_bid_farewell_on_a_small_pool() -> None:
    counts = {"added": 0, "inactive": 0, "removed": 0}

    class Stage(ChannelInboundHandler[Any, Any]):
        def handler_added(self, ctx: Ctx) -> None:
            counts["added"] += 1  # on the one thread that there is

        def channel_inactive(self, ctx: Ctx) -> None:
            counts["inactive"] += 1
            ctx.fire_channel_inactive()

        def handler_removed(self, ctx: Ctx) -> None:
            counts["removed"] += 1

    may_go_on = threading.Event()
    with WorkerPool(1, 2) as pool, EventLoopGroup(1) as loops:
        server = ServerBootstrap(
            loops, initializer=lambda channel: channel.pipeline.add_last(Stage(), executor=pool)
        ).bind("tcp://127.0.0.1:0")
        port = int(server.addresses[0].rpartition(":")[2])
        pool.submit(may_go_on.wait, 60)
        peers = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(60)]
        until(lambda: len(server.channels) == 60)
        for peer in peers:
            peer.close()
        may_go_on.set()
        until(lambda: counts["removed"] == 60)
    assert counts == {"added": 60, "inactive": 60, "removed": 60}


# -- bounds -----------------------------------------------------------------------------------------


def test_what_comes_while_a_stage_is_about_to_leave_pauses_reading_too() -> None:
    begun, may_end = threading.Event(), threading.Event()

    class Slow(ChannelInboundHandler[Any, Any]):
        def channel_read(self, ctx: Ctx, msg: Any) -> None:
            begun.set()
            may_end.wait(10)

    pool = HandPool()
    channel = EmbeddedChannel()
    channel.pipeline.add_last(Slow(), executor=pool)
    channel.pipeline.fire_channel_read(0)
    fn, args = pool.jobs.pop()
    thread = threading.Thread(target=fn, args=args)
    thread.start()
    begun.wait(10)
    channel.pipeline.remove(Slow)
    channel.write_inbound(*range(1, 100))
    assert not channel.wants_to_read
    may_end.set()
    thread.join(10)
    pool.finish(channel)
    assert channel.inbound == list(range(1, 100))
    assert channel.wants_to_read


def test_the_stages_before_it_hear_of_their_end_after_the_one_on_the_pool() -> None:
    log: Log = []

    class Leaves(ChannelInboundHandler[Any, Any]):
        def __init__(self, name: str) -> None:
            self.name = name

        def handler_removed(self, ctx: Ctx) -> None:
            log.append(self.name)

    pool = HandPool()
    channel = EmbeddedChannel(Leaves("first"))
    channel.pipeline.add_last(Leaves("second"), executor=pool)
    channel.pipeline.add_last(Leaves("third"), executor=pool).add_last(Leaves("fourth"))
    channel.finish()
    pool.finish(channel)
    assert log == ["fourth", "third", "second", "first"]


def test_two_stages_at_work_while_their_loop_stops_both_get_their_goodbye() -> None:
    begun, may_end = threading.Semaphore(0), threading.Event()

    class Starts(ChannelInboundHandler[Any, Any]):
        def channel_active(self, ctx: Ctx) -> None:
            ctx.fire_user_event_triggered("work")
            ctx.fire_channel_active()

    class Works(Lives):
        def user_event_triggered(self, ctx: Ctx, event: Any) -> None:
            ctx.fire_user_event_triggered(event)
            begun.release()
            may_end.wait(10)

    stages = [Works(), Works(), Lives()]
    with ThreadPoolExecutor(2) as pool:
        with EventLoopGroup(1) as loops:

            def seat(channel: Channel) -> None:
                channel.pipeline.add_last(Starts()).add_last(*stages[:2], executor=pool).add_last(stages[2])

            server = ServerBootstrap(loops, initializer=seat).bind("tcp://127.0.0.1:0")
            port = int(server.addresses[0].rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), 10):
                assert begun.acquire(timeout=10)
                assert begun.acquire(timeout=10)
                loops.shutdown(0.1)
        may_end.set()
        until(lambda: all(stage.log[-1:] == ["removed"] for stage in stages))
    assert [stage.log[-3:] for stage in stages] == [["inactive", "unregistered", "removed"]] * 3
