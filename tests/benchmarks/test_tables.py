"""Tables in Markdown: every row of a table has as many cells as its head, and figures are the recorded ones."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from benchmarks import tables
from benchmarks.recorded import Judged, Measured, RecordedRow, RecordedSize, Rounds, Speed

OURS = Measured("pipeline_net", 200.0, 190.0, 210.0, 5.0, 100.0, 300.0, 0.0)
THEIRS = Measured("uvloop", 100.0, 90.0, 110.0, 10.0, 100.0, 300.0, 0.0)
FLOOR = Measured("epoll in C", 110.0, 90.0, 110.0, 4.0, 100.0, 300.0, 0.0, busy=1.0)
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
            (Judged("pipeline_net", "uvloop", 1.0, 1.1, 2.0, "reaches the aim", Rounds(1.95, 1.9, 2.1), 2.0),),
            {"netty": "no JDK"},
        ),
        RecordedRow(
            "churn",
            "connect",
            (evolve(OURS, rate=101.0, busy=0.99), THEIRS, FLOOR, evolve(OURS, name="pipeline_net, pure", rate=50.0)),
            (Judged("pipeline_net", "uvloop", 1.2, 1.5, 1.01, "falls short", Rounds(1.01, 1.0, 1.02), 2.0),),
            {},
        ),
    ),
    sizes=(RecordedSize("schedule one of 100 000", "us", 2.0, 0.83, "meets"),),
)
FULL = evolve(OURS, share=0.5, busy=0.99)
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
    assert (
        "| pipeline_net / uvloop | 1 | 1.1 | 2.00 | 1.95 (1.90 – 2.10) | 2.00 | - | - | reaches the aim |"
        in tables.targets(SPEED)
    )


def test_the_floor_stands_beside_what_was_asked_and_a_full_load_is_marked() -> None:
    assert "| 1.2 | 1.5 | 1.01 | 1.01 (1.00 – 1.02) | 2.00 | 1.10 | 2.50 | falls short° |" in tables.targets(SPEED)
    assert "| 50% | 99%° |" in tables.rows(evolve(SPEED, rows=(evolve(SPEED.rows[1], measured=(FULL,)),)))


def test_where_the_load_was_full_the_summary_tells_the_ratio_of_cpu_times() -> None:
    assert "| connect | uvloop **1.01**° (2.00) · epoll in C **0.92**° (0.80) · our pure build **2.02**° (1.00) |" in (
        tables.summary(SPEED)
    )


def test_shares_are_told_in_words() -> None:
    assert "takes, for a message, 4.0 µs of our 5.0 (connect)." in tables.kernel_share(SPEED)
    assert "2.0 (connect)" in tables.compiled_gain(SPEED)


def test_who_is_missing_is_named() -> None:
    assert tables.missing(SPEED) == "* netty: no JDK"


def test_sizes_have_their_unit() -> None:
    assert "| scheduling one of 100 000 timers | 0.83 µs | ≤ 2 µs | meets |" in tables.sizes(SPEED)


def test_a_crowded_run_of_curves_says_so() -> None:
    assert "somebody waited for a core" in tables.scale_charts(SCALE)
    assert "No curves have been recorded" in tables.scale_charts(None)


def test_the_run_is_dated() -> None:
    assert tables.run(SPEED) == (
        "One run of `make bench`, 2026-11-28, on 2 cores, AMD EPYC; CPython 3.11.7; 5 rounds of 1 s. "
        "Versions: uvloop 0.23."
    )
