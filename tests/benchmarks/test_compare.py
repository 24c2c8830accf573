"""Medians, ratios and verdicts."""

from __future__ import annotations

import io

import pytest
from attrs import evolve

from benchmarks.compare import Contest, Outcome, Sample, Spread, as_loaded, expected_seconds, show_progress
from benchmarks.contenders import Contender
from benchmarks.process import Cores, Python, ServerProcess
from benchmarks.rows import Load, Row, Target

_SAMPLE = Sample(
    rate=100.0,
    megabytes=1.0,
    cpu_us=5.0,
    share=1.0,
    waited=0.0,
    p50_us=10.0,
    p99_us=20.0,
    p99_9_us=30.0,
    busy=0.5,
    per_read=1.0,
    load_waited=0.0,
)
_ROW = Row(
    "raw",
    "raw echo",
    Load("raw"),
    (Contender("pipeline_net", ()), Contender("uvloop", ())),
    (Target("uvloop", 1.0, 1.2),),
)


def outcome(ours: list[float], theirs: list[float], waited: float = 0.0) -> Outcome:
    return Outcome(
        _ROW,
        {
            "pipeline_net": [evolve(_SAMPLE, rate=rate, waited=waited) for rate in ours],
            "uvloop": [evolve(_SAMPLE, rate=rate, cpu_us=10.0) for rate in theirs],
        },
    )


def test_a_spread_is_the_median_and_the_ends() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)


@pytest.mark.parametrize(("rate", "verdict"), [(99.0, "falls short"), (100.0, "meets"), (120.0, "reaches the aim")])
def test_a_verdict_compares_with_what_was_asked(rate: float, verdict: str) -> None:
    assert outcome([rate], [100.0]).comparisons()[0].verdict == verdict


def test_a_ratio_is_that_of_the_medians() -> None:
    found = outcome([90.0, 200.0, 100.0], [50.0, 50.0, 40.0]).comparisons()[0]
    assert found.ratio == 2.0
    assert found.cpu_ratio == 2.0
    assert found.rounds == Spread(2.5, 1.8, 4.0)


def test_a_peer_that_did_not_run_is_not_beaten() -> None:
    found = outcome([100.0], [100.0])
    found.problems["uvloop"] = "is not installed"
    assert found.comparisons()[0].verdict == "not measured"


def test_a_verdict_on_crowded_cores_is_unsure() -> None:
    assert outcome([100.0], [100.0], waited=0.2).comparisons()[0].crowded
    assert not outcome([100.0], [100.0]).comparisons()[0].crowded


def test_a_floor_is_held_against_the_same_peer() -> None:
    found = outcome([100.0], [100.0])
    assert (found.comparisons()[0].floor, found.comparisons()[0].floor_cpu) == (None, None)
    found.samples["epoll in C"] = [evolve(_SAMPLE, rate=140.0, cpu_us=4.0)]
    assert (found.comparisons()[0].floor, found.comparisons()[0].floor_cpu) == (1.4, 2.5)


def test_a_generator_without_time_to_spare_casts_doubt() -> None:
    found = outcome([100.0], [100.0])
    assert not found.comparisons()[0].load_full
    found.samples["uvloop"] = [evolve(_SAMPLE, busy=0.96)]
    assert found.comparisons()[0].load_full


def test_a_floor_gets_the_same_bytes_in_a_protocol_that_it_knows() -> None:
    row = evolve(_ROW, load=Load("websocket", size=1024, in_flight=16))
    assert as_loaded(row, Contender("epoll in C, raw bytes", (), speaks="raw")).load == Load(
        "raw", size=1024, in_flight=16
    )
    assert as_loaded(row, Contender("picows", ())) is row


@pytest.mark.parametrize(("is_terminal", "said"), [(True, "\r\x1b[Kround 1"), (False, "")])
def test_progress_is_for_terminals(is_terminal: bool, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return is_terminal

    monkeypatch.setattr("sys.stderr", errors := Terminal())
    show_progress("round 1")
    assert errors.getvalue() == said


def test_the_time_that_a_run_takes_is_known_before() -> None:
    assert expected_seconds([_ROW], rounds=5, seconds=1.0) == pytest.approx(2 * (1.7 + 5 * 1.35))


def test_a_server_of_which_nothing_is_left_costs_nobody_else_the_figures() -> None:
    class Gone(Contest):
        def _start(self, contender: Contender) -> ServerProcess:
            raise FileNotFoundError(2, "No such file or directory", "/proc/1234567/stat")

    python = Python("python", {}, "pure")
    found = Gone(Cores(0, 0), python, python, rounds=1, seconds=0.1).run(_ROW)
    assert sorted(found.problems) == ["pipeline_net", "uvloop"]
    assert [one.verdict for one in found.comparisons()] == ["not measured"]
