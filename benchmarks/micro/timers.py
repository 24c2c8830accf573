"""100 000 timers of one loop: what scheduling and cancelling one costs, in µs."""

from __future__ import annotations

import json
import random
import threading
import time
from typing import Final

from pipeline_net import EventLoop, EventLoopGroup

_TIMERS: Final = 100_000
_ROUNDS: Final = 5
_PATIENCE: Final = 60.0  # seconds for all rounds


def nothing() -> None:
    """What the timers would run; they are all cancelled before."""


class Measurement:
    """Runs on the loop's own thread, where users' handlers schedule: no lock and no wake-up is measured."""

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop
        self.scheduled: list[float] = []
        self.cancelled: list[float] = []
        self.finished = threading.Event()

    def run(self) -> None:
        try:
            for seed in range(_ROUNDS):
                self._round(random.Random(seed))
        finally:
            self.finished.set()

    def _round(self, chance: random.Random) -> None:
        delays = [chance.uniform(60.0, 600.0) for _ in range(_TIMERS)]
        schedule = self._loop.schedule
        started = time.perf_counter()
        handles = [schedule(delay, nothing) for delay in delays]
        self.scheduled.append((time.perf_counter() - started) / _TIMERS * 1e6)
        chance.shuffle(handles)
        started = time.perf_counter()
        for handle in handles:
            handle.cancel()
        self.cancelled.append((time.perf_counter() - started) / _TIMERS * 1e6)


def main() -> None:
    with EventLoopGroup(1) as loops:
        loops.start()
        loop = loops.next()
        measurement = Measurement(loop)
        loop.execute(measurement.run)
        if not measurement.finished.wait(_PATIENCE) or len(measurement.cancelled) < _ROUNDS:
            raise SystemExit("the measurement did not finish")
    print(json.dumps({"schedule": measurement.scheduled, "cancel": measurement.cancelled}))


if __name__ == "__main__":
    main()
