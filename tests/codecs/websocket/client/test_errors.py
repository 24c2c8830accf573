"""How the end of a WebSocket is told to programs."""

from __future__ import annotations

import pickle

from pipeline_net import ChannelClosedError
from pipeline_net.codecs.websocket import Closed, WebSocketClosedError


def test_it_says_how_it_ended() -> None:
    error = WebSocketClosedError(Closed(4000, "enough", True, True))
    assert isinstance(error, ChannelClosedError)
    assert (error.code, error.reason, error.clean) == (4000, "enough", True)
    assert str(error) == "the WebSocket was closed with 4000: enough"
    lost = WebSocketClosedError(Closed(1006, "", False, True))
    assert str(lost) == "the WebSocket was closed with 1006, without a closing handshake"


def test_it_can_be_passed_between_processes() -> None:
    error = WebSocketClosedError(Closed(4000, "enough", True, True))
    assert pickle.loads(pickle.dumps(error)).closed == error.closed
