"""HttpDecodeError: whose fault, and what to answer."""

from __future__ import annotations

import pickle

from pipeline_net import DecodeError
from pipeline_net.codecs.http import HttpDecodeError


def test_it_carries_the_answer() -> None:
    exc = HttpDecodeError(431, "too many")
    assert isinstance(exc, DecodeError)
    assert (exc.status, str(exc)) == (431, "too many")
    assert exc.reply == (
        b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-type: text/plain\r\n"
        b"content-length: 36\r\n\r\n431 Request Header Fields Too Large\n"
    )


def test_it_travels_between_processes() -> None:
    exc = pickle.loads(pickle.dumps(HttpDecodeError(400, "what it is")))
    assert (exc.status, str(exc)) == (400, "what it is")
