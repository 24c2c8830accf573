"""The table of a connection's life, against a second one that was written by hand."""

from __future__ import annotations

import pytest

from pipeline_net import PipelineError
from pipeline_net.codecs.redis.client import connection_life
from pipeline_net.codecs.redis.client.connection_life import INPUT_NAMES, STATE_NAMES, next_state

_EXPECTED = """
    IDLE       OPEN       CONNECTING
    CONNECTING CONNECTED  GREETING
    GREETING   GREETED    READY
    GREETING   REFUSED    IDLE
    CONNECTING LOST       PAUSED
    GREETING   LOST       PAUSED
    READY      LOST       PAUSED
    PAUSED     RETRY      CONNECTING
    IDLE       CLOSE      CLOSED
    CONNECTING CLOSE      CLOSED
    GREETING   CLOSE      CLOSED
    READY      CLOSE      CLOSED
    PAUSED     CLOSE      CLOSED
    IDLE       END        CLOSED
    CONNECTING END        CLOSED
    GREETING   END        CLOSED
    READY      END        CLOSED
    PAUSED     END        CLOSED
"""
_ROWS = {tuple(line.split()[:2]): line.split()[2] for line in _EXPECTED.strip().splitlines()}


@pytest.mark.parametrize("state", STATE_NAMES)
@pytest.mark.parametrize("event", INPUT_NAMES)
def test_each_state_and_input_leads_where_it_should_or_nowhere(state: str, event: str) -> None:
    arguments = STATE_NAMES.index(state), INPUT_NAMES.index(event)
    if (state, event) in _ROWS:
        assert STATE_NAMES[next_state(*arguments)] == _ROWS[state, event]
    else:
        with pytest.raises(PipelineError, match=f"{state} cannot {event}"):
            next_state(*arguments)


def test_names_and_numbers_agree() -> None:
    for names in (STATE_NAMES, INPUT_NAMES):
        assert [getattr(connection_life, name) for name in names] == list(range(len(names)))
