"""Runs examples as their readers do: as processes, on any free port."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"

_WAIT = 20.0  # seconds; for a process to start or to end on a busy machine


@pytest.fixture
def start_example() -> Iterator[Callable[..., str]]:
    """``start_example("echo.py", …)`` runs it with these arguments and returns the address that it says it listens on.

    When the test ends, each is interrupted as with Ctrl-C, and must end in good order, having complained of nothing.
    """
    running: list[subprocess.Popen[str]] = []

    def start(name: str, *arguments: str, address: str = "tcp://127.0.0.1:0") -> str:
        process = subprocess.Popen(
            [sys.executable, str(EXAMPLES / name), "--address", address, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        said, _, where = process.stdout.readline().strip().rpartition(" ")
        assert said == "listening on", process.communicate(timeout=_WAIT)
        return where

    try:
        yield start
    finally:
        for process in running:
            process.send_signal(signal.SIGINT)
        ends = []
        for process in running:
            try:
                _, complaints = process.communicate(timeout=_WAIT)
            except subprocess.TimeoutExpired:
                process.kill()
                _, complaints = process.communicate()
            ends.append((process.returncode, complaints))
    assert ends == [(0, "")] * len(running)
