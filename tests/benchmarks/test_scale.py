"""The arithmetic of curves; measuring them takes minutes, and is what `make bench-scale` does."""

from __future__ import annotations

import pytest
from attrs import evolve

from benchmarks import scale
from benchmarks.curves import CURVES, Curve
from benchmarks.scale import CurveOutcome, Point

_POINT = Point(at=10, rate=100.0, cpu_us=5.0, p50_us=1.0, p99_us=2.0, p99_9_us=3.0, kib=None, busy=0.5, waited=0.0)


def test_a_point_is_the_median_of_each_figure() -> None:
    rounds = [evolve(_POINT, rate=rate, kib=kib) for rate, kib in ((1.0, 3.0), (9.0, 1.0), (5.0, 2.0))]
    assert scale.middle(rounds) == evolve(_POINT, rate=5.0, kib=2.0)


def test_memory_that_was_not_looked_at_stays_unknown() -> None:
    assert scale.middle([_POINT]).kib is None


def test_a_curve_is_printed_with_its_missing_ones(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = CurveOutcome(CURVES[0], {"pipeline_net": [evolve(_POINT, waited=0.5)]}, {"netty": "no JDK"})
    scale.print_curve(outcome)
    printed = capsys.readouterr().out
    assert "(crowded)" in printed
    assert "not measured: no JDK" in printed


def test_a_curve_as_data_has_all_that_a_chart_needs() -> None:
    data = scale.as_data(CurveOutcome(CURVES[0], {"pipeline_net": [_POINT]}, {}))
    assert set(data) == {"key", "title", "grows", "points", "problems"}
    assert set(data["points"]["pipeline_net"][0]) >= {"at", "rate", "cpu_us", "p99_us", "kib", "waited"}


def test_all_curves_take_less_than_a_quarter_of_an_hour() -> None:
    assert scale.expected_seconds(CURVES, rounds=3, seconds=1.0) < 15 * 60


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.key)
def test_a_curve_grows(curve: Curve) -> None:
    assert list(curve.points) == sorted(set(curve.points))
    first, last = curve.points[0], curve.points[-1]
    grows_by_load = curve.load_at(first) != curve.load_at(last)
    assert grows_by_load or curve.contenders_at(first) != curve.contenders_at(last)
    assert curve.contenders_at(first)[0].name == "pipeline_net"


def test_an_unknown_curve_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        scale.main(["--row", "nothing"])
    assert "no such curve" in capsys.readouterr().err
