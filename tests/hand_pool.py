"""A pool that does its jobs when a test tells it to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from pipeline_net import PoolFullError
from pipeline_net.testing import EmbeddedChannel


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
