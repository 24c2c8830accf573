"""Frames behind a varint; numbers checked against the examples of the Protocol Buffers documentation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.codecs.varint import Varint32FrameDecoder, Varint32FramePrepender, varint
from pipeline_net.errors import CorruptedFrameError, FrameTooLongError
from pipeline_net.testing import check_codec, check_decoder, check_limits

NUMBERS = [
    (0, b"\x00"),
    (1, b"\x01"),
    (127, b"\x7f"),
    (128, b"\x80\x01"),
    (150, b"\x96\x01"),
    (300, b"\xac\x02"),
    (16383, b"\xff\x7f"),
    (16384, b"\x80\x80\x01"),
    (2**31 - 1, b"\xff\xff\xff\xff\x07"),
    (2**32 - 1, b"\xff\xff\xff\xff\x0f"),
]


@pytest.mark.parametrize(("number", "groups"), NUMBERS)
def test_numbers_are_written_in_groups_of_seven_bits(number: int, groups: bytes) -> None:
    assert varint(number) == groups


@pytest.mark.parametrize(("number", "groups"), NUMBERS)
def test_numbers_are_read_from_groups_of_seven_bits(number: int, groups: bytes) -> None:
    decoder = Varint32FrameDecoder(1000)
    if number <= 1000:
        assert decoder.feed(groups + bytes(number)) == [bytes(number)]
    else:
        with pytest.raises(FrameTooLongError) as caught:
            decoder.feed(groups)
        assert (caught.value.length, caught.value.limit) == (number, 1000)


def test_frames_come_out_however_they_are_cut() -> None:
    body = b"x" * 300
    check_decoder(
        lambda: Varint32FrameDecoder(300),
        [(b"\x01a\x00\x02bc", [b"a", b"", b"bc"]), (b"\xac\x02" + body, [body]), (b"\x81\x00a", [b"a"])],
    )


def test_after_an_overlong_frame_the_next_is_decoded_again() -> None:
    check_decoder(
        lambda: Varint32FrameDecoder(5),
        [
            (b"\x01a\x06123456\x0512345", [b"a", FrameTooLongError(6, 5), b"12345"]),
            (b"\x96\x01" + b"x" * 150 + b"\x00", [FrameTooLongError(150, 5), b""]),
        ],
    )


@pytest.mark.parametrize("head", [b"\xff\xff\xff\xff\x10", b"\x80\x80\x80\x80\x80", b"\xff" * 10])
def test_a_number_above_32_bits_is_corrupted(head: bytes) -> None:
    check_decoder(lambda: Varint32FrameDecoder(2**32 - 1), [(b"\x01a" + head, [b"a", CorruptedFrameError])])


@pytest.mark.parametrize("rest", [b"\x80", b"\x05abc"])
def test_input_that_ends_in_the_middle_of_a_frame_is_truncated(rest: bytes) -> None:
    check_decoder(lambda: Varint32FrameDecoder(5), [(b"\x00" + rest, [b"", CorruptedFrameError])])


def test_no_frame_is_held_above_the_limit() -> None:
    check_limits(lambda: Varint32FrameDecoder(1000), lambda n: (b"\xe8\x07" + b"x" * n)[:n], 1001)
    check_limits(lambda: Varint32FrameDecoder(1000), lambda n: (b"\xe9\x07" + b"x" * 1001)[:n], 1)


@pytest.mark.parametrize("limit", [0, -1, 2**32])
def test_an_impossible_limit_is_refused_by_name(limit: int) -> None:
    with pytest.raises(ValueError, match=f"max_frame_length must be from 1 to .* but is {limit}"):
        Varint32FrameDecoder(limit)


def test_what_the_prepender_writes_the_decoder_reads() -> None:
    check_codec(lambda: [Varint32FrameDecoder(20000), Varint32FramePrepender()], [b"", b"a", bytes(128), bytes(300)])


def test_a_long_message_is_not_copied() -> None:
    for message in (bytes(8193), bytearray(8193)):
        encoded = Varint32FramePrepender().encode(message)
        assert isinstance(encoded, list)
        assert encoded[0] == b"\x81\x40"
        assert encoded[1] is message


def test_a_view_counts_its_bytes_not_its_items() -> None:
    assert Varint32FramePrepender().encode(memoryview(b"abcdefgh").cast("I")) == b"\x08abcdefgh"


@given(st.integers(0, 2**32 - 1))
def test_each_group_but_the_last_says_that_another_follows(number: int) -> None:
    groups = varint(number)
    assert all(group & 0x80 for group in groups[:-1])
    assert not groups[-1] & 0x80
    assert sum((group & 0x7F) << 7 * index for index, group in enumerate(groups)) == number
