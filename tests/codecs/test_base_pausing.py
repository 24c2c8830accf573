"""Decoders that owe a message for bytes they have taken, and decoders that wait for a word."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import ByteToMessageDecoder, ChannelHandlerContext, ChannelInboundHandler, ReceiveBuffer
from pipeline_net.codecs.base import default_unfinished
from pipeline_net.errors import DecodeError, PipelineError
from pipeline_net.options import ChannelOptions
from pipeline_net.testing import EmbeddedChannel, check_decoder


class LetterAndEnd(ByteToMessageDecoder[str]):
    """Each letter is itself, and a full stop is ``end`` behind the letter; ``!`` owes and then says nothing."""

    def decode(self, buffer: ReceiveBuffer) -> str | None:
        if self.owes_message:
            self.owes_message = False
            return "end"
        if buffer.peek(1) == b"!":
            buffer.skip(1)
            self.owes_message = True
            return None
        if len(buffer) < 2:
            return None
        pair = buffer.take(2).decode()
        letter, stop = pair[0], pair[1]
        self.owes_message = stop == "."
        if stop == "?":
            raise DecodeError("asked")
        return letter

    def unfinished(self, buffer: ReceiveBuffer) -> DecodeError | None:
        return default_unfinished(buffer)


class Closes(ChannelInboundHandler[Any]):
    def __init__(self) -> None:
        self.read: list[Any] = []

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self.read.append(msg)
        ctx.close()


class Pauses(ChannelInboundHandler[Any]):
    """Pauses the decoder at each ``a``."""

    def __init__(self, decoder: LetterAndEnd) -> None:
        self._decoder = decoder

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if msg == "a":
            self._decoder.is_paused = True
        ctx.fire_channel_read(msg)


def test_one_place_in_the_bytes_may_be_two_messages() -> None:
    check_decoder(
        LetterAndEnd,
        [
            (b"a.", ["a", "end"]),
            (b"a.b,c.", ["a", "end", "b", "c", "end"]),
            (b"!", ["end"]),
            (b"a.b?", ["a", "end", DecodeError]),
        ],
    )


def test_what_is_owed_is_not_delivered_to_whoever_closes() -> None:
    closes = Closes()
    channel = EmbeddedChannel(LetterAndEnd(), closes)
    channel.write_inbound(b"a.b.")
    assert closes.read == ["a"]


def _paused(**options: Any) -> tuple[EmbeddedChannel, LetterAndEnd, Any]:
    decoder = LetterAndEnd()
    channel = EmbeddedChannel(decoder, Pauses(decoder), options=ChannelOptions(**options))
    return channel, decoder, channel.pipeline.context(decoder)


def test_while_a_decoder_is_paused_messages_wait_and_reading_pauses() -> None:
    channel, decoder, seat = _paused()
    channel.write_inbound(b"a.b,a,c,")
    assert channel.inbound == ["a"]
    assert not channel.wants_to_read
    channel.write_inbound(b"d,")
    decoder.resume(seat)
    assert channel.inbound == ["a", "end", "b", "a"]
    assert not channel.wants_to_read
    decoder.resume(seat)
    assert channel.inbound == ["a", "end", "b", "a", "c", "d"]
    assert channel.wants_to_read


def test_reading_goes_on_while_nothing_waits() -> None:
    channel, decoder, seat = _paused()
    wants: list[bool] = []
    for piece in (b"a,", b"b,"):
        channel.write_inbound(piece)
        wants.append(channel.wants_to_read)
    assert wants == [True, False]
    decoder.resume(seat)
    assert channel.inbound == ["a", "b"]


@pytest.mark.parametrize("rest", [b"", b"b,"])
def test_the_end_of_the_input_comes_after_what_waits(rest: bytes) -> None:
    channel, decoder, seat = _paused()
    channel.write_inbound(b"a," + rest)
    channel.finish_input()
    assert channel.is_open is bool(rest)
    if rest:
        decoder.resume(seat)
        channel.run_pending()
    assert channel.inbound == ["a", "b"][: 1 + bool(rest)]
    assert not channel.is_open


def test_a_decoder_that_is_resumed_in_time_never_stops() -> None:
    class Resumes(ChannelInboundHandler[Any]):
        def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
            decoder.is_paused = True
            ctx.fire_channel_read(msg)
            decoder.resume(seat)

    decoder = LetterAndEnd()
    channel = EmbeddedChannel(decoder, Resumes())
    seat: Any = channel.pipeline.context(decoder)
    channel.write_inbound(b"a." * 2000)
    assert channel.inbound == ["a", "end"] * 2000
    assert channel.wants_to_read


def test_a_paused_decoder_that_is_taken_out_hands_over_and_reading_goes_on() -> None:
    channel, decoder, _ = _paused()
    channel.write_inbound(b"a,bc")
    held = decoder.holds_reads
    channel.pipeline.remove(decoder)
    assert (held, decoder.holds_reads) == (True, False)
    assert channel.inbound == ["a", b"bc"]
    assert channel.wants_to_read


def test_a_paused_decoder_does_not_ask_for_more() -> None:
    channel, _, _ = _paused(auto_read=False)
    channel.write_inbound(b"a,b,")
    assert channel.reads_requested == 0


def test_a_decoder_that_always_owes_is_stopped() -> None:
    class Owes(ByteToMessageDecoder[str]):
        def decode(self, buffer: ReceiveBuffer) -> str | None:
            self.owes_message = True
            return "again"

    channel = EmbeddedChannel(Owes())
    with pytest.raises(PipelineError, match="without consuming a byte"):
        channel.write_inbound(b"x")
    with pytest.raises(PipelineError, match="without consuming a byte"):
        Owes().feed(b"x")
