"""Outcomes as tables for people, and as JSON for later."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

import attrs

from benchmarks.build import HERE
from benchmarks.compare import CROWDED, SATURATED, Comparison, Outcome, Sample, Spread, fills_load, waiting
from benchmarks.size import Size

RESULTS: Final = HERE / "results"
_NAME: Final = 31  # letters of the longest name of a contender, and one


def print_outcome(outcome: Outcome) -> None:
    unit = "MB/s" if outcome.row.in_megabytes else "msg/s"
    print(f"\n{outcome.row.name}")
    columns = f"{'CPU us/msg':>11}{'p50 us':>9}{'p99 us':>9}{'p99.9':>9}{'core':>7}{'load':>7}{'/read':>7}"
    print(f"  {'':{_NAME}}{unit:>10}  {'(min-max)':21}{columns}")
    for contender in outcome.row.contenders:
        samples = outcome.samples.get(contender.name)
        if samples:
            print(f"  {contender.name:{_NAME}}{_measured(samples, outcome.row.in_megabytes)}")
        if contender.name in outcome.problems:
            print(f"  {contender.name:{_NAME}}  not measured: {outcome.problems[contender.name]}")
    for found in outcome.comparisons():
        target = found.target
        asked = f"must {target.must:g}, aim {target.aim:g}"
        if found.ratio is None or found.rounds is None or found.cpu_ratio is None:
            print(f"  -> {target.subject} / {target.against}: {found.verdict} ({asked})")
            continue
        spread = f"({found.rounds.low:.2f}-{found.rounds.high:.2f}), by CPU {found.cpu_ratio:.2f}"
        print(f"  -> {target.subject} / {target.against}: {found.ratio:.2f} {spread}; {asked}: {_judged(found)}")
    for remark in remarks(outcome):
        print(f"  !! {remark}")


def remarks(outcome: Outcome) -> list[str]:
    """What keeps the rates of a row from being taken at their word."""
    said = []
    for name, samples in outcome.samples.items():
        if fills_load(samples):
            share = median(sample.share for sample in samples)
            meaning = "a faster server would hardly show" if share >= SATURATED else "the server could do more"
            said.append(f"{name}: the load generator used its whole core; {meaning}")
        if (waited := waiting(samples)) > CROWDED:
            said.append(f"{name}: others held its core, or the load's, {waited:.0%} of the time: trust CPU per message")
    return said


def _judged(found: Comparison) -> str:
    doubts = [said for said, is_so in (("crowded cores", found.crowded), ("load full", found.load_full)) if is_so]
    return f"{found.verdict} (unsure: {', '.join(doubts)})" if doubts else found.verdict


def _told(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _measured(samples: Sequence[Sample], in_megabytes: bool) -> str:
    rate = Spread.of([sample.megabytes if in_megabytes else sample.rate for sample in samples])
    spread = f"({rate.low:,.0f}-{rate.high:,.0f})"
    return (
        f"{rate.middle:10,.0f}  {spread:21}{median(s.cpu_us for s in samples):11.2f}"
        f"{median(s.p50_us for s in samples):9,.0f}{median(s.p99_us for s in samples):9,.0f}"
        f"{_latency(median(s.p99_9_us for s in samples)):>9}"
        f"{median(s.share for s in samples):7.0%}{median(s.busy for s in samples):7.0%}"
        f"{median(s.per_read for s in samples):7.1f}"
    )


def _latency(us: float) -> str:
    return f"{us:,.0f}" if us else "-"  # redis-benchmark and wrk do not tell


def print_sizes(name: str, sizes: Sequence[Size], problem: str) -> None:
    print(f"\n{name}")
    for size in sizes:
        spread = f"({size.value.low:.2f}-{size.value.high:.2f})"
        print(f"  {size.figure:58}{size.value.middle:8.2f} {size.unit:4}{spread:16} must {size.must:g}: {size.verdict}")
    if problem:
        print(f"  not measured: {problem}")


def print_summary(outcomes: Sequence[Outcome], sizes: Sequence[tuple[str, Size]]) -> None:
    columns = f"{'must':>6}{'aim':>6}{'ratio':>7}{'by CPU':>8}{'floor':>7}{'by CPU':>8}"
    print(f"\n{'work':46}{'subject / against':40}{columns}  verdict")
    for outcome in outcomes:
        for found in outcome.comparisons():
            target = found.target
            pair = f"{target.subject} / {target.against}"
            figures = f"{target.must:>6.2f}{target.aim:>6.2f}{_told(found.ratio):>7}{_told(found.cpu_ratio):>8}"
            floor = f"{_told(found.floor):>7}{_told(found.floor_cpu):>8}"
            print(f"{outcome.row.name:46}{pair:40}{figures}{floor}  {_judged(found)}")
    for name, size in sizes:
        print(f"{name:50}{size.figure:58}<= {size.must:g}: {size.value.middle:.2f} {size.unit}  {size.verdict}")
    if any(found.floor is not None for outcome in outcomes for found in outcome.comparisons()):
        print('floor: what "epoll in C", which does nothing, is of the same peer; on epoll nobody does much better')


def print_missing(outcomes: Sequence[Outcome]) -> None:
    """Who was to be measured and was not: a table without a peer must not look as if nobody had thought of it."""
    missing = {
        (name, problem.partition("\n")[0]): None for outcome in outcomes for name, problem in outcome.problems.items()
    }
    if missing:
        print("\nnot measured:")
    for name, problem in missing:
        print(f"  {name}: {problem}")


def write_json(facts: dict[str, Any], outcomes: Sequence[Outcome], sizes: Sequence[tuple[str, Size]]) -> Path:
    return write_document(
        "speed",
        {
            **facts,
            "rows": [_row(outcome) for outcome in outcomes],
            "sizes": [{"row": name, **attrs.asdict(size), "verdict": size.verdict} for name, size in sizes],
        },
    )


def write_document(kind: str, found: dict[str, Any]) -> Path:
    """Keep what was found, with the hour and the machine, under ``benchmarks/results``."""
    now = datetime.now(UTC)
    machine = {"system": platform.platform(), "cores": os.cpu_count(), "processor": _processor()}
    document = {"at": now.isoformat(timespec="seconds"), "machine": machine, **found}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{kind}-{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def _row(outcome: Outcome) -> dict[str, Any]:
    return {
        "key": outcome.row.key,
        "name": outcome.row.name,
        "contenders": [contender.name for contender in outcome.row.contenders],
        "in_megabytes": outcome.row.in_megabytes,
        "load": attrs.asdict(outcome.row.load),
        "samples": {name: [attrs.asdict(sample) for sample in found] for name, found in outcome.samples.items()},
        "problems": outcome.problems,
        "comparisons": [{**attrs.asdict(found), "verdict": found.verdict} for found in outcome.comparisons()],
        "remarks": remarks(outcome),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
