"""The error of broken bytes."""

from __future__ import annotations

import pickle

from pipeline_net.codecs.websocket import WebSocketDecodeError
from pipeline_net.errors import DecodeError


def test_the_error_knows_its_code_and_survives_pickling() -> None:
    error = WebSocketDecodeError(1007, "text is no UTF-8")
    assert isinstance(error, DecodeError)
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.code, str(copy)) == (1007, "text is no UTF-8")
