"""What encoders share: each promise of the docstrings."""

from __future__ import annotations

from typing import Any

from pipeline_net.codecs.base import (
    ICodec,
    MessageToByteEncoder,
)
from pipeline_net.context import ChannelHandlerContext
from pipeline_net.errors import EncodeError
from pipeline_net.testing import EmbeddedChannel

Context = ChannelHandlerContext[Any, Any]


class InPieces(MessageToByteEncoder[str]):
    def encode(self, msg: str) -> bytes | list[bytes]:
        if "!" in msg:
            raise EncodeError("a ! is forbidden")
        pieces = [letter.encode() for letter in msg]
        return pieces[0] if len(pieces) == 1 else pieces


class PiecesCodec(ICodec[str]):
    def encode(self, message: str) -> bytes | list[bytes]:
        return InPieces().encode(message)


class TestEncoding:
    def test_one_message_may_be_several_pieces(self) -> None:
        channel = EmbeddedChannel(InPieces())
        channel.write_outbound("a", "bcd")
        assert channel.outbound == [b"a", b"b", b"c", b"d"]

    def test_the_promise_is_kept_with_the_last_piece(self) -> None:
        channel = EmbeddedChannel(InPieces())
        channel.peer_window = 2
        promise = channel.write("abc")
        channel.flush()
        channel.run_pending()
        assert not promise.done()
        channel.peer_window = None
        channel.run_pending()
        assert promise.done()
        assert promise.exception() is None

    def test_no_pieces_keep_the_promise_at_once(self) -> None:
        channel = EmbeddedChannel(InPieces())
        promise = channel.write("")
        channel.run_pending()
        assert promise.done()
        assert promise.exception() is None
        assert channel.outbound == []

    def test_what_encode_raises_fails_that_write_alone(self) -> None:
        channel = EmbeddedChannel(InPieces())
        promises = [channel.write(text) for text in ("ab", "c!", "d")]
        channel.run_pending()
        assert [type(promise.exception()) for promise in promises] == [type(None), EncodeError, type(None)]
        assert channel.outbound == [b"a", b"b", b"d"]

    def test_a_codec_writes_as_an_encoder_does(self) -> None:
        channel = EmbeddedChannel(PiecesCodec())
        channel.write_outbound("ab")
        assert channel.outbound == [b"a", b"b"]
        assert isinstance(channel.write("c!").exception(), EncodeError)
