"""README and manual show what is recorded, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import pages, recorded
from benchmarks.curves import CURVES
from benchmarks.rows import ROWS

_ROOT = Path(__file__).parent.parent.parent
_PAGE = "before\n<!-- figures: one -->\nold\n<!-- end of figures -->\nafter\n"


def test_figures_stand_between_their_comments() -> None:
    assert pages.filled(_PAGE, {"one": "new\n"}) == (
        "before\n<!-- figures: one -->\n\nnew\n\n<!-- end of figures -->\nafter\n"
    )


def test_filling_again_changes_nothing() -> None:
    once = pages.filled(_PAGE, {"one": "new"})
    assert pages.filled(once, {"one": "new"}) == once


def test_figures_that_nobody_makes_are_an_error() -> None:
    with pytest.raises(KeyError, match="one"):
        pages.filled(_PAGE, {"another": ""})


def test_the_tree_shows_what_is_recorded() -> None:
    """`python benchmarks/run.py pages` mends it."""
    made = pages.written(_ROOT)
    assert made
    stale = [str(path.relative_to(_ROOT)) for path, text in made.items() if path.read_text(encoding="utf-8") != text]
    assert stale == []


def test_every_chart_of_the_tree_is_made_from_what_is_recorded() -> None:
    made = {path for path in pages.written(_ROOT) if path.suffix == ".svg"}
    assert set((_ROOT / pages.CHARTS).glob("*")) == made


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(recorded, "FOLDER", tmp_path / "recorded")
    monkeypatch.setattr(pages, "RESULTS", tmp_path)
    return tmp_path


def _result(keys: list[str]) -> dict[str, Any]:
    row = {"name": "", "samples": {}, "comparisons": [], "problems": {}}
    return {
        "at": "2026-11-28T03:51:56+00:00",
        "machine": {"cores": 2, "processor": "AMD EPYC"},
        "python": {},
        "rounds": 1,
        "seconds": 1.0,
        "rows": [{"key": key, **row} for key in keys],
        "sizes": [],
    }


def test_a_whole_run_is_taken(folders: Path) -> None:
    (folders / "speed-1.json").write_text(json.dumps(_result([row.key for row in ROWS])))
    said: list[str] = []
    pages.take(said.append)
    assert said == ["taken: speed-1.json"]
    assert recorded.load("speed") is not None


def test_a_run_of_some_rows_is_not_taken(folders: Path) -> None:
    (folders / "speed-1.json").write_text(json.dumps(_result([row.key for row in ROWS[1:]])))
    said: list[str] = []
    pages.take(said.append)
    assert said == [f"speed-1.json is not taken: it has no {ROWS[0].key}"]
    assert recorded.load("speed") is None


def test_the_newest_whole_run_is_taken(folders: Path) -> None:
    whole = _result([row.key for row in ROWS])
    (folders / "speed-1.json").write_text(json.dumps(whole))
    (folders / "speed-2.json").write_text(json.dumps({**whole, "rounds": 7}))
    (folders / "speed-3.json").write_text(json.dumps(_result([ROWS[0].key])))
    said: list[str] = []
    pages.take(said.append)
    assert said[-1] == "taken: speed-2.json"
    assert (recorded.load("speed") or {})["rounds"] == 7


def test_curves_are_taken_when_all_are_there(folders: Path) -> None:
    whole = {"curves": [{"key": curve.key} for curve in CURVES]}
    (folders / "scale-1.json").write_text(json.dumps(whole))
    (folders / "scale-2.json").write_text('{"curves": []}')
    pages.take(lambda line: None)
    assert recorded.load("scale") == whole
