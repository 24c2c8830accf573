"""Contenders side by side: interleaved rounds, medians, ratios, verdicts."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median
from typing import Final, Literal

from attrs import Factory, define, evolve, frozen

from benchmarks.build import BenchmarkError
from benchmarks.contenders import FLOORS, Contender
from benchmarks.load import Driver
from benchmarks.process import Cores, Python, Restless, ServerProcess, held_by_others
from benchmarks.rows import Load, Row, Target

Verdict = Literal["falls short", "meets", "reaches the aim", "not measured"]

_OVERHEAD: Final = 0.35  # seconds of one measurement beside the measured ones: warming up, and ending
_STARTING: Final = 1.7  # seconds to start and prime one server
SATURATED: Final = 0.95  # of a core; a generator that busy measures itself
CROWDED: Final = 0.05  # of the time spent waiting for a core: identical servers then differ by 10 % and more


@frozen
class Sample:
    """One contender, one round."""

    rate: float
    megabytes: float
    cpu_us: float  # of the server, user and system, per message
    share: float  # of its core that the server used
    waited: float  # share of the time that the server was ready, but its core ran somebody else
    p50_us: float
    p99_us: float
    p99_9_us: float  # 0 for redis-benchmark and wrk, which do not tell
    busy: float  # share of its core that the generator used
    per_read: float  # replies that one recv of the generator brought, on average; 0 for redis-benchmark
    load_waited: float  # as waited, for the generator


@frozen
class Spread:
    """The median of some rounds, and how far they were apart."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(median(values), min(values), max(values))


@frozen
class Comparison:
    """What a target asked, and what was found; ``ratio`` is None when one of the two did not run."""

    target: Target
    ratio: float | None
    rounds: Spread | None  # the ratios of the single rounds
    cpu_ratio: float | None  # the other's CPU time per message / the subject's: the steadiest figure
    crowded: bool  # other processes held the cores: the verdict may be their doing
    load_full: bool = False  # the generator's core was full with one of both: the ratio of rates is flattened
    floor: float | None = None  # what a server that does nothing is of the other, by rate; None where there is none
    floor_cpu: float | None = None  # the same by CPU time: no subject's cpu_ratio can be more

    @property
    def verdict(self) -> Verdict:
        if self.ratio is None:
            return "not measured"
        if self.ratio >= self.target.aim:
            return "reaches the aim"
        return "meets" if self.ratio >= self.target.must else "falls short"


def fills_load(samples: list[Sample]) -> bool:
    """Whether the generator's core was full, so that a quicker server would hardly show."""
    return median(sample.busy for sample in samples) >= SATURATED


def waiting(samples: list[Sample]) -> float:
    """Share of the time that the server or the generator was ready, but its core ran somebody else."""
    return median(max(sample.waited, sample.load_waited) for sample in samples)


@define
class Outcome:
    row: Row
    samples: dict[str, list[Sample]] = Factory(dict)
    problems: dict[str, str] = Factory(dict)  # contenders that did not run, or not to the end, and why

    def comparisons(self) -> list[Comparison]:
        return [self._compare(target) for target in self.row.targets]

    def _compare(self, target: Target) -> Comparison:
        ours, theirs = self.samples.get(target.subject, []), self.samples.get(target.against, [])
        if not ours or not theirs or target.subject in self.problems or target.against in self.problems:
            return Comparison(target, None, None, None, crowded=False)
        floor, floor_cpu = self._floor(theirs)
        return Comparison(
            target,
            median(sample.rate for sample in ours) / median(sample.rate for sample in theirs),
            Spread.of([a.rate / b.rate for a, b in zip(ours, theirs, strict=True)]),
            median(sample.cpu_us for sample in theirs) / max(median(sample.cpu_us for sample in ours), 1e-9),
            crowded=max(waiting(ours), waiting(theirs)) > CROWDED,
            load_full=fills_load(ours) or fills_load(theirs),
            floor=floor,
            floor_cpu=floor_cpu,
        )

    def _floor(self, theirs: list[Sample]) -> tuple[float | None, float | None]:
        """What the server that does nothing is of another, by rate and by CPU time, where the row has one."""
        for name in FLOORS:
            found = self.samples.get(name, [])
            if found and name not in self.problems:
                return (
                    median(one.rate for one in found) / median(one.rate for one in theirs),
                    median(one.cpu_us for one in theirs) / max(median(one.cpu_us for one in found), 1e-9),
                )
        return None, None


