"""The table of a TLS stage's life, against a second list that was written independently."""

from __future__ import annotations

import itertools

import pytest

from pipeline_net.handlers.tls_life import LIFE, STATE_NAMES, next_state

# What may happen, in words.
_ALLOWED = """
    NEW start HANDSHAKING
    NEW fail FAILED
    NEW end CLOSED
    HANDSHAKING done OPEN
    HANDSHAKING fail FAILED
    HANDSHAKING end CLOSED
    OPEN close CLOSING
    OPEN fail FAILED
    OPEN end CLOSED
    CLOSING fail FAILED
    CLOSING end CLOSED
    CLOSED end CLOSED
    FAILED end FAILED
"""

_ROWS = {(line.split()[0], line.split()[1]): line.split()[2] for line in _ALLOWED.strip().splitlines()}
_STEPS = ("start", "done", "close", "end", "fail")


@pytest.mark.parametrize(("state", "step"), [*itertools.product(STATE_NAMES, _STEPS)])
def test_every_pair_of_state_and_step(state: str, step: str) -> None:
    number = STATE_NAMES.index(state)
    if (state, step) in _ROWS:
        assert STATE_NAMES[next_state(number, step)] == _ROWS[state, step]
    else:
        with pytest.raises(AssertionError, match=f"is {state} cannot {step}"):
            next_state(number, step)


def test_the_table_has_no_other_rows() -> None:
    assert {(STATE_NAMES[state], step) for state, step in LIFE} == set(_ROWS)
