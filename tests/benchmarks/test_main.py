"""The command line of `make bench`."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import parse


def test_everything_has_a_default() -> None:
    choices = parse([])
    assert (choices.rows, choices.rounds, choices.seconds) == ("*", 5, 1.0)


def test_a_row_is_chosen_with_rounds_and_seconds() -> None:
    choices = parse(["--row", "redis-*", "--rounds", "2", "--seconds", "0.3", "--python", "python3"])
    assert (choices.rows, choices.rounds, choices.seconds, choices.python) == ("redis-*", 2, 0.3, "python3")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--row", "nothing"], "no row is called 'nothing'; there are raw, lone, frames,"),
        (["--rounds", "0"], "rounds must be at least 1"),
        (["--seconds", "0"], "seconds above 0"),
    ],
)
def test_what_cannot_be_is_refused(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(arguments)
    assert complaint in capsys.readouterr().err
