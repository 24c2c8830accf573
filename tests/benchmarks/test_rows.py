"""The table of rows: keys, targets that can be met, and a generator for each load."""

from __future__ import annotations

import pytest

from benchmarks.build import GENERATORS, HERE
from benchmarks.compare import expected_seconds
from benchmarks.rows import ROWS, Load, Row, is_chosen
from benchmarks.size import SIZES

_LONGEST = 15 * 60  # seconds that a whole run may take


@pytest.mark.parametrize(
    ("key", "pattern", "chosen"),
    [
        ("frames", "*", True),
        ("frames", "frames", True),
        ("frames-16", "frames", False),
        ("frames-16", "frames*", True),
        ("http", "raw, http", True),
        ("http", "raw,tls", False),
    ],
)
def test_rows_are_chosen_by_globs(key: str, pattern: str, chosen: bool) -> None:
    assert is_chosen(key, pattern) is chosen


def test_keys_are_unique() -> None:
    keys = [row.key for row in (*ROWS, *SIZES)]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_a_row_can_be_measured(row: Row) -> None:
    names = [contender.name for contender in row.contenders]
    assert len(names) == len(set(names))
    for target in row.targets:
        assert {target.subject, target.against} <= set(names)
        assert 0 < target.must <= target.aim
    if isinstance(row.load, Load):
        assert (HERE / GENERATORS[row.load.mode].source).exists()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_the_programs_of_a_row_are_in_the_tree(row: Row) -> None:
    for contender in row.contenders:
        if contender.interpreter != "none" and not contender.command[0].startswith("-"):
            assert (HERE / contender.command[0]).exists(), contender


def test_a_whole_run_takes_a_quarter_of_an_hour_at_most() -> None:
    assert expected_seconds(ROWS, rounds=5, seconds=1.0) < _LONGEST - 60  # the sizes take half a minute
