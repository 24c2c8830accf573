"""How cost, memory and latency grow: ``python benchmarks/run.py scale``, or ``make bench-scale``.

Each curve (``curves.py``) is measured in interleaved rounds, as the rows of the speed table are.  A closed loop always
keeps a server busy, so with n connections a reply takes about n times what one message costs: latencies are compared
with those of the others at the same point, not with those of the point before.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any, Final

import attrs
from attrs import Factory, define, frozen

from benchmarks import report
from benchmarks.build import HERE, BenchmarkError
from benchmarks.compare import CROWDED
from benchmarks.contenders import Contender
from benchmarks.curves import CURVES, Curve
from benchmarks.ending import stopped_gently
from benchmarks.load import Driver
from benchmarks.process import (
    Cores,
    Python,
    ServerProcess,
    allow_descriptors,
    held_by_others,
    interpreter_of,
)
from benchmarks.rows import is_chosen
from benchmarks.versions import versions

_MEMORY_FROM: Final = 1000  # connections; below, what one takes is lost among the server's own pages
_OVERHEAD: Final = 0.45  # seconds of one measurement beside the measured ones
_STARTING: Final = 1.5  # seconds to start and prime a server


@frozen
class Point:
    """One contender at one place of a curve: medians of its rounds."""

    at: int
    rate: float
    cpu_us: float  # of the server, per message
    p50_us: float
    p99_us: float
    p99_9_us: float
    kib: float | None  # of memory per connection, above what the server had without; None where it is not looked at
    busy: float  # share of its core that the generator used
    waited: float  # share of the time that the server, or the load, was ready, but its core ran somebody else


@define
class CurveOutcome:
    curve: Curve
    points: dict[str, list[Point]] = Factory(dict)
    problems: dict[str, str] = Factory(dict)


@define
class _Server:
    """A running contender, and what it took before anybody connected."""

    process: ServerProcess
    empty_bytes: int


class Scale:
    """Measures curves."""

    def __init__(self, cores: Cores, python: Python, rounds: int, seconds: float) -> None:
        self._cores = cores
        self._python = python
        self._rounds = rounds
        self._seconds = seconds
        self._driver = Driver(cores.load)

    def run(self, curve: Curve) -> CurveOutcome:
        outcome = CurveOutcome(curve)
        allow_descriptors(max(curve.load_at(point).connections for point in curve.points))
        with ExitStack() as running:
            servers: list[_Server] = []
            for point in curve.points:
                if curve.restarts or not servers:
                    running.close()
                    servers = self._start_all(curve, point, running, outcome)
                self._measure(curve, point, servers, outcome)
        return outcome

    def _start_all(self, curve: Curve, point: int, running: ExitStack, outcome: CurveOutcome) -> list[_Server]:
        cores: int | str = self._cores.server
        if curve.all_cores:
            others = sorted(os.sched_getaffinity(0) - {self._cores.load})
            cores = ",".join(map(str, others if len(others) > 1 else sorted({*others, self._cores.load})))
        servers = []
        for contender in curve.contenders_at(point):
            if contender.name in outcome.problems:
                continue
            try:
                servers.append(self._start(contender, curve, cores, running))
            except BenchmarkError as exc:
                outcome.problems[contender.name] = str(exc)
        return servers

    def _start(self, contender: Contender, curve: Curve, cores: int | str, running: ExitStack) -> _Server:
        python = None if contender.interpreter == "none" else self._python
        process = running.enter_context(ServerProcess(contender, python, cores))
        self._driver.load(curve.prime, process.port, 0.3)
        if contender.warm_up:
            self._driver.load(curve.load_at(curve.points[0]), process.port, contender.warm_up)
        return _Server(process, process.resident_bytes())

    def _measure(self, curve: Curve, point: int, servers: list[_Server], outcome: CurveOutcome) -> None:
        found: dict[str, list[Point]] = {}
        for _ in range(self._rounds):
            for server in servers:
                name = server.process.contender.name
                if name in outcome.problems:
                    continue
                try:
                    found.setdefault(name, []).append(self._sample(curve, point, server))
                except (BenchmarkError, OSError) as exc:
                    outcome.problems[name] = f"at {point} {curve.grows}: {exc}"
        for name, samples in found.items():
            if name not in outcome.problems:
                outcome.points.setdefault(name, []).append(middle(samples))

    def _sample(self, curve: Curve, point: int, server: _Server) -> Point:
        process, load = server.process, curve.load_at(point)
        process.check_alive()
        process.forget_peak()
        cpu, threads, wall = process.cpu_seconds(), process.threads(), time.monotonic()
        figures = self._driver.load(load, process.port, self._seconds)
        wall, cpu = time.monotonic() - wall, process.cpu_seconds() - cpu
        waited = held_by_others(threads, process.threads()) / wall
        kib = None
        if curve.shows_memory and load.connections >= _MEMORY_FROM:
            kib = (process.peak_bytes() - server.empty_bytes) / load.connections / 1024
        return Point(
            at=point,
            rate=figures.rate,
            cpu_us=cpu / figures.total * 1e6,
            p50_us=figures.p50_us,
            p99_us=figures.p99_us,
            p99_9_us=figures.p99_9_us,
            kib=kib,
            busy=figures.busy,
            waited=max(waited, figures.waited),
        )


def middle(samples: Sequence[Point]) -> Point:
    """The median of each figure."""
    kibs = [sample.kib for sample in samples if sample.kib is not None]
    figures = {
        name: median(getattr(sample, name) for sample in samples)
        for name in ("rate", "cpu_us", "p50_us", "p99_us", "p99_9_us", "busy", "waited")
    }
    return Point(at=samples[0].at, kib=median(kibs) if kibs else None, **figures)


def print_curve(outcome: CurveOutcome) -> None:
    print(f"\n{outcome.curve.title}")
    columns = f"{'msg/s':>12}{'CPU us/msg':>12}{'p50 us':>11}{'p99 us':>11}{'p99.9 us':>11}{'KiB/conn':>10}"
    for name, points in outcome.points.items():
        print(f"  {name:14}{outcome.curve.grows:>34}{columns}")
        for point in points:
            kib = "" if point.kib is None else f"{point.kib:.1f}"
            crowded = "  (crowded)" if point.waited > CROWDED else ""
            print(
                f"  {'':14}{point.at:34,}{point.rate:12,.0f}{point.cpu_us:12.2f}{point.p50_us:11,.0f}"
                f"{point.p99_us:11,.0f}{point.p99_9_us:11,.0f}{kib:>10}{crowded}"
            )
    for name, problem in outcome.problems.items():
        print(f"  {name:14}not measured: {problem}")


def expected_seconds(curves: Sequence[Curve], rounds: int, seconds: float) -> float:
    """About how long the curves will take."""
    total = 0.0
    for curve in curves:
        for number, point in enumerate(curve.points):
            contenders = curve.contenders_at(point)
            connecting = curve.load_at(point).connections * 3e-4  # to open them, and until all are accepted
            total += len(contenders) * rounds * (seconds + _OVERHEAD + connecting)
            if number == 0 or curve.restarts:
                total += sum(_STARTING + contender.warm_up for contender in contenders)
    return total


def main(arguments: list[str]) -> int:
    """Measure the curves; 1 when something of ours could not be measured."""
    parser = argparse.ArgumentParser(prog="benchmarks.scale", description="How cost, memory and latency grow.")
    parser.add_argument("--row", default="*", metavar="GLOB", help=", ".join(curve.key for curve in CURVES))
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each point (default 3)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one measurement (default 1)")
    parser.add_argument("--python", help="interpreter of servers and peers (default: .venv-compiled, or this one)")
    chosen = parser.parse_args(arguments)
    curves = [curve for curve in CURVES if is_chosen(curve.key, chosen.row)]
    if not curves or chosen.rounds < 1 or chosen.seconds <= 0:
        parser.error("no such curve, or no round, or no time")
    cores = Cores.choose()
    python = Python.examine(interpreter_of(chosen.python, HERE.parent / ".venv-compiled"))
    print(f"servers: core {cores.server}, {python.path} ({python.build}); load: core {cores.load}")
    expected = expected_seconds(curves, chosen.rounds, chosen.seconds)
    print(f"{len(curves)} curves, about {expected // 60:.0f} min {expected % 60:.0f} s", flush=True)
    scale = Scale(cores, python, chosen.rounds, chosen.seconds)
    outcomes = []
    for number, curve in enumerate(curves, 1):
        print(f"\n[{number}/{len(curves)}] {curve.key}: {', '.join(map(str, curve.points))} {curve.grows}", flush=True)
        outcomes.append(scale.run(curve))
        print_curve(outcomes[-1])
    facts = {"python": {"build": python.build, "version": python.version}, "versions": versions(python)}
    settings = {"rounds": chosen.rounds, "seconds": chosen.seconds}
    written = report.write_document("scale", {**facts, **settings, "curves": [as_data(one) for one in outcomes]})
    print(f"\nwritten: {written}")
    return 1 if any(name.startswith("pipeline_net") for outcome in outcomes for name in outcome.problems) else 0


def as_data(outcome: CurveOutcome) -> dict[str, Any]:
    curve = outcome.curve
    return {
        "key": curve.key,
        "title": curve.title,
        "grows": curve.grows,
        "points": {name: [attrs.asdict(point) for point in points] for name, points in outcome.points.items()},
        "problems": outcome.problems,
    }


if __name__ == "__main__":
    sys.exit(stopped_gently(main, sys.argv[1:]))
