"""The life of a channel, held against a second table."""

from __future__ import annotations

import pytest

from pipeline_net.channel_life import STATE_NAMES, STEP_NAMES, next_state

# Written down independently of the table in the module: what may happen in each state, and what it leads to.
_STEPS = ["register", "activate", "close", "end"]
_MAY_HAPPEN = {
    "NEW": {"register": "REGISTERED", "close": "CLOSING", "end": "CLOSED"},
    "REGISTERED": {"activate": "ACTIVE", "close": "CLOSING", "end": "CLOSED"},
    "ACTIVE": {"close": "CLOSING", "end": "CLOSED"},
    "CLOSING": {"end": "CLOSED"},
    "CLOSED": {},
}


@pytest.mark.parametrize("step", _STEPS)
@pytest.mark.parametrize("state", _MAY_HAPPEN)
def test_the_life_of_a_channel_is_this_table_and_no_other(state: str, step: str) -> None:
    assert list(STATE_NAMES) == list(_MAY_HAPPEN)
    assert list(STEP_NAMES) == _STEPS
    following = _MAY_HAPPEN[state].get(step)
    if following is not None:
        assert STATE_NAMES[next_state(STATE_NAMES.index(state), _STEPS.index(step))] == following
    else:
        with pytest.raises(AssertionError, match=f"a channel that is {state} cannot {step}"):
            next_state(STATE_NAMES.index(state), _STEPS.index(step))
