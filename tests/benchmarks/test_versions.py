"""Versions are read out of what programs say."""

from __future__ import annotations

import sys

import pytest

import benchmarks.versions
from benchmarks.process import Python
from benchmarks.versions import first_version, versions


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", "7.0.15"),
        ("nginx version: nginx/1.22.1", "1.22.1"),
        ('openjdk version "17.0.15" 2025-04-15', "17.0.15"),
        ("go version go1.19.8 linux/amd64", "1.19.8"),
        ("no idea", None),
    ],
)
def test_the_first_version_is_taken(said: str, version: str | None) -> None:
    assert first_version(said) == version


def test_a_program_that_does_not_answer_costs_nobody_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    command = (sys.executable, "-c", "import time; print('1.0', flush=True); time.sleep(60)")
    monkeypatch.setattr(benchmarks.versions, "_PROGRAMS", {"sleeper": command})
    monkeypatch.setattr(benchmarks.versions, "_TIMEOUT", 5.0)
    assert "sleeper" not in versions(Python.examine(sys.executable))


def test_the_peers_of_this_interpreter_are_known() -> None:
    assert "uvloop" in versions(Python.examine(sys.executable))
