"""Lines: what ends one, what does not, and lines without an end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.codecs.line import LineBasedFrameDecoder
from pipeline_net.errors import CorruptedFrameError, FrameTooLongError
from pipeline_net.testing import EmbeddedChannel, check_decoder, check_limits

# Bytes on the wire, and the lines in them.
LINES = [
    (b"GET\r\nPUT\n\n", [b"GET", b"PUT", b""]),  # the picture
    (b"a\nb\nc\n", [b"a", b"b", b"c"]),
    (b"a\r\nb\r\n", [b"a", b"b"]),
    (b"a\n\nb\nc\n", [b"a", b"", b"b", b"c"]),
    (b"\nx\n", [b"", b"x"]),
    (b"\r\n\r\n", [b"", b""]),
    (b"a\rb\n", [b"a\rb"]),
    (b"a\r\r\n", [b"a\r"]),
    (b"\r\r\n", [b"\r"]),
    (b"12345678\n", [b"12345678"]),  # exactly at the limit
    (b"12345678\r\n", [b"12345678"]),
    (b"1234567\r\r\n", [b"1234567\r"]),
]


def test_lines_come_out_however_they_are_cut() -> None:
    check_decoder(lambda: LineBasedFrameDecoder(8), LINES)


def test_lines_keep_their_ends_when_asked_to() -> None:
    check_decoder(
        lambda: LineBasedFrameDecoder(8, strip_delimiter=False),
        [(b"a\nb\r\n\n\r\n12345678\r\n", [b"a\n", b"b\r\n", b"\n", b"\r\n", b"12345678\r\n"])],
    )


def test_input_that_ends_without_a_newline_is_truncated() -> None:
    check_decoder(lambda: LineBasedFrameDecoder(8), [(b"a\nb", [b"a", CorruptedFrameError])])


class TestOverlongLines:
    @pytest.mark.parametrize("fail_fast", [True, False])
    @pytest.mark.parametrize(
        "overlong", [b"123456789\n", b"123456789\r\n", b"12345678\r\r\n", b"x" * 50 + b"\n", b"12345678\rx\n"]
    )
    def test_the_next_line_is_decoded_again(self, overlong: bytes, fail_fast: bool) -> None:
        check_decoder(
            lambda: LineBasedFrameDecoder(8, fail_fast=fail_fast),
            [(b"a\n" + overlong + b"12345678\n\n", [b"a", FrameTooLongError, b"12345678", b""])],
        )

    @pytest.mark.parametrize("piece", [1, 2, 3, 10, 100])
    def test_without_fail_fast_the_error_says_how_long_the_line_was(self, piece: int) -> None:
        decoder = LineBasedFrameDecoder(8)
        data = b"x" * 40 + b"\r\r\n"
        errors = []
        for start in range(0, len(data), piece):
            try:
                assert decoder.feed(data[start : start + piece]) == []
            except FrameTooLongError as exc:
                errors.append((exc.length, exc.limit))
        assert errors == [(41, 8)]

    def test_fail_fast_reports_the_first_byte_too_many(self) -> None:
        decoder = LineBasedFrameDecoder(8, fail_fast=True)
        assert decoder.feed(b"12345678") == []
        with pytest.raises(FrameTooLongError) as caught:
            decoder.feed(b"9")
        assert caught.value.length == 9
        assert decoder.feed(b"x" * 100) == []
        assert decoder.feed(b"x\nok\n") == [b"ok"]

    def test_a_return_that_comes_last_may_belong_to_the_end(self) -> None:
        decoder = LineBasedFrameDecoder(8, fail_fast=True)
        assert decoder.feed(b"12345678\r") == []
        assert decoder.feed(b"\n") == [b"12345678"]
        assert decoder.feed(b"12345678\r") == []
        with pytest.raises(FrameTooLongError):
            decoder.feed(b"x")

    def test_input_that_ends_in_a_line_that_was_not_reported_yet_reports_it(self) -> None:
        check_decoder(lambda: LineBasedFrameDecoder(8), [(b"a\n123456789x", [b"a", FrameTooLongError(10, 8)])])

    def test_input_that_ends_in_a_line_that_was_reported_is_not_reported_again(self) -> None:
        decoder = LineBasedFrameDecoder(8, fail_fast=True)
        with pytest.raises(FrameTooLongError):
            decoder.feed(b"123456789")
        assert decoder.finish() == []

    @pytest.mark.parametrize("fail_fast", [True, False])
    def test_no_line_is_held_above_the_limit(self, fail_fast: bool) -> None:
        check_limits(lambda: LineBasedFrameDecoder(100, fail_fast=fail_fast), lambda n: b"x" * n, 101)
        check_limits(lambda: LineBasedFrameDecoder(100, fail_fast=fail_fast), lambda n: b"\r" * n, 101)


def test_a_line_of_a_mebibyte_comes_out_whole_of_single_bytes() -> None:
    line = bytes(byte for byte in range(256) if byte != 10) * 4112
    decoder = LineBasedFrameDecoder(2**21)
    frames = []
    for byte in line + b"\n":
        frames += decoder.feed(bytes([byte]))
    assert frames == [line]


@pytest.mark.parametrize("limit", [0, -1, 2**63])
def test_an_impossible_limit_is_refused_by_name(limit: int) -> None:
    with pytest.raises(ValueError, match=f"max_length must be from 1 to .* but is {limit}"):
        LineBasedFrameDecoder(limit)


def test_an_overlong_line_is_an_exception_in_the_pipeline_and_the_channel_goes_on_if_it_is_handled() -> None:
    channel = EmbeddedChannel(LineBasedFrameDecoder(3))
    with pytest.raises(FrameTooLongError, match="a frame of 4 bytes is over the limit of 3"):
        channel.write_inbound(b"abc\nabcd\nabc\n")
    assert channel.read_inbound() == b"abc"


@given(
    lines=st.lists(st.tuples(st.text("ab\r", max_size=12), st.sampled_from(["\n", "\r\n"])), max_size=12),
    cut=st.integers(1, 12),
)
def test_lines_are_what_splitting_by_hand_gives(lines: list[tuple[str, str]], cut: int) -> None:
    data = "".join(line + end for line, end in lines).encode()
    expected = [line.removesuffix(b"\r") for line in data.split(b"\n")[:-1]]
    decoder = LineBasedFrameDecoder(20)
    frames = []
    for start in range(0, len(data), cut):
        frames += decoder.feed(data[start : start + cut])
    assert frames + decoder.finish() == expected
