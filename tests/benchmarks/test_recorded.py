"""What the tree keeps of a run: medians, and everything that a page needs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks import recorded


def sample(rate: float, **others: float) -> dict[str, float]:
    figures = {
        "cpu_us": 5.0,
        "p50_us": 100.0,
        "p99_us": 200.0,
        "waited": 0.0,
        "load_waited": 0.0,
        "share": 1.0,
        "busy": 0.5,
    }
    return {"rate": rate, **figures, **others}


@pytest.fixture
def document() -> dict[str, Any]:
    """As `make bench` writes it."""
    return {
        "at": "2026-11-28T03:51:56+00:00",
        "machine": {"system": "Linux", "cores": 2, "processor": "AMD EPYC"},
        "python": {"path": "python", "build": "compiled", "version": "CPython 3.11.7"},
        "versions": {"uvloop": "0.23"},
        "rounds": 3,
        "seconds": 1.0,
        "rows": [
            {
                "key": "http",
                "name": "HTTP hello x 64",
                "samples": {"pipeline_net": [sample(300.0)], "uvicorn": [sample(100.0, load_waited=0.5)]},
                "comparisons": [],
                "problems": {},
            },
            {
                "key": "raw",
                "name": "raw echo, 64 B x 50, 1 in flight",
                "samples": {
                    "pipeline_net": [sample(90.0), sample(110.0), sample(100.0, cpu_us=5.123456)],
                    "uvloop": [sample(50.0), sample(40.0), sample(60.0)],
                },
                "comparisons": [
                    {
                        "target": {"against": "uvloop", "must": 1.0, "aim": 1.1, "subject": "pipeline_net"},
                        "ratio": 2.0,
                        "rounds": {"middle": 2.0, "low": 1.8, "high": 2.75},
                        "cpu_ratio": 1.9,
                        "verdict": "reaches the aim",
                    }
                ],
                "problems": {"netty": "no JDK\nand more"},
            },
        ],
        "sizes": [
            {
                "figure": "schedule one of 100 000",
                "unit": "us",
                "must": 2.0,
                "value": {"middle": 0.8296508, "low": 0.7, "high": 0.9},
                "verdict": "meets",
            }
        ],
    }


def test_samples_become_medians_and_a_spread(document: dict[str, Any]) -> None:
    row = recorded.read_speed(recorded.condense(document)).row("raw")
    assert row is not None
    assert (row.ours.rate, row.ours.low, row.ours.high) == (100.0, 90.0, 110.0)
    assert row.missing == {"netty": "no JDK"}
    assert row.judged[0] == recorded.Judged(
        "pipeline_net", "uvloop", 1.0, 1.1, 2.0, "reaches the aim", recorded.Rounds(2.0, 1.8, 2.75), by_cpu=1.9
    )


def test_a_generator_whose_core_was_full_is_remembered(document: dict[str, Any]) -> None:
    document["rows"][1]["samples"]["epoll in C"] = [sample(500.0, busy=0.99)]
    row = recorded.read_speed(recorded.condense(document)).row("raw")
    assert row is not None
    assert row.floor is not None
    assert row.floor.fills_load
    assert not row.ours.fills_load


def test_rows_stand_in_the_order_of_the_table(document: dict[str, Any]) -> None:
    speed = recorded.read_speed(recorded.condense(document))
    assert [row.key for row in speed.rows] == ["raw", "http"]


def test_a_row_is_crowded_when_anybody_had_to_wait(document: dict[str, Any]) -> None:
    speed = recorded.read_speed(recorded.condense(document))
    assert [row.is_crowded for row in speed.rows] == [False, True]


def test_what_is_kept_is_json(document: dict[str, Any]) -> None:
    condensed = recorded.condense(document)
    assert json.loads(json.dumps(condensed)) == condensed


def test_without_us_the_first_is_the_measure(document: dict[str, Any]) -> None:
    document["rows"][1]["samples"] = {"pipeline_net in asyncio": [sample(1.0)], "uvloop": [sample(2.0)]}
    document["rows"][1]["comparisons"] = []
    row = recorded.read_speed(recorded.condense(document)).row("raw")
    assert row is not None
    assert row.ours.name == "pipeline_net in asyncio"
