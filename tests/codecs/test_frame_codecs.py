"""The four codecs: gnet's own vectors, and the edges where gnet stalls, crashes or buffers without end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net.codecs.frame_codecs import (
    DelimiterBasedFrameCodec,
    FixedLengthFrameCodec,
    ICodec,
    LengthFieldBasedFrameCodec,
    LineBasedFrameCodec,
)
from pipeline_net.codecs.frame_configs import DecoderConfig, EncoderConfig
from pipeline_net.errors import CorruptedFrameError, EncodeError, FrameTooLongError
from pipeline_net.handler import ChannelInboundHandler
from pipeline_net.stack import wire
from pipeline_net.testing import EmbeddedChannel, check_codec, check_decoder, check_limits


def length_field(width: int, byte_order: str = "big", *, max_length: int = 2**20) -> LengthFieldBasedFrameCodec:
    return LengthFieldBasedFrameCodec(
        EncoderConfig(width, byte_order=byte_order),
        DecoderConfig(length_field_length=width, initial_bytes_to_strip=width, byte_order=byte_order),
        max_length=max_length,
    )


def reads(**decoder: Any) -> Callable[[], LengthFieldBasedFrameCodec]:
    return lambda: LengthFieldBasedFrameCodec(EncoderConfig(), DecoderConfig(**decoder))


# What was sent to gnet v1.6.7, and what is right.  Where it differs, the name says so.
GNET: dict[str, tuple[Callable[[], ICodec[bytes]], bytes, list[Any]]] = {
    "lines": (LineBasedFrameCodec, b"a\nb\nc\n", [b"a", b"b", b"c"]),
    "lines, kept the return": (LineBasedFrameCodec, b"a\r\nb\r\n", [b"a", b"b"]),
    "lines, stalled at the empty one": (LineBasedFrameCodec, b"a\n\nb\nc\n", [b"a", b"", b"b", b"c"]),
    "lines, lost the empty one": (LineBasedFrameCodec, b"\nx\n", [b"", b"x"]),
    "delimiter, stalled": (lambda: DelimiterBasedFrameCodec(b"|"), b"a||b|c|", [b"a", b"", b"b", b"c"]),
    "fixed": (lambda: FixedLengthFrameCodec(4), b"abcdefghijkl", [b"abcd", b"efgh", b"ijkl"]),
    "zero length": (
        reads(length_field_length=2, initial_bytes_to_strip=2),
        b"\x00\x00\x00\x01\x78",
        [b"", b"x"],
    ),
    "dribble": (reads(length_field_length=2, initial_bytes_to_strip=2), b"\x00\x03abc", [b"abc"]),
    "no strip": (reads(length_field_length=2), b"\x00\x03abc", [b"\x00\x03abc"]),
    "offset": (
        reads(length_field_offset=1, length_field_length=2, initial_bytes_to_strip=3),
        b"\xca\x00\x03abc",
        [b"abc"],
    ),
    "counts itself": (
        reads(length_field_length=2, length_adjustment=-2, initial_bytes_to_strip=2),
        b"\x00\x05abc",
        [b"abc"],
    ),
    "two headers": (
        reads(length_field_offset=1, length_field_length=2, length_adjustment=1, initial_bytes_to_strip=3),
        b"\xca\x00\x03\xfeabc",
        [b"\xfeabc"],
    ),
    "below zero, stalled for ever": (
        reads(length_field_length=2, length_adjustment=-2),
        b"\x00\x01",
        [CorruptedFrameError],
    ),
    "8 bytes of ones, buffered without end": (reads(length_field_length=8), b"\xff" * 8, [FrameTooLongError]),
    "8 bytes signed, buffered without end": (
        reads(length_field_length=8),
        b"\x7f" + b"\xff" * 7,
        [FrameTooLongError],
    ),
    "4 GiB, waited for them": (reads(length_field_length=4), b"\xff" * 4, [FrameTooLongError]),
    "stripped more than there was, crashed": (
        reads(length_field_length=1, initial_bytes_to_strip=9),
        b"\x03abc",
        [CorruptedFrameError],
    ),
}


@pytest.mark.parametrize("name", GNET)
def test_frames_come_out_right_however_they_are_cut(name: str) -> None:
    factory, data, frames = GNET[name]
    check_decoder(factory, [(data, frames)])


def test_a_field_of_five_bytes_is_refused_at_construction_where_gnet_stalled() -> None:
    with pytest.raises(ValueError, match="length_field_length must be 1, 2, 3, 4 or 8, but is 5"):
        length_field(5)
    with pytest.raises(ValueError, match="length_field_length"):
        LengthFieldBasedFrameCodec(EncoderConfig(5), DecoderConfig())
    with pytest.raises(ValueError, match="byte_order"):
        LengthFieldBasedFrameCodec(EncoderConfig(), DecoderConfig(byte_order="host"))


class TestRoundTrips:
    def test_lines(self) -> None:
        check_codec(LineBasedFrameCodec, [b"", b"a", b"a\rb", b"x" * 300])

    def test_delimiters(self) -> None:
        check_codec(lambda: DelimiterBasedFrameCodec(b"<>"), [b"", b"a", b"<a>", b">", b"x" * 300])

    def test_fixed_lengths(self) -> None:
        check_codec(lambda: FixedLengthFrameCodec(3), [b"abc", b"\0\0\0"])

    @pytest.mark.parametrize("byte_order", ["big", "little"])
    @pytest.mark.parametrize("width", [1, 2, 3, 4, 8])
    def test_length_fields(self, width: int, byte_order: str) -> None:
        check_codec(lambda: length_field(width, byte_order), [b"", b"a", b"x" * 255])

    @pytest.mark.parametrize("size", [0, 1024, 9 * 65536])
    @pytest.mark.parametrize("byte_order", ["big", "little"])
    def test_long_bodies(self, byte_order: str, size: int) -> None:
        codec = length_field(3, byte_order)
        channel = EmbeddedChannel(codec)
        channel.write_outbound(b"x" * size)
        data = b"".join(channel.outbound)
        assert data == size.to_bytes(3, "little" if byte_order == "little" else "big") + b"x" * size
        assert codec.feed(data) == [b"x" * size]


class TestWhatCannotBeWritten:
    @pytest.mark.parametrize(
        ("codec", "message", "complaint"),
        [
            (LineBasedFrameCodec(), b"a\nb", r"a line must not have b'\\n' inside, but b'a\\nb' has"),
            (DelimiterBasedFrameCodec(b"|"), b"a|", "must not have its delimiter b'|' inside"),
            (DelimiterBasedFrameCodec(b"||"), b"a|", "must not have its delimiter"),  # a||| would end before its |
            (FixedLengthFrameCodec(8), bytes(15), "a message must be a multiple of 8 bytes, but has 15"),
            (length_field(1), bytes(256), "a length of 256 does not fit into a field of 1 bytes"),
            (length_field(2), bytes(65536), "a length of 65536 does not fit"),
            (length_field(3), bytes(16777216), "a length of 16777216 does not fit"),
        ],
    )
    def test_it_fails_its_write_alone(self, codec: ICodec[bytes], message: bytes, complaint: str) -> None:
        with pytest.raises(EncodeError, match=complaint):
            codec.encode(message)
        channel = EmbeddedChannel(codec)
        refused = channel.write(message)
        channel.write_outbound(b"12345678")
        assert isinstance(refused.exception(), EncodeError)
        assert b"".join(channel.outbound) == codec.encode(b"12345678")

    def test_a_multiple_of_a_fixed_length_is_several_frames(self) -> None:
        assert FixedLengthFrameCodec(2).encode(b"abcd") == b"abcd"
        with pytest.raises(ValueError, match="length must be from 1"):
            FixedLengthFrameCodec(0)

    def test_a_delimiter_has_at_least_one_byte(self) -> None:
        with pytest.raises(ValueError, match="a delimiter must have at least one byte"):
            DelimiterBasedFrameCodec(b"")


class TestLimits:
    @pytest.mark.parametrize(
        ("codec", "head"),
        [(LineBasedFrameCodec(), b""), (DelimiterBasedFrameCodec(b"|"), b""), (length_field(4), b"\x00\x10\x00\x01")],
    )
    def test_every_codec_has_one_by_default(self, codec: ICodec[bytes], head: bytes) -> None:
        with pytest.raises(FrameTooLongError):
            codec.feed(head + b"x" * (2**20 + 1) + b"\n")

    def test_after_an_overlong_frame_the_next_is_decoded_again(self) -> None:
        overlong = b"x" * 20
        check_decoder(
            lambda: LineBasedFrameCodec(max_length=10),
            [(b"a\n" + overlong + b"\nb\n", [b"a", FrameTooLongError, b"b"])],
        )
        check_decoder(
            lambda: DelimiterBasedFrameCodec(b"|", max_length=10),
            [(b"a|" + overlong + b"|b|", [b"a", FrameTooLongError, b"b"])],
        )
        check_decoder(
            lambda: length_field(1, max_length=10),
            [(b"\x01a\x14" + overlong + b"\x01b", [b"a", FrameTooLongError, b"b"])],
        )

    @pytest.mark.parametrize(
        ("factory", "prefix"),
        [
            (lambda: LineBasedFrameCodec(max_length=100), b""),
            (lambda: DelimiterBasedFrameCodec(b"||", max_length=100), b""),
            (lambda: length_field(1, max_length=101), b"\x64"),
            (lambda: FixedLengthFrameCodec(101), b""),
        ],
    )
    def test_no_frame_is_held_above_it(self, factory: Callable[[], ICodec[bytes]], prefix: bytes) -> None:
        check_limits(factory, lambda n: (prefix + b"x" * 100)[:n] if prefix else b"x" * n, 101)


class Upper(ChannelInboundHandler[bytes, bytes, bytes]):
    def channel_read(self, ctx: Any, msg: bytes) -> None:
        ctx.write(msg.upper())


def test_a_codec_is_a_stage_between_the_wire_and_a_handler() -> None:
    channel = EmbeddedChannel(wire() >> length_field(2) >> Upper())
    channel.write_inbound(b"\x00\x02hi\x00")
    channel.write_inbound(b"\x01x")
    assert b"".join(channel.outbound) == b"\x00\x02HI\x00\x01X"
