"""What a decoder gives away: all that it has not delivered, and what it remembers of it goes, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import ChannelInboundHandler
from pipeline_net.codecs import (
    DelimiterBasedFrameCodec,
    DelimiterBasedFrameDecoder,
    GeneratorDecoder,
    JsonObjectDecoder,
    LengthFieldBasedFrameDecoder,
    LineBasedFrameDecoder,
    Varint32FrameDecoder,
    redis,
)
from pipeline_net.errors import FrameTooLongError
from pipeline_net.testing import EmbeddedChannel


class Diary(ChannelInboundHandler[bytes]):
    """Writes down what comes; at a word, takes the bytes away from the decoder, as whoever takes over does."""

    def __init__(self, decoder: Any, word: bytes = b"") -> None:
        self.entries: list[Any] = []
        self.taken = b""
        self._decoder = decoder
        self._word = word

    def channel_read(self, ctx: Any, msg: bytes) -> None:
        self.entries.append(msg)
        if msg == self._word:
            self.taken = self._decoder.take_unread()

    def channel_read_complete(self, ctx: Any) -> None:
        self.entries.append("complete")


class Story(GeneratorDecoder[bytes]):
    max_length = 16

    def message(self) -> Any:
        size = yield 1
        return (yield size[0])


@pytest.mark.parametrize(
    ("decoder", "half"),
    [
        (Story(), b"\x05"),
        (Story(), b"\x05abc"),
        (JsonObjectDecoder(100), b'{"a":'),
        (LineBasedFrameDecoder(100), b"abc"),
        (redis.RedisCommandDecoder(), b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nval"),
        (redis.RedisPartDecoder(), b"+PON"),
    ],
)
def test_half_a_message_goes_to_the_next_stage_as_one_piece_and_completes(decoder: Any, half: bytes) -> None:
    diary = Diary(decoder)
    channel = EmbeddedChannel(decoder, diary)
    channel.write_inbound(half)
    diary.entries.clear()
    channel.pipeline.remove(decoder)
    assert diary.entries == [half, "complete"]


def test_where_delimiters_were_is_forgotten_with_the_bytes() -> None:
    decoder = DelimiterBasedFrameDecoder(100, b"\n", b";")
    diary = Diary(decoder, b"over")
    channel = EmbeddedChannel(decoder, diary)
    channel.write_inbound(b"over\nfoo;")
    assert diary.taken == b"foo;"
    channel.write_inbound(b"ABCDEFGH;xx\n")
    assert diary.entries == [b"over", "complete", b"ABCDEFGH", b"xx", "complete"]


@pytest.mark.parametrize(
    ("make", "too_long", "message", "expected"),
    [
        (lambda: LineBasedFrameDecoder(4, fail_fast=True), b"abcdefg", b"abc\n", b"abc"),
        (lambda: DelimiterBasedFrameDecoder(4, b"\n", b";"), b"abcdefg", b"abc;", b"abc"),
        (lambda: DelimiterBasedFrameCodec(b";", max_length=4), b"abcdefg", b"abc;", b"abc"),
        (lambda: LengthFieldBasedFrameDecoder(4, 0, 1, 0, 1), b"\x09ab", b"\x03abc", b"abc"),
        (lambda: Varint32FrameDecoder(4), b"\x09ab", b"\x03abc", b"abc"),
        (lambda: JsonObjectDecoder(4), b"[1, 2, ", b"[3]", b"[3]"),
        (Story, b"\x20ab", b"\x03abc", b"abc"),
    ],
)
def test_a_frame_that_was_being_discarded_takes_nothing_of_the_next_stream(
    make: Callable[[], Any], too_long: bytes, message: bytes, expected: bytes
) -> None:
    decoder = make()
    with pytest.raises(FrameTooLongError):
        decoder.feed(too_long)
    decoder.take_unread()
    assert decoder.feed(message) == [expected]


def test_a_json_text_begins_anew_when_the_bytes_were_given_away() -> None:
    decoder = JsonObjectDecoder(100, stream_array=True)
    assert decoder.feed(b'[1, {"a": [') == [b"1"]
    assert decoder.take_unread() == b'{"a": ['
    assert decoder.feed(b"[2]") == [b"2"]
