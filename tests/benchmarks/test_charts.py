"""What is drawn of which figures."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from benchmarks import charts
from benchmarks.recorded import Measured, RecordedRow, Speed

_OURS = Measured("pipeline_net", 200.0, 190.0, 210.0, 5.0, 100.0, 300.0, 0.0)
_THEIRS = Measured("uvloop", 100.0, 90.0, 110.0, 10.0, 100.0, 300.0, 0.0)
_SPEED = Speed(
    at="2026-11-28",
    machine="",
    python="",
    versions={},
    rounds=5,
    seconds=1.0,
    rows=(RecordedRow("raw", "raw echo", (_OURS, _THEIRS), (), {}),),
    sizes=(),
)


def _point(at: int, kib: float | None = None, cpu_us: float = 5.0) -> dict[str, Any]:
    return {"at": at, "rate": 100.0, "cpu_us": cpu_us, "p50_us": 40.0, "p99_us": 50.0, "p99_9_us": 60.0, "kib": kib}


def _curve(*points: dict[str, Any]) -> dict[str, Any]:
    return {
        "curves": [
            {"key": "connections", "title": "Growing", "grows": "connections", "points": {"pipeline_net": [*points]}}
        ]
    }


def test_our_rate_is_one_and_theirs_is_relative_to_it() -> None:
    drawing = charts.speed(_SPEED)
    assert ">1.00<" in drawing
    assert ">0.50<" in drawing


def test_the_chart_is_told_in_words() -> None:
    assert charts.speed_description(_SPEED) == "Relative to pipeline_net. Raw echo, 64 bytes: uvloop 0.50."


def test_a_row_that_was_not_measured_is_not_drawn() -> None:
    empty = evolve(_SPEED, rows=(evolve(_SPEED.rows[0], measured=()),))
    assert "Raw echo" not in charts.speed(empty)


def test_memory_is_drawn_where_it_was_looked_at() -> None:
    with_memory = charts.scale(_curve(_point(1), _point(1000, kib=3.0)))["scale-connections"]
    without = charts.scale(_curve(_point(1), _point(1000)))["scale-connections"]
    assert "KiB per connection" in with_memory
    assert "KiB per connection" not in without


@pytest.mark.parametrize("kib", [None, 3.0])
def test_each_latency_is_drawn_whether_memory_is_or_not(kib: float | None) -> None:
    drawing = charts.scale(_curve(_point(1), _point(1000, kib=kib)))["scale-connections"]
    for quantile in ("p50", "p99", "p99.9"):
        assert f">Latency, {quantile}<" in drawing


def test_what_took_no_time_has_no_place_on_a_logarithmic_axis() -> None:
    drawing = charts.scale(_curve(_point(1, cpu_us=0.0), _point(10)))["scale-connections"]
    assert "nan" not in drawing


def test_a_curve_is_told_in_words() -> None:
    assert charts.scale_description(_curve(_point(1), _point(1000))["curves"][0]) == (
        "CPU time of the server per message in µs, by connections. pipeline_net 1: 5.00, 1,000: 5.00."
    )
