"""The error of bodies that cannot be decoded."""

from __future__ import annotations

from pipeline_net import DecodeError
from pipeline_net.codecs.http import ContentDecodingError, HttpDecodeError


def test_it_says_what_a_server_answers() -> None:
    error = ContentDecodingError(413, "too much")
    assert isinstance(error, HttpDecodeError)
    assert isinstance(error, DecodeError)
    assert error.status == 413
    assert str(error) == "too much"
    assert error.reply is not None
    assert error.reply.startswith(b"HTTP/1.1 413 Content Too Large\r\n")
