"""What encoders share: each promise of the docstrings."""

from __future__ import annotations

from typing import Any

from pipeline_net.codecs.base import (
    ICodec,
    MessageToByteEncoder,
)
from pipeline_net.context import ChannelHandlerContext
from pipeline_net.errors import EncodeError
from pipeline_net.future import ChannelFuture
from pipeline_net.handler import interpreted_encode
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


class Signed(MessageToByteEncoder[bytes]):
    """Has an ``encode`` and a ``write`` that does more than calling it."""

    def encode(self, msg: bytes) -> bytes:
        return msg + b"."

    def write(self, ctx: Context, msg: Any, promise: ChannelFuture[Any] | None) -> None:
        super().write(ctx, msg, None)
        ctx.write(b"signed", promise)


class TestEncodersInARow:
    def test_each_is_given_what_the_one_before_has_made(self) -> None:
        channel = EmbeddedChannel(Signed(), InPieces())
        channel.write_outbound("ab")
        assert channel.outbound == [b"a.", b"signed", b"b.", b"signed"]

    def test_pieces_of_one_are_messages_to_the_next(self) -> None:
        class Ended(MessageToByteEncoder[bytes]):
            def encode(self, msg: bytes) -> bytes:
                return msg + b"."

        channel = EmbeddedChannel(Ended(), InPieces())
        promise = channel.new_promise()
        channel.pipeline.write("ab", promise)
        assert not promise.done()
        channel.pipeline.flush()
        assert channel.outbound == [b"a.", b"b."]
        assert promise.done()

    def test_a_write_of_its_own_is_called_in_a_subclass_too(self) -> None:
        class More(Signed):
            def encode(self, msg: bytes) -> bytes:
                return msg + b"!"

        channel = EmbeddedChannel(More())
        channel.write_outbound(b"a")
        assert channel.outbound == [b"a!", b"signed"]
        assert interpreted_encode(More) is None
        assert interpreted_encode(InPieces) is InPieces.encode

    def test_what_the_second_raises_is_the_second_ones_to_handle(self) -> None:
        raised: list[tuple[str, BaseException]] = []

        class Named(MessageToByteEncoder[bytes]):
            def __init__(self, name: str) -> None:
                self._name = name

            def encode(self, msg: bytes) -> bytes:
                if self._name == "second":
                    raise failure
                return msg

            def exception_caught(self, ctx: Context, exc: BaseException) -> None:
                raised.append((self._name, exc))

        failure = EncodeError("for a test")
        channel = EmbeddedChannel(Named("third"), Named("second"), Named("first"))
        channel.pipeline.write(b"a")
        assert raised == [("second", failure)]

    def test_an_encoder_that_takes_itself_out_has_encoded_for_the_last_time(self) -> None:
        class Once(MessageToByteEncoder[bytes]):
            def handler_added(self, ctx: Context) -> None:
                self._ctx = ctx

            def encode(self, msg: bytes) -> bytes:
                self._ctx.pipeline.remove(self)
                return msg + b" once"

        channel = EmbeddedChannel(Signed(), Once())
        channel.write_outbound(b"a", b"b")
        assert channel.outbound == [b"a once.", b"signed", b"b.", b"signed"]

    def test_bytes_need_not_be_bytes_and_may_be_none(self) -> None:
        class Mutable(MessageToByteEncoder[Any]):
            def encode(self, msg: Any) -> Any:
                return bytearray(msg) if msg else b""

        channel = EmbeddedChannel(Mutable())
        channel.write_outbound(b"ab", b"", b"c")
        assert channel.outbound == [b"ab", b"", b"c"]