def expected_seconds(rows: Sequence[Row], rounds: int, seconds: float) -> float:
    """About how long the rows will take."""
    contenders = [contender for row in rows for contender in row.contenders]
    return sum(_STARTING + contender.warm_up + rounds * (seconds + _OVERHEAD) for contender in contenders)


def as_loaded(row: Row, contender: Contender) -> Row:
    """The row with the load that this contender gets: a floor gets the same bytes in a protocol that it knows."""
    if contender.speaks is None or not isinstance(row.load, Load):
        return row
    return evolve(row, load=evolve(row.load, mode=contender.speaks))


def show_progress(text: str) -> None:
    """Say on a terminal what is being done, in a line that the next call overwrites; elsewhere, say nothing."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


class Contest:
    """Runs rows: all servers of a row live at once (idle ones cost nothing) and take turns under the load."""

    def __init__(self, cores: Cores, python: Python, pure: Python, rounds: int, seconds: float) -> None:
        self._cores = cores
        self._python = python
        self._pure = pure
        self._rounds = rounds
        self._seconds = seconds
        self._driver = Driver(cores.load)

    def run(self, row: Row) -> Outcome:
        outcome = Outcome(row)
        with ExitStack() as running:
            if row.half_core:
                running.enter_context(Restless(self._cores.server))
            servers: list[ServerProcess] = []
            rates: dict[str, float] = {}
            for contender in row.contenders:
                show_progress(f"{contender.name}: starting, warming up")
                try:
                    server = running.enter_context(self._start(contender))
                    rates[contender.name] = self._driver.prime(
                        as_loaded(row, contender), server.port, contender.warm_up
                    )
                    servers.append(server)
                except (BenchmarkError, OSError) as exc:
                    outcome.problems[contender.name] = str(exc)
            for number in range(1, self._rounds + 1):
                for server in servers:
                    name = server.contender.name
                    if name in outcome.problems:
                        continue
                    show_progress(f"round {number} of {self._rounds}: {name}")
                    try:
                        sample = self._sample(row, server, rates[name])
                        outcome.samples.setdefault(name, []).append(sample)
                        rates[name] = sample.rate
                    except (BenchmarkError, OSError) as exc:  # what it left in /proc may be gone with it
                        outcome.problems[name] = str(exc)
            show_progress("")
        return outcome

    def _start(self, contender: Contender) -> ServerProcess:
        if contender.interpreter == "none":
            return ServerProcess(contender, None, self._cores.server)
        python = self._pure if contender.interpreter == "pure" else self._python
        if contender.interpreter == "pure" and python.build != "pure":
            raise BenchmarkError(f"{python.path} has no pure build: {python.build}")
        return ServerProcess(contender, python, self._cores.server)

    def _sample(self, row: Row, server: ServerProcess, rate: float) -> Sample:
        server.check_alive()
        load = as_loaded(row, server.contender).load
        cpu, threads, wall = server.cpu_seconds(), server.threads(), time.monotonic()
        figures = self._driver.measure(load, server.port, self._seconds, rate)
        wall, cpu = time.monotonic() - wall, server.cpu_seconds() - cpu
        # With half a core it waits for the other half, which is meant.
        waited = 0.0 if row.half_core else held_by_others(threads, server.threads())
        return Sample(
            rate=figures.rate,
            megabytes=figures.megabytes,
            cpu_us=cpu / figures.total * 1e6,
            share=cpu / wall,
            waited=waited / wall,
            p50_us=figures.p50_us,
            p99_us=figures.p99_us,
            p99_9_us=figures.p99_9_us,
            busy=figures.busy,
            per_read=figures.per_read,
            load_waited=figures.waited,
        )
