"""Frames behind a length: the pictures of the docstrings, gnet's edge cases, and what a hostile number may not do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.codecs.length_field import LengthFieldBasedFrameDecoder, LengthFieldPrepender
from pipeline_net.errors import CorruptedFrameError, EncodeError, FrameTooLongError
from pipeline_net.handler import ChannelDuplexHandler, TransparentHandler
from pipeline_net.stack import wire
from pipeline_net.testing import EmbeddedChannel, check_codec, check_decoder, check_limits

Decoder = LengthFieldBasedFrameDecoder


def two(strip: int = 2, *, fail_fast: bool = True) -> Decoder:
    return Decoder(100, 0, 2, 0, strip, fail_fast=fail_fast)


# What makes the decoder, bytes on the wire, frames.
FRAMES: dict[str, tuple[Callable[[], Decoder], bytes, list[bytes]]] = {
    "first picture": (lambda: Decoder(100, 1, 2, 1, 3), b"\xca\x00\x05\xfeHELLO", [b"\xfeHELLO"]),
    "second picture": (lambda: Decoder(100, 0, 2, -2), b"\x00\x07HELLO", [b"\x00\x07HELLO"]),
    "nothing stripped": (lambda: two(0), b"\x00\x03abc", [b"\x00\x03abc"]),
    "an empty frame, then another": (two, b"\x00\x00\x00\x01x", [b"", b"x"]),
    "only empty frames": (two, b"\x00\x00" * 3, [b"", b"", b""]),
    "behind a header of one byte": (lambda: Decoder(100, 1, 2, 0, 3), b"\xca\x00\x03abc", [b"abc"]),
    "the number counts itself": (lambda: Decoder(100, 0, 2, -2, 2), b"\x00\x05abc", [b"abc"]),
    "two headers": (lambda: Decoder(100, 1, 2, 1, 3), b"\xca\x00\x03\xfeabc", [b"\xfeabc"]),
    "the number counts the first header too": (
        lambda: Decoder(100, 1, 2, -3, 3),
        b"\xca\x00\x10\xfeHELLO, WORLD",
        [b"\xfeHELLO, WORLD"],
    ),
    "little-endian": (lambda: Decoder(100, 0, 4, 0, 4, byte_order="little"), b"\x03\x00\x00\x00abc", [b"abc"]),
    "one byte": (lambda: Decoder(300, 0, 1, 0, 1), b"\xff" + b"x" * 255, [b"x" * 255]),
    "three bytes": (lambda: Decoder(100, 0, 3, 0, 3), b"\x00\x00\x02ab", [b"ab"]),
    "eight bytes": (lambda: Decoder(100, 0, 8, 0, 8), b"\x00" * 7 + b"\x02ab", [b"ab"]),
    "everything stripped": (lambda: two(5), b"\x00\x03abc", [b""]),
    "exactly at the limit": (lambda: Decoder(5, 0, 2, 0, 2), b"\x00\x03abc\x00\x01x", [b"abc", b"x"]),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames_come_out_however_their_bytes_are_cut(name: str) -> None:
    factory, data, frames = FRAMES[name]
    check_decoder(factory, [(data, frames)])
    check_decoder(factory, [(data * 3, frames * 3)])


def test_a_frame_that_dribbles_in_comes_out_at_its_last_byte() -> None:
    decoder = two()
    assert decoder.feed(b"\x00") == []
    assert decoder.feed(b"\x03a") == []
    assert decoder.feed(b"bc") == [b"abc"]
    assert decoder.finish() == []


@pytest.mark.parametrize(
    ("factory", "data", "error"),
    [
        (lambda: Decoder(100, 0, 2, -2), b"\x00\x01abc", CorruptedFrameError),  # 0 + 2 - 2 + 1: less than its own field
        (lambda: Decoder(100, 0, 1, 0, 9), b"\x03abc", CorruptedFrameError),  # 9 bytes to strip off 4
        (lambda: Decoder(100, 0, 4, -2147483648, 4), b"\x7f\xff\xff\xff", CorruptedFrameError),
        (lambda: Decoder(100, 0, 4, 0, 4), b"\xff\xff\xff\xff", FrameTooLongError),
        (lambda: Decoder(100, 0, 8, 0, 8), b"\xff" * 8, FrameTooLongError),
        (lambda: Decoder(100, 0, 8, 0, 8), b"\x7f" + b"\xff" * 7, FrameTooLongError),
        (lambda: Decoder(100, 0, 8, 1000, 8), b"\xff" * 8, FrameTooLongError),
        (lambda: Decoder(2**63 - 1, 0, 8, 0, 8), b"\xff" * 8, FrameTooLongError),
    ],
)
def test_a_number_that_cannot_be_meant_is_refused_with_its_header(
    factory: Callable[[], Decoder], data: bytes, error: type[Exception]
) -> None:
    check_decoder(factory, [(data, [error])])
    with pytest.raises(error):
        factory().feed(data)


def test_nothing_is_decoded_after_a_corrupted_frame() -> None:
    channel = EmbeddedChannel(Decoder(100, 0, 2, -2, 2))
    with pytest.raises(CorruptedFrameError, match="length field says 1, so the frame would have 1 bytes"):
        channel.write_inbound(b"\x00\x03a\x00\x01\x00\x03b")
    assert channel.read_inbound() == b"a"
    assert channel.read_inbound() is None


class TestOverlongFrames:
    @pytest.mark.parametrize("fail_fast", [True, False])
    def test_the_next_frame_is_decoded_again(self, fail_fast: bool) -> None:
        check_decoder(
            lambda: Decoder(6, 0, 2, 0, 2, fail_fast=fail_fast),
            [(b"\x00\x01a\x00\x05abcde\x00\x04full\x00\x00", [b"a", FrameTooLongError(7, 6), b"full", b""])],
        )

    def test_fail_fast_reports_with_the_header_and_once(self) -> None:
        decoder = two()
        with pytest.raises(FrameTooLongError) as caught:
            decoder.feed(b"\x03\xe8" + b"x" * 500)
        assert (caught.value.length, caught.value.limit) == (1002, 100)
        assert decoder.unread_bytes == 0
        assert decoder.feed(b"x" * 499) == []
        assert decoder.feed(b"x\x00\x01a") == [b"a"]
        assert decoder.finish() == []

    def test_without_fail_fast_the_frame_goes_by_first(self) -> None:
        decoder = two(fail_fast=False)
        assert decoder.feed(b"\x03\xe8" + b"x" * 500) == []
        assert decoder.unread_bytes == 0
        assert decoder.feed(b"x" * 499) == []
        with pytest.raises(FrameTooLongError) as caught:
            decoder.feed(b"x\x00\x01a")
        assert (caught.value.length, caught.value.limit) == (1002, 100)
        assert decoder.feed(b"") == [b"a"]

    def test_input_that_ends_in_a_frame_that_was_reported_is_not_reported_again(self) -> None:
        decoder = two()
        with pytest.raises(FrameTooLongError):
            decoder.feed(b"\x03\xe8xxx")
        assert decoder.finish() == []

    def test_input_that_ends_in_a_frame_that_was_not_reported_yet_reports_it(self) -> None:
        check_decoder(lambda: two(fail_fast=False), [(b"\x00\x01a\x03\xe8xxx", [b"a", FrameTooLongError(1002, 100)])])

    @pytest.mark.parametrize("fail_fast", [True, False])
    def test_a_frame_of_four_gigabytes_is_never_held(self, fail_fast: bool) -> None:
        decoder = Decoder(1000, 0, 4, 0, 4, fail_fast=fail_fast)
        try:
            decoder.feed(b"\xff\xff\xff\xff")
        except FrameTooLongError as exc:
            assert (exc.length, fail_fast) == (2**32 + 3, True)  # noqa: PT017 - reported now only when it shall be
        for _ in range(100):
            assert decoder.feed(bytes(65536)) == []
            assert decoder.unread_bytes == 0


def test_no_frame_is_held_above_the_limit() -> None:
    check_limits(lambda: Decoder(1000, 0, 4, 0, 4), lambda n: (b"\x00\x00\x03\xe4" + b"x" * n)[:n], 1000)


def test_a_frame_of_a_mebibyte_comes_out_whole_of_single_bytes() -> None:
    body = bytes(range(256)) * 4096
    decoder = Decoder(2**21, 0, 4, 0, 4)
    frames = []
    for byte in len(body).to_bytes(4, "big") + body:
        frames += decoder.feed(bytes([byte]))
    assert frames == [body]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((0,), "max_frame_length must be from 1 .* but is 0"),
        ((-1,), "max_frame_length .* -1"),
        ((2**63,), "max_frame_length"),
        ((100, -1), "length_field_offset must not be negative, but is -1"),
        ((100, 0, 5), "length_field_length must be 1, 2, 3, 4 or 8, but is 5"),
        ((100, 0, 0), "length_field_length .* 0"),
        ((100, 0, 4, 2**63), "length_adjustment must fit into 64 bits, but is 9223372036854775808"),
        ((100, 0, 4, -(2**63)), "length_adjustment must fit into 64 bits, but is -9223372036854775808"),
        ((2**64, 0, 4, -(2**64)), "max_frame_length .* is 18446744073709551616"),
        ((100, 0, 4, 0, 2**64), "initial_bytes_to_strip .* is 18446744073709551616"),
        ((100, 2**64), "which ends at byte 18446744073709551620, but is 100"),
        ((100, 0, 4, 0, -1), "initial_bytes_to_strip must not be negative, but is -1"),
        ((100, 0, 4, 0, 101), "initial_bytes_to_strip .* 101"),
        ((3,), "must hold the length field, which ends at byte 4, but is 3"),
        ((10, 8, 4), "which ends at byte 12, but is 10"),
    ],
)
def test_an_impossible_configuration_is_refused_by_name(arguments: tuple[int, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Decoder(*arguments)


@pytest.mark.parametrize("limit", [2**61 - 1, 2**61, 2**62 - 1, 2**62, 2**63 - 1])
def test_limits_may_be_as_high_as_positions_can_count(limit: int) -> None:
    assert Decoder(limit, 0, 2, 0, 2).feed(b"\x00\x03abc") == [b"abc"]
    with pytest.raises(FrameTooLongError):
        Decoder(limit, 0, 8, 0, 8).feed((limit - 7).to_bytes(8, "big"))
    assert Decoder(limit, 0, 8, 0, 8).feed((limit - 8).to_bytes(8, "big")) == []
    assert Decoder(limit, 0, 8, -(limit // 2), 8).feed((limit // 2).to_bytes(8, "big")) == [b""]
    with pytest.raises(CorruptedFrameError):
        Decoder(limit, 0, 8, -(limit // 2), 8).feed((limit // 2 - 1).to_bytes(8, "big"))
    with pytest.raises(FrameTooLongError):
        Decoder(limit, 0, 2, limit - 2, 2).feed(b"\x00\x01")
    assert Decoder(limit, 0, 2, limit - 2, 2).feed(b"\x00\x00") == []


@pytest.mark.parametrize("order", ["BIG", "network", ""])
def test_a_byte_order_is_big_or_little(order: str) -> None:
    with pytest.raises(ValueError, match=f'byte_order must be "big" or "little", but is {order!r}'):
        Decoder(100, byte_order=order)
    with pytest.raises(ValueError, match="byte_order"):
        LengthFieldPrepender(byte_order=order)


class TestPrepender:
    @pytest.mark.parametrize(
        ("prepender", "wire_bytes"),
        [
            (LengthFieldPrepender(2), b"\x00\x05HELLO"),
            (LengthFieldPrepender(2, length_includes_length_field=True), b"\x00\x07HELLO"),
            (LengthFieldPrepender(), b"\x00\x00\x00\x05HELLO"),
            (LengthFieldPrepender(1, length_adjustment=-5), b"\x00HELLO"),
            (LengthFieldPrepender(3, length_adjustment=1, length_includes_length_field=True), b"\x00\x00\x09HELLO"),
            (LengthFieldPrepender(3, byte_order="little"), b"\x05\x00\x00HELLO"),
            (LengthFieldPrepender(8, byte_order="little"), b"\x05" + b"\x00" * 7 + b"HELLO"),
        ],
    )
    def test_the_length_stands_in_front(self, prepender: LengthFieldPrepender, wire_bytes: bytes) -> None:
        assert prepender.encode(b"HELLO") == wire_bytes
        assert prepender.encode(bytearray(b"HELLO")) == wire_bytes
        assert prepender.encode(memoryview(b"HELLO")) == wire_bytes

    @pytest.mark.parametrize(("width", "longest"), [(1, 255), (2, 65535), (3, 16777215)])
    def test_the_longest_message_fits_and_one_byte_more_does_not(self, width: int, longest: int) -> None:
        prepender = LengthFieldPrepender(width)
        message = bytes(longest)
        encoded = prepender.encode(message)
        assert b"".join(encoded) if isinstance(encoded, list) else encoded == b"\xff" * width + message
        for one_more in (message + b"x", bytearray(message + b"x")):
            with pytest.raises(
                EncodeError, match=f"a length of {longest + 1} does not fit into a field of {width} bytes"
            ):
                prepender.encode(one_more)

    def test_a_length_that_is_negative_after_adjustment_is_refused(self) -> None:
        prepender = LengthFieldPrepender(2, length_adjustment=-3)
        assert prepender.encode(b"abc") == b"\x00\x00abc"
        for message in (b"ab", bytearray(b"ab"), b"a", b""):
            with pytest.raises(EncodeError, match=f"the length is {len(message) - 3} after adjustment"):
                prepender.encode(message)

    def test_a_long_message_is_not_copied(self) -> None:
        for message in (bytes(8193), bytearray(8193)):
            encoded = LengthFieldPrepender(4).encode(message)
            assert isinstance(encoded, list)
            assert encoded[0] == b"\x00\x00\x20\x01"
            assert encoded[1] is message

    def test_a_view_counts_its_bytes_not_its_items(self) -> None:
        short = memoryview(b"abcdefgh").cast("I")
        assert LengthFieldPrepender(1).encode(short) == b"\x08abcdefgh"
        long = memoryview(bytes(16384)).cast("I")
        assert b"".join(LengthFieldPrepender(4).encode(long)) == b"\x00\x00\x40\x00" + bytes(16384)  # type: ignore[arg-type]  # it is a list
        backward = memoryview(bytes(range(256)) * 64)[::-1]
        assert LengthFieldPrepender(4).encode(backward) == b"\x00\x00\x40\x00" + bytes(backward)

    @pytest.mark.parametrize("width", [0, 5, 6, 7, 9, -1])
    def test_a_field_has_1_2_3_4_or_8_bytes(self, width: int) -> None:
        with pytest.raises(ValueError, match=f"length_field_length must be 1, 2, 3, 4 or 8, but is {width}"):
            LengthFieldPrepender(width)

    def test_what_cannot_be_encoded_fails_its_write_and_writes_nothing(self) -> None:
        channel = EmbeddedChannel(LengthFieldPrepender(1))
        refused = channel.write(bytes(256))
        sent = channel.write(b"ok")
        channel.flush()
        channel.run_pending()
        assert isinstance(refused.exception(), EncodeError)
        assert sent.exception() is None
        assert channel.read_outbound() == b"\x02ok"
        assert channel.read_outbound() is None


@pytest.mark.parametrize("byte_order", ["big", "little"])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 8])
def test_what_the_prepender_writes_the_decoder_reads(width: int, byte_order: str) -> None:
    check_codec(
        lambda: [
            LengthFieldBasedFrameDecoder(300, 0, width, 0, width, byte_order=byte_order),
            LengthFieldPrepender(width, byte_order=byte_order),
        ],
        [b"", b"a", b"\x00" * 3, bytes(255)],
    )


@given(
    bodies=st.lists(st.binary(max_size=50), max_size=10),
    cut=st.integers(1, 20),
    header=st.binary(max_size=3),
    width=st.sampled_from([1, 2, 3, 4, 8]),
    byte_order=st.sampled_from(["big", "little"]),
)
def test_any_frames_in_any_pieces(bodies: list[bytes], cut: int, header: bytes, width: int, byte_order: str) -> None:
    prepender = LengthFieldPrepender(width, byte_order=byte_order)
    data = b"".join(header + bytes(prepender.encode(body)) for body in bodies)  # type: ignore[arg-type]  # none is long
    decoder = LengthFieldBasedFrameDecoder(100, len(header), width, 0, len(header) + width, byte_order=byte_order)
    frames = []
    for start in range(0, len(data), cut):
        frames += decoder.feed(data[start : start + cut])
    assert frames + decoder.finish() == bodies


class Changes(ChannelDuplexHandler[bytes, bytes, bytes, bytes]):
    """Could be TLS: what comes out of it is not what has come in."""


def test_decoder_and_prepender_are_stages() -> None:
    channel = EmbeddedChannel(wire() >> LengthFieldBasedFrameDecoder(100, 0, 2, 0, 2) >> LengthFieldPrepender(2))
    channel.write_inbound(b"\x00\x02hi")
    assert channel.read_inbound() == b"hi"
    channel.write_outbound(b"ho")
    assert channel.read_outbound() == b"\x00\x02ho"


@pytest.mark.parametrize(("below", "hint"), [([], 1_000_000), ([TransparentHandler], 1_000_000), ([Changes], 0)])
def test_a_large_frame_is_wished_for_as_one_piece_by_who_reads_from_the_wire(below: list[Any], hint: int) -> None:
    channel = EmbeddedChannel(*[make() for make in below], LengthFieldBasedFrameDecoder(2_000_000))
    channel.write_inbound((1_000_000).to_bytes(4, "big"))
    assert channel.read_hint == hint
