"""What is compiled, when, and what is said when it cannot be."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from benchmarks import build
from benchmarks.build import BenchmarkError


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    made, source = tmp_path / "made", tmp_path / "source"
    source.touch()
    return made, source


def test_what_is_missing_is_made(files: tuple[Path, Path]) -> None:
    assert build.is_stale(*files)


@pytest.mark.parametrize(("age", "stale"), [(-10, True), (0, False), (10, False)])
def test_what_is_older_than_its_source_is_made_again(files: tuple[Path, Path], age: int, stale: bool) -> None:
    made, source = files
    made.touch()
    os.utime(source, (1000, 1000))
    os.utime(made, (1000 + age, 1000 + age))
    assert build.is_stale(made, source) is stale


def test_what_a_program_prints_is_returned() -> None:
    assert build.run(("echo", "hello"), 10.0) == "hello\n"


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (("sh", "-c", "echo no such thing >&2; exit 3"), "no such thing"),
        (("sh", "-c", "exit 3"), "status 3"),
        (("pipeline-net-has-no-such-program",), "is not installed"),
        (("sleep", "10"), "did not finish"),
    ],
)
def test_a_program_that_fails_is_told_of(command: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(BenchmarkError, match=complaint):
        build.run(command, 0.2)


def test_without_a_jdk_netty_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "NETTY_JARS", ())
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(BenchmarkError, match="no JDK"):
        build.netty()


def test_without_its_jars_netty_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "NETTY_JARS", ("/nowhere/netty.jar",))
    with pytest.raises(BenchmarkError, match="there is no /nowhere/netty"):
        build.netty()


def test_without_go_its_server_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(BenchmarkError, match="no Go"):
        build.go_echo()
