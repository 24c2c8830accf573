"""The command line: which rows, how long, which interpreters."""

from __future__ import annotations

import argparse
import re
import sys

from attrs import frozen

from benchmarks import load, report
from benchmarks.compare import Contest, Outcome
from benchmarks.process import HERE, BenchmarkError, Cores, Python, interpreter_of
from benchmarks.rows import ROWS, Load
from benchmarks.size import SIZES, Setting, Size


@frozen
class Choices:
    rows: re.Pattern[str]
    rounds: int
    seconds: float
    python: str
    pure_python: str


def parse(arguments: list[str]) -> Choices:
    parser = argparse.ArgumentParser(prog="benchmarks", description="The claims about speed and size, measured here.")
    parser.add_argument("--rows", default="", metavar="REGEX", help="only rows whose name this finds (any case)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each contender (default 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement (default 2)")
    parser.add_argument("--quick", action="store_true", help="3 rounds of half a second: a look, not a result")
    parser.add_argument("--python", help="interpreter of servers and peers (default: .venv-compiled, or this one)")
    parser.add_argument("--pure-python", help="interpreter with the pure build (default: .venv, or this one)")
    chosen = parser.parse_args(arguments)
    if chosen.rounds < 1 or chosen.seconds <= 0:
        parser.error("rounds must be at least 1, and seconds above 0")
    root = HERE.parent
    return Choices(
        rows=re.compile(chosen.rows, re.IGNORECASE),
        rounds=3 if chosen.quick else chosen.rounds,
        seconds=0.5 if chosen.quick else chosen.seconds,
        python=interpreter_of(chosen.python, root / ".venv-compiled"),
        pure_python=interpreter_of(chosen.pure_python, root / ".venv"),
    )


def main(arguments: list[str]) -> int:
    """Run the rows; 1 when anything could not be measured (a slow result is a result)."""
    choices = parse(arguments)
    cores = Cores.choose()
    python, pure = Python.examine(choices.python), Python.examine(choices.pure_python)
    print(f"servers: core {cores.server}, {python.path} ({python.build}); pure: {pure.path} ({pure.build})")
    print(f"load: core {cores.load}; {choices.rounds} interleaved rounds of {choices.seconds:g} s")
    if cores.server == cores.load:
        print("!! one core for servers and load: ratios are flattened")
    if python.build != "compiled":
        print(f"!! the targets are for the compiled build; this one is {python.build}")
    try:
        load.build()
        if any(isinstance(row.load, Load) and row.load.mode == "tls" for row in ROWS if choices.rows.search(row.name)):
            load.build_tls()
    except BenchmarkError as exc:
        print(exc, file=sys.stderr)
        return 1

    outcomes: list[Outcome] = []
    contest = Contest(cores, python, pure, choices.rounds, choices.seconds)
    for row in ROWS:
        if choices.rows.search(row.name):
            outcomes.append(contest.run(row))
            report.print_outcome(outcomes[-1])
            sys.stdout.flush()

    sizes: list[tuple[str, Size]] = []
    problems: dict[str, str] = {}
    for size_row in SIZES:
        if choices.rows.search(size_row.name):
            found: list[Size] = []
            try:
                found = size_row.measure(Setting(python, cores))
            except (BenchmarkError, OSError) as exc:
                problems[size_row.name] = f"{type(exc).__name__}: {exc}"
            report.print_sizes(size_row.name, found, problems.get(size_row.name, ""))
            sizes += [(size_row.name, size) for size in found]
            sys.stdout.flush()

    if not outcomes and not sizes and not problems:
        print(f"no row is called {choices.rows.pattern!r}", file=sys.stderr)
        return 1
    report.print_summary(outcomes, sizes)
    facts = {
        "python": {"path": python.path, "build": python.build},
        "pure_python": {"path": pure.path, "build": pure.build},
        "rounds": choices.rounds,
        "seconds": choices.seconds,
        "size_problems": problems,
    }
    print(f"\nwritten: {report.write_json(facts, outcomes, sizes)}")
    return 1 if problems or any(outcome.problems for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
