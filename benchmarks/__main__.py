"""The command line: which rows, how long, which interpreters."""

from __future__ import annotations

import argparse
import sys
import time

from attrs import frozen

from benchmarks import report
from benchmarks.build import HERE, BenchmarkError, generator
from benchmarks.compare import Contest, Outcome, expected_seconds
from benchmarks.ending import stopped_gently
from benchmarks.process import Cores, Python, interpreter_of
from benchmarks.rows import ROWS, Row, is_chosen
from benchmarks.size import SIZES, Setting, Size, SizeRow
from benchmarks.versions import versions

_SIZE_SECONDS = {"size-connections": 6, "size-tls": 8, "size-timers": 3, "size-linear": 4, "size-import": 3}


@frozen
class Choices:
    rows: str  # globs of keys, with commas
    rounds: int
    seconds: float
    python: str
    pure_python: str


def parse(arguments: list[str]) -> Choices:
    parser = argparse.ArgumentParser(prog="benchmarks", description="The claims about speed and size, measured here.")
    parser.add_argument("--row", default="*", metavar="GLOB", help="only rows with such keys; several with commas")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each contender (default 5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one measurement (default 1)")
    parser.add_argument("--quick", action="store_true", help="3 rounds of half a second: a look, not a result")
    parser.add_argument("--python", help="interpreter of servers and peers (default: .venv-compiled, or this one)")
    parser.add_argument("--pure-python", help="interpreter with the pure build (default: .venv, or this one)")
    chosen = parser.parse_args(arguments)
    if chosen.rounds < 1 or chosen.seconds <= 0:
        parser.error("rounds must be at least 1, and seconds above 0")
    keys = [row.key for row in (*ROWS, *SIZES)]
    if not any(is_chosen(key, chosen.row) for key in keys):
        parser.error(f"no row is called {chosen.row!r}; there are {', '.join(keys)}")
    root = HERE.parent
    return Choices(
        rows=chosen.row,
        rounds=3 if chosen.quick else chosen.rounds,
        seconds=0.5 if chosen.quick else chosen.seconds,
        python=interpreter_of(chosen.python, root / ".venv-compiled"),
        pure_python=interpreter_of(chosen.pure_python, root / ".venv"),
    )


def main(arguments: list[str]) -> int:
    """Run the rows; 1 when something of ours could not be measured.  A slow result is a result, and so is a peer that
    is missing.
    """
    choices = parse(arguments)
    cores = Cores.choose()
    python, pure = Python.examine(choices.python), Python.examine(choices.pure_python)
    print(f"servers: core {cores.server}, {python.path} ({python.build}); pure: {pure.path} ({pure.build})")
    print(f"load: core {cores.load}; {choices.rounds} interleaved rounds of {choices.seconds:g} s")
    if cores.server == cores.load:
        print("!! one core for servers and load: ratios are flattened")
    if python.build != "compiled":
        print(f"!! the targets are for the compiled build; this one is {python.build}")
    rows = [row for row in ROWS if is_chosen(row.key, choices.rows)]
    size_rows = [row for row in SIZES if is_chosen(row.key, choices.rows)]
    expected = expected_seconds(rows, choices.rounds, choices.seconds)
    expected += sum(_SIZE_SECONDS[row.key] for row in size_rows)
    print(f"{len(rows) + len(size_rows)} rows, about {expected / 60:.0f} min {expected % 60:.0f} s", flush=True)
    try:
        generator("raw")
    except BenchmarkError as exc:
        print(exc, file=sys.stderr)
        return 1

    started = time.monotonic()
    outcomes = _measure_rows(rows, Contest(cores, python, pure, choices.rounds, choices.seconds))
    sizes, problems = _measure_sizes(size_rows, Setting(python, cores))
    report.print_summary(outcomes, sizes)
    report.print_missing(outcomes)
    facts = {
        "python": {"path": python.path, "build": python.build, "version": python.version},
        "pure_python": {"path": pure.path, "build": pure.build},
        "versions": versions(python),
        "rounds": choices.rounds,
        "seconds": choices.seconds,
        "size_problems": problems,
    }
    print(f"\nwritten: {report.write_json(facts, outcomes, sizes)}, after {time.monotonic() - started:.0f} s")
    if len(rows) == len(ROWS):
        print("`make bench-pages` takes this run, and the last one of `make bench-scale`, into README and manual")
    failed = [name for outcome in outcomes for name in outcome.problems if name.startswith("pipeline_net")]
    return 1 if problems or failed else 0


def _measure_rows(rows: list[Row], contest: Contest) -> list[Outcome]:
    outcomes = []
    for number, row in enumerate(rows, 1):
        print(f"\n[{number}/{len(rows)}] {row.key}: {', '.join(one.name for one in row.contenders)}", flush=True)
        outcomes.append(contest.run(row))
        report.print_outcome(outcomes[-1])
        sys.stdout.flush()
    return outcomes


def _measure_sizes(rows: list[SizeRow], setting: Setting) -> tuple[list[tuple[str, Size]], dict[str, str]]:
    sizes: list[tuple[str, Size]] = []
    problems: dict[str, str] = {}
    for row in rows:
        found: list[Size] = []
        try:
            found = row.measure(setting)
        except (BenchmarkError, OSError) as exc:
            problems[row.name] = f"{type(exc).__name__}: {exc}"
        report.print_sizes(row.name, found, problems.get(row.name, ""))
        sizes += [(row.name, size) for size in found]
        sys.stdout.flush()
    return sizes, problems


if __name__ == "__main__":
    sys.exit(stopped_gently(main, sys.argv[1:]))
