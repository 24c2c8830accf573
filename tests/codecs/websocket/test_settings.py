"""How WebSockets are spoken is checked once, and holds for every connection."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.websocket import DeflateParameters, FrameDecoder, WebSocketHandler
from pipeline_net.codecs.websocket.settings import ProtocolSettings


def test_each_connection_has_stages_of_its_own() -> None:
    settings = ProtocolSettings(keepalive=None)
    one, other = settings.stages("server", None), settings.stages("client", DeflateParameters())
    assert [type(stage) for stage in one] == [FrameDecoder, WebSocketHandler]
    assert not set(map(id, one)) & set(map(id, other))


def test_what_is_wrong_is_said_before_the_first_connection() -> None:
    with pytest.raises(ValueError, match="close_timeout must be more than 0"):
        ProtocolSettings(close_timeout=0)
