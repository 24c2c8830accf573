"""What is printed, and what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attrs import evolve

from benchmarks import recorded, report
from benchmarks.compare import Outcome, Sample, Spread
from benchmarks.contenders import Contender
from benchmarks.rows import Load, Row, Target
from benchmarks.size import Size

_SAMPLE = Sample(100.0, 1.0, 5.0, 1.0, 0.0, 10.0, 20.0, 30.0, 0.5, 1.0, 0.0)
_ROW = Row(
    "raw",
    "raw echo",
    Load("raw"),
    (Contender("pipeline_net", ()), Contender("uvloop", ()), Contender("netty", ())),
    (Target("uvloop", 1.0, 1.2), Target("netty", 1.0, 1.2)),
)


@pytest.fixture
def outcome() -> Outcome:
    samples = {"pipeline_net": [_SAMPLE, evolve(_SAMPLE, rate=110.0)], "uvloop": [_SAMPLE, _SAMPLE]}
    return Outcome(_ROW, samples, {"netty": "no JDK\nsecond line"})


def test_an_outcome_is_a_table_with_verdicts(outcome: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    report.print_outcome(outcome)
    printed = capsys.readouterr().out
    assert "pipeline_net / uvloop: 1.05 (1.00-1.10), by CPU 1.00; must 1, aim 1.2: meets" in printed
    assert "pipeline_net / netty: not measured" in printed


def test_who_is_missing_is_named_once(outcome: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    report.print_missing([outcome, outcome])
    assert capsys.readouterr().out == "\nnot measured:\n  netty: no JDK\n"


def test_a_generator_that_was_the_bottleneck_is_told_of(outcome: Outcome) -> None:
    outcome.samples["uvloop"] = [evolve(_SAMPLE, busy=0.99, share=0.5)]
    assert report.remarks(outcome) == ["uvloop: the load generator used its whole core; the server could do more"]


def test_a_verdict_under_a_full_load_is_unsure_and_stands_beside_the_floor(
    outcome: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome.samples["uvloop"] = [evolve(_SAMPLE, busy=0.99, cpu_us=10.0)] * 2
    outcome.samples["epoll in C"] = [evolve(_SAMPLE, rate=150.0, cpu_us=4.0)]
    report.print_summary([outcome], [])
    printed = capsys.readouterr().out
    assert "1.05    2.00   1.50    2.50  meets (unsure: load full)" in printed
    assert "on epoll nobody does much better" in printed


def test_crowded_cores_are_told_of(outcome: Outcome) -> None:
    outcome.samples["uvloop"] = [evolve(_SAMPLE, waited=0.3)]
    assert report.remarks(outcome) == [
        "uvloop: others held its core, or the load's, 30% of the time: trust CPU per message"
    ]


def test_what_is_written_can_be_recorded(outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    facts = {"python": {"version": "CPython 3.11.7"}, "rounds": 2, "seconds": 0.5}
    path = report.write_json(facts, [outcome], [("timers", Size("schedule", "us", 2.0, Spread(1.0, 0.9, 1.1)))])
    speed = recorded.read_speed(recorded.condense(json.loads(path.read_text())))
    assert [row.key for row in speed.rows] == ["raw"]
    assert speed.rows[0].ours.rate == 105.0
    assert speed.sizes[0].verdict == "meets"
