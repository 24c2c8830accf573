"""The closing handshake, held against a second table."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.websocket.closing import EVENT_NAMES, STATE_NAMES, step

# Written down independently: state, event, what to do, what follows.
_ACTIONS = ("NOTHING", "SEND_CLOSE", "ANSWER", "FINISH", "FAIL", "LOSE", "CLOSE_TCP")
_MAY_HAPPEN = {
    ("OPEN", "WE_CLOSE"): ("SEND_CLOSE", "CLOSING"),
    ("OPEN", "PEER_CLOSES"): ("ANSWER", "ENDING"),
    ("OPEN", "FAILED"): ("FAIL", "ENDED"),
    ("OPEN", "INPUT_ENDS"): ("LOSE", "ENDED"),
    ("CLOSING", "WE_CLOSE"): ("NOTHING", "CLOSING"),
    ("CLOSING", "PEER_CLOSES"): ("FINISH", "ENDING"),
    ("CLOSING", "FAILED"): ("FAIL", "ENDED"),
    ("CLOSING", "INPUT_ENDS"): ("LOSE", "ENDED"),
    ("CLOSING", "TIME_IS_UP"): ("LOSE", "ENDED"),
    ("ENDING", "WE_CLOSE"): ("NOTHING", "ENDING"),
    ("ENDING", "INPUT_ENDS"): ("CLOSE_TCP", "ENDED"),
    ("ENDING", "TIME_IS_UP"): ("CLOSE_TCP", "ENDED"),
    ("ENDED", "WE_CLOSE"): ("CLOSE_TCP", "ENDED"),
    ("ENDED", "PEER_CLOSES"): ("NOTHING", "ENDED"),
    ("ENDED", "FAILED"): ("NOTHING", "ENDED"),
    ("ENDED", "INPUT_ENDS"): ("NOTHING", "ENDED"),
    ("ENDED", "TIME_IS_UP"): ("NOTHING", "ENDED"),
}


@pytest.mark.parametrize("event", EVENT_NAMES)
@pytest.mark.parametrize("state", STATE_NAMES)
def test_the_handshake_is_this_table_and_no_other(state: str, event: str) -> None:
    expected = _MAY_HAPPEN.get((state, event))
    if expected is not None:
        action, following = step(STATE_NAMES.index(state), EVENT_NAMES.index(event))
        assert (_ACTIONS[action], STATE_NAMES[following]) == expected
    else:
        with pytest.raises(AssertionError, match=f"{event} cannot happen to a WebSocket that is {state}"):
            step(STATE_NAMES.index(state), EVENT_NAMES.index(event))
