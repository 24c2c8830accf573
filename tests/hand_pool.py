"""A pool that does its jobs when a test tells it to, and stages that write down what they hear."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from pipeline_net import ChannelDuplexHandler, ChannelHandlerContext, ChannelInboundHandler, PoolFullError
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]


class HandPool:
    """Does its jobs when it is told to, each on a thread of its own; may have no room."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self.is_full = False

    def submit(self, fn: Any, /, *args: Any) -> None:
        if self.is_full:
            raise PoolFullError("no room")
        self.jobs.append((fn, args))

    def work(self) -> int:
        """Do the jobs that are there, one after the other; how many there were."""
        jobs, self.jobs = self.jobs, []
        for fn, args in jobs:
            thread = threading.Thread(target=fn, args=args)
            thread.start()
            thread.join(10)
        return len(jobs)

    def finish(self, channel: EmbeddedChannel) -> None:
        """Let pool and loop work until neither has anything to do."""
        channel.run_pending()
        while self.work():
            channel.run_pending()


class ObligingPool(HandPool):
    """Takes what is owed also when it has no room, as a ``WorkerPool`` does."""

    def submit_anyway(self, fn: Any, /, *args: Any) -> None:
        self.jobs.append((fn, args))


class Lives(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Writes down what it hears of its life, and every message."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.threads: set[str] = set()

    def hear(self, what: str) -> None:
        self.log.append(what)
        self.threads.add(threading.current_thread().name)

    def handler_added(self, ctx: Ctx) -> None:
        self.hear("added")

    def channel_registered(self, ctx: Ctx) -> None:
        self.hear("registered")
        ctx.fire_channel_registered()

    def channel_active(self, ctx: Ctx) -> None:
        self.hear("active")
        ctx.fire_channel_active()

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        self.hear(msg)
        ctx.fire_channel_read(msg)

    def channel_read_complete(self, ctx: Ctx) -> None:
        self.hear("complete")
        ctx.fire_channel_read_complete()

    def user_event_triggered(self, ctx: Ctx, event: Any) -> None:
        self.hear(event)
        ctx.fire_user_event_triggered(event)

    def channel_inactive(self, ctx: Ctx) -> None:
        self.hear("inactive")
        ctx.fire_channel_inactive()

    def channel_unregistered(self, ctx: Ctx) -> None:
        self.hear("unregistered")
        ctx.fire_channel_unregistered()

    def handler_removed(self, ctx: Ctx) -> None:
        self.hear("removed")


class Hears(ChannelInboundHandler[Any, Any]):
    """Sits behind, and keeps what comes through."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        self.log.append(msg)

    def channel_read_complete(self, ctx: Ctx) -> None:
        self.log.append("complete")

    def channel_eof(self, ctx: Ctx) -> None:
        self.log.append("eof")

    def user_event_triggered(self, ctx: Ctx, event: Any) -> None:
        self.log.append(event)

    def exception_caught(self, ctx: Ctx, exc: BaseException) -> None:
        self.log.append(type(exc).__name__)

    def channel_inactive(self, ctx: Ctx) -> None:
        self.log.append("inactive")


def until(is_done: Callable[[], object]) -> None:
    """Wait until something has happened on other threads."""
    deadline = time.monotonic() + 30
    while not is_done() and time.monotonic() < deadline:
        time.sleep(0.002)
    assert is_done()
