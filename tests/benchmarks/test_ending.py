"""A run that is stopped in the middle leaves nobody behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from benchmarks.ending import stopped_gently

_ROOT = Path(__file__).parent.parent.parent
_PATIENCE = 30.0  # seconds

_PROGRAM = textwrap.dedent("""
    import sys, time
    from benchmarks.ending import stopped_gently
    from benchmarks.process import Restless

    def main(arguments):
        with Restless(int(arguments[0])) as child:
            print(child.pid, flush=True)
            time.sleep(60)

    sys.exit(stopped_gently(main, sys.argv[1:]))
""")


def test_what_main_says_is_the_outcome() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        assert stopped_gently(len, ["one", "two"]) == 2
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=lambda one: str(one)
)
def test_who_was_started_ends_with_it(number: signal.Signals, status: int) -> None:
    core = min(os.sched_getaffinity(0))
    with subprocess.Popen(
        (sys.executable, "-c", _PROGRAM, str(core)),
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        child = int(program.stdout.readline())
        assert _is_there(child)
        program.send_signal(number)
        _, said = program.communicate(timeout=_PATIENCE)
        assert program.returncode == status
        assert ("nothing was written" in said) is (number == signal.SIGINT)
    deadline = time.monotonic() + _PATIENCE
    while _is_there(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _is_there(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")
