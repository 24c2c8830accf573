"""Tables in Markdown: every row of a table has as many cells as its head, and figures are the recorded ones."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import tables
from benchmarks.recorded import Judged, Measured, RecordedRow, RecordedSize, Speed

OURS = Measured("pipeline_net", 200.0, 190.0, 210.0, 5.0, 100.0, 300.0, 0.0)
THEIRS = Measured("uvloop", 100.0, 90.0, 110.0, 10.0, 100.0, 300.0, 0.0)
SPEED = Speed(
    at="2026-11-28T03:51:56+00:00",
    machine="2 cores, AMD EPYC",
    python="CPython 3.11.7",
    versions={"uvloop": "0.23"},
    rounds=5,
    seconds=1.0,
    rows=(
        RecordedRow(
            "raw",
            "raw echo, 64 B x 50",
            (OURS, THEIRS),
            (Judged("pipeline_net", "uvloop", 1.0, 1.1, 2.0, "reaches the aim"),),
            {"netty": "no JDK"},
        ),
    ),
    sizes=(RecordedSize("schedule one of 100 000", "us", 2.0, 0.83, "meets"),),
)
SCALE: dict[str, Any] = {
    "at": "2026-11-28T03:51:56+00:00",
    "rounds": 3,
    "seconds": 1.0,
    "curves": [
        {
            "key": "loops",
            "title": "Loops",
            "grows": "loops",
            "points": {"pipeline_net": [{"at": 1, "cpu_us": 0.5, "waited": 0.2}]},
        }
    ],
}


@pytest.mark.parametrize("name", sorted(tables.blocks(SPEED, SCALE)))
def test_a_table_is_rectangular(name: str) -> None:
    lines = [line for line in tables.blocks(SPEED, SCALE)[name].splitlines() if line.startswith("|")]
    assert len({line.count(" |") for line in lines}) <= 1


def test_the_summary_divides_ours_by_theirs() -> None:
    assert "| raw echo, 64 B × 50 | uvloop **2.00** |" in tables.summary(SPEED)


def test_a_verdict_stands_beside_what_was_asked() -> None:
    assert "| pipeline_net / uvloop | 1 | 1.1 | 2.00 | reaches the aim |" in tables.targets(SPEED)


def test_who_is_missing_is_named() -> None:
    assert tables.missing(SPEED) == "* netty: no JDK"


def test_sizes_have_their_unit() -> None:
    assert "| scheduling one of 100 000 timers | 0.83 µs | ≤ 2 µs | meets |" in tables.sizes(SPEED)


def test_a_crowded_run_of_curves_says_so() -> None:
    assert "Others held the cores" in tables.scale_charts(SCALE)
    assert "No curves have been recorded" in tables.scale_charts(None)


def test_the_run_is_dated() -> None:
    assert tables.run(SPEED) == (
        "One run of `make bench`, 2026-11-28, on 2 cores, AMD EPYC; CPython 3.11.7; 5 rounds of 1 s. "
        "Versions: uvloop 0.23."
    )
