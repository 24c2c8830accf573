"""Each guarded path does what it says, without valgrind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.guard_paths import PATHS, exchange, framed


@pytest.mark.parametrize("path", PATHS)
def test_a_path_runs_and_its_answers_are_right(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parent.parent.parent / "examples")])
    PATHS[path][0](3)


def test_a_wrong_answer_ends_it() -> None:
    with pytest.raises(SystemExit, match="a wrong answer"):
        exchange(lambda loop: framed, b"\0\0\0\1x", b"something else".__eq__)(1)
