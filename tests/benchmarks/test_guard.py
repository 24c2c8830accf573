"""The guard's arithmetic and judgement; counting takes valgrind and a minute, and is what `make bench-guard` does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmarks import guard
from benchmarks.build import BenchmarkError
from benchmarks.guard_paths import PATHS
from benchmarks.process import Python

_TOOLS = {"python": "CPython 3.11.7", "compiler": "12.2.0"}


def test_what_starting_costs_is_not_what_a_message_costs() -> None:
    assert guard.per_message(1_000_000, 1_320_000, exchanges=10, messages=16) == 2000


def test_the_total_is_read_from_what_callgrind_writes() -> None:
    assert guard.read_total("version: 1\nevents: Ir\nfn=(1)\n0 12\nsummary: 12345\n") == 12345


def test_a_file_without_a_total_is_no_result() -> None:
    with pytest.raises(BenchmarkError, match="no summary"):
        guard.read_total("version: 1\n")


@pytest.mark.parametrize(
    ("now", "recorded", "verdict"),
    [
        (1000, 1000, "as before"),
        (1049, 1000, "as before"),
        (1051, 1000, "longer"),
        (949, 1000, "shorter"),
        (1000, None, "not recorded"),
    ],
)
def test_growth_of_more_than_five_per_cent_is_growth(now: float, recorded: float | None, verdict: str) -> None:
    assert guard.Finding("raw", now, recorded).verdict == verdict


def test_a_longer_path_fails_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    findings = guard.compare({"raw": 1200.0, "http": 500.0}, {"raw": 1000, "http": 500})
    assert guard.judge(findings) == 1
    assert "longer by more than 5%: raw." in capsys.readouterr().out


def test_a_shorter_path_passes_and_wants_to_be_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    assert guard.judge(guard.compare({"raw": 800.0}, {"raw": 1000})) == 0
    assert "worth recording: raw" in capsys.readouterr().out


def test_equal_tools_do_not_differ() -> None:
    assert guard.differences(_TOOLS, dict(_TOOLS)) == []


def test_other_tools_are_named() -> None:
    here = {"python": "CPython 3.14.1", "valgrind": "valgrind-3.24"}
    assert guard.differences(_TOOLS, here) == [
        "compiler: recorded with 12.2.0, here nothing",
        "python: recorded with CPython 3.11.7, here CPython 3.14.1",
        "valgrind: recorded with nothing, here valgrind-3.24",
    ]


def test_what_is_recorded_can_be_compared_with(tmp_path: Path) -> None:
    guard.record({"raw": 1000.4}, _TOOLS, tmp_path / "guard.json")
    document = json.loads((tmp_path / "guard.json").read_text())
    assert guard.differences(document["toolchain"], _TOOLS) == []
    assert [finding.verdict for finding in guard.compare({"raw": 1000.4}, document["instructions"])] == ["as before"]


def test_the_recorded_paths_are_the_paths_that_there_are() -> None:
    recorded = json.loads(guard.RECORDED.read_text())["instructions"]
    assert set(recorded) == set(guard.PATHS)
    assert {*guard.PATHS, guard.CLIENT} == set(PATHS)
    assert {name: messages for name, (_, messages) in PATHS.items() if messages != 1} == guard.MESSAGES


def test_without_valgrind_nothing_is_compared_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert guard.main([]) == 0
    assert "nothing was compared" in capsys.readouterr().out


def test_with_other_tools_nothing_is_compared_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(Python, "examine", lambda path: Python(path, {}, "compiled", ""))
    monkeypatch.setattr(guard, "toolchain", lambda python: {"python": "another"})
    assert guard.main([]) == 0
    assert "recorded with other tools" in capsys.readouterr().out


def test_the_pure_build_is_not_guarded(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(Python, "examine", lambda path: Python(path, {}, "pure", ""))
    assert guard.main([]) == 1
    assert "for the compiled build" in capsys.readouterr().out
