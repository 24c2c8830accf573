"""Has a hot path become longer?  ``python benchmarks/run.py guard``, or ``make bench-guard``.

Times differ between machines and hours; the number of instructions that a path takes hardly does.  Each path of
``guard_paths.py`` runs under valgrind's callgrind, a few times and some more times: the difference, by the number of
messages, is what one message costs, without what starting costs.  That is compared with ``guard.json``, and growth of
more than 5 % fails.

Instructions are those of one interpreter, one compiler and one C library.  With others than the recorded ones nothing
can be said, and nothing is said but that; ``--record`` then records what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Literal

from attrs import frozen

from benchmarks.build import HERE, BenchmarkError, run
from benchmarks.process import Python, interpreter_of

RECORDED: Final = HERE / "guard.json"
GROWTH: Final = 0.05  # more than this fails
PATHS: Final = (
    *("raw", "frames", "frames-16", "lines-16"),
    *("http", "asgi", "asgi-websocket", "websocket", "websocket-16", "redis-get-16", "churn"),
)
MESSAGES: Final = {  # of one exchange, where it is not one
    "frames-16": 16,
    "lines-16": 16,
    "websocket-16": 16,
    "redis-get-16": 16,
}
CLIENT: Final = "client"  # the path that is nothing but the client
_FEW: Final = 300  # exchanges; by then the interpreter has specialised its code
_MANY: Final = 1300
_TIMEOUT: Final = 600.0  # seconds for one run, on a crowded machine; as a rule all of them take less than two minutes

_TOOLCHAIN: Final = """
import importlib.metadata, json, platform
print(json.dumps({
    "python": f"{platform.python_implementation()} {platform.python_version()}",
    "build": " ".join(platform.python_build()),
    "python_compiler": platform.python_compiler(),
    "libc": " ".join(platform.libc_ver()),
    "machine": platform.machine(),
    **{
        name: next((one.version for one in importlib.metadata.distributions(name=name)), "none")
        for name in ("mypy", "librt")  # what compiles, and what masks WebSocket frames
    },
}))
"""


@frozen
class Finding:
    path: str
    count: float  # instructions per message
    recorded: float | None

    @property
    def growth(self) -> float | None:
        return None if self.recorded is None else self.count / self.recorded - 1

    @property
    def verdict(self) -> Literal["as before", "longer", "shorter", "not recorded"]:
        if self.growth is None:
            return "not recorded"
        if self.growth > GROWTH:
            return "longer"
        return "shorter" if self.growth < -GROWTH else "as before"


def per_message(few: int, many: int, exchanges: int, messages: int) -> float:
    """What one message costs, from two runs that differ by ``exchanges``."""
    return (many - few) / (exchanges * messages)


def read_total(callgrind: str) -> int:
    """The number of instructions in a file that callgrind has written.

    Raises:
        BenchmarkError: there is none in it.
    """
    for line in callgrind.splitlines():
        name, _, value = line.partition(":")
        if name in ("summary", "totals"):
            return int(value.split()[0])
    raise BenchmarkError("callgrind has written no summary")


def toolchain(python: Python) -> dict[str, str]:
    """Everything that decides how many instructions there are, besides our code."""
    answer = run((python.path, "-P", "-c", _TOOLCHAIN), 30.0)
    found: dict[str, str] = json.loads(answer)
    compiler = shutil.which(os.environ.get("CC", "gcc")) or shutil.which("cc")
    found["compiler"] = "none" if compiler is None else run((compiler, "-dumpfullversion"), 30.0).strip()
    found["valgrind"] = run(("valgrind", "--version"), 30.0).strip()
    return found


def differences(recorded: dict[str, str], here: dict[str, str]) -> list[str]:
    """In which words two toolchains differ; none when their counts can be compared."""
    return [
        f"{name}: recorded with {recorded.get(name, 'nothing')}, here {here.get(name, 'nothing')}"
        for name in sorted({*recorded, *here})
        if recorded.get(name) != here.get(name)
    ]


def count(python: Python, path: str, exchanges: int) -> int:
    """Run a path under callgrind; how many instructions that took, all in all."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "callgrind.out")
        done = subprocess.run(
            (
                *("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "-q"),
                *(python.path, "-P", str(HERE / "guard_paths.py"), path, str(exchanges)),
            ),
            env={**python.environment, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        if done.returncode != 0 or not out.exists():
            raise BenchmarkError(f"{path}: {done.stderr.strip()[-500:] or f'status {done.returncode}'}")
        return read_total(out.read_text())


def measure(python: Python, paths: tuple[str, ...]) -> dict[str, float]:
    """Instructions per message of each path, without what the client itself takes."""
    run((python.path, "-P", "-c", "import pipeline_net.codecs.http, pipeline_net.codecs.redis"), 60.0)
    jobs = [(path, exchanges) for path in (*paths, CLIENT) for exchanges in (_FEW, _MANY)]
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # counts do not mind company
        totals = dict(zip(jobs, threads.map(lambda job: count(python, *job), jobs), strict=True))
    exchange = {
        path: per_message(totals[path, _FEW], totals[path, _MANY], _MANY - _FEW, 1) for path in (*paths, CLIENT)
    }
    return {path: (exchange[path] - exchange[CLIENT]) / MESSAGES.get(path, 1) for path in paths}


def compare(counts: dict[str, float], recorded: dict[str, float]) -> list[Finding]:
    return [Finding(path, found, recorded.get(path)) for path, found in counts.items()]


def print_findings(findings: list[Finding]) -> None:
    print(f"{'instructions per message':28}{'now':>10}{'recorded':>10}{'growth':>9}")
    for finding in findings:
        was = "-" if finding.recorded is None else f"{finding.recorded:,.0f}"
        growth = "-" if finding.growth is None else f"{finding.growth:+.1%}"
        print(f"  {finding.path:26}{finding.count:>10,.0f}{was:>10}{growth:>9}  {finding.verdict}")


def record(counts: dict[str, float], tools: dict[str, str], file: Path) -> None:
    document = {"toolchain": tools, "instructions": {path: round(found) for path, found in counts.items()}}
    file.write_text(json.dumps(document, indent=1) + "\n")


def judge(findings: list[Finding]) -> int:
    """0, or 1 when a path has become longer; and says what to do."""
    longer = [finding.path for finding in findings if finding.verdict == "longer"]
    others = [finding.path for finding in findings if finding.verdict in ("shorter", "not recorded")]
    if longer:
        print(f"longer by more than {GROWTH:.0%}: {', '.join(longer)}.  If that is meant: make bench-guard RECORD=1")
        return 1
    if others:
        print(f"worth recording: {', '.join(others)} (make bench-guard RECORD=1)")
    print("no hot path has become longer")
    return 0


def main(arguments: list[str]) -> int:
    """0 when no path has become longer, or when nothing can be said; 1 when one has, or could not run."""
    parser = argparse.ArgumentParser(prog="benchmarks.guard", description="Has a hot path become longer?")
    parser.add_argument("--record", action="store_true", help="record what is found, instead of comparing")
    parser.add_argument("--python", help="interpreter with the compiled build (default: .venv-compiled, or this one)")
    chosen = parser.parse_args(arguments)
    if platform.system() != "Linux" or shutil.which("valgrind") is None:
        print("nothing was compared: valgrind is not installed")
        return 0
    python = Python.examine(interpreter_of(chosen.python, HERE.parent / ".venv-compiled"))
    if python.build != "compiled":
        print(f"the guard is for the compiled build; {python.path} has this one: {python.build}")
        return 1
    tools = toolchain(python)
    known: dict[str, Any] = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    if not chosen.record:
        differing = differences(known.get("toolchain", {}), tools)
        if differing:
            print("nothing was compared, because instructions were recorded with other tools:")
            print("\n".join(f"  {line}" for line in differing))
            print("`make bench-guard RECORD=1` records them with those that are here")
            return 0
    started = time.monotonic()
    try:
        counts = measure(python, PATHS)
    except (BenchmarkError, subprocess.TimeoutExpired) as exc:
        print(f"a path did not run: {exc}", file=sys.stderr)
        return 1
    findings = compare(counts, known.get("instructions", {}))
    print_findings(findings)
    print(f"after {time.monotonic() - started:.0f} s")
    if chosen.record:
        record(counts, tools, RECORDED)
        print(f"recorded in {RECORDED.name}")
        return 0
    return judge(findings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
