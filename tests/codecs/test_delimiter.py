"""Frames behind marks: which mark wins, and that it does not depend on how bytes arrive."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.codecs.delimiter import DelimiterBasedFrameDecoder
from pipeline_net.errors import CorruptedFrameError, FrameTooLongError
from pipeline_net.testing import check_decoder, check_limits

Decoder = DelimiterBasedFrameDecoder


@pytest.mark.parametrize(
    ("delimiters", "data", "frames"),
    [
        ((b"\r\n", b"\n"), b"ABC\nDEF\r\n\n", [b"ABC", b"DEF", b""]),  # the picture
        ((b"|",), b"a||b|c|", [b"a", b"", b"b", b"c"]),
        ((b"<END>",), b"a<END>b<EN<END><END>", [b"a", b"b<EN", b""]),
        ((b"aab",), b"aaabaabxaab", [b"a", b"", b"x"]),
        ((b"\r\n", b"\n"), b"\r\r\n\r\n\n", [b"\r", b"", b""]),
        ((b"\n", b"\r"), b"a\r\nb\n", [b"a", b"", b"b"]),
        ((b"||", b"|"), b"a||b|", [b"a", b"", b"b"]),  # the shorter is there first
        ((b";", b"\0"), b"a;b;c;d\0e;\0", [b"a", b"b", b"c", b"d", b"e", b""]),
        ((b"ab", b"bc", b"ca"), b"xabcxbcaxca", [b"x", b"cx", b"ax"]),
    ],
)
def test_frames_come_out_however_they_are_cut(delimiters: tuple[bytes, ...], data: bytes, frames: list[bytes]) -> None:
    check_decoder(lambda: Decoder(100, *delimiters), [(data, frames)])
    check_decoder(lambda: Decoder(100, *reversed(delimiters)), [(data, frames)])


def test_frames_keep_their_delimiter_when_asked_to() -> None:
    check_decoder(
        lambda: Decoder(100, b"\n", b"\r\n", strip_delimiter=False), [(b"a\n\r\nb\r\n", [b"a\n", b"\r\n", b"b\r\n"])]
    )


def test_input_that_ends_without_a_delimiter_is_truncated() -> None:
    check_decoder(lambda: Decoder(8, b"|"), [(b"a|b", [b"a", CorruptedFrameError])])


class TestOverlongFrames:
    @pytest.mark.parametrize("fail_fast", [True, False])
    @pytest.mark.parametrize("delimiters", [(b"<>",), (b"<>", b"|")])
    @pytest.mark.parametrize("overlong", [b"123456<>", b"1234567<<>", b"x" * 50 + b"<>", b"12345<<<<>"])
    def test_the_next_frame_is_decoded_again(
        self, delimiters: tuple[bytes, ...], overlong: bytes, fail_fast: bool
    ) -> None:
        check_decoder(
            lambda: Decoder(5, *delimiters, fail_fast=fail_fast),
            [(b"a<>" + overlong + b"12345<><>", [b"a", FrameTooLongError, b"12345", b""])],
        )

    @pytest.mark.parametrize("piece", [1, 2, 3, 10, 100])
    def test_without_fail_fast_the_error_says_how_long_the_frame_was(self, piece: int) -> None:
        decoder = Decoder(8, b"<>", b"||", fail_fast=False)
        data = b"<" * 40 + b"||"
        errors = []
        for start in range(0, len(data), piece):
            try:
                assert decoder.feed(data[start : start + piece]) == []
            except FrameTooLongError as exc:
                errors.append((exc.length, exc.limit))
        assert errors == [(40, 8)]

    def test_fail_fast_reports_when_no_delimiter_can_end_the_frame_in_time(self) -> None:
        decoder = Decoder(5, b"<>")
        assert decoder.feed(b"12345<") == []  # > may follow
        with pytest.raises(FrameTooLongError):
            decoder.feed(b"x")
        assert decoder.feed(b"x<>ok<>") == [b"ok"]

    def test_input_that_ends_in_a_frame_that_was_not_reported_yet_reports_it(self) -> None:
        check_decoder(lambda: Decoder(5, b"<>", fail_fast=False), [(b"a<>1234567<", [b"a", FrameTooLongError(8, 5)])])

    def test_input_that_ends_in_a_frame_that_was_reported_is_not_reported_again(self) -> None:
        decoder = Decoder(5, b"<>")
        with pytest.raises(FrameTooLongError):
            decoder.feed(b"1234567")
        assert decoder.feed(b"89<") == []
        assert decoder.finish() == []

    @pytest.mark.parametrize("fail_fast", [True, False])
    @pytest.mark.parametrize("delimiters", [(b"|",), (b"<END>", b"|")])
    def test_no_frame_is_held_above_the_limit(self, delimiters: tuple[bytes, ...], fail_fast: bool) -> None:
        longest = max(map(len, delimiters))
        check_limits(lambda: Decoder(100, *delimiters, fail_fast=fail_fast), lambda n: b"<" * n, 100 + longest - 1)


@pytest.mark.parametrize(("delimiters", "size"), [((b"\r\n",), 2**20), ((b"\r\n", b"\0", b"<END>"), 2**17)])
def test_a_long_frame_comes_out_whole_of_single_bytes(delimiters: tuple[bytes, ...], size: int) -> None:
    frame = b"\r<EN" * (size // 4)
    decoder = Decoder(2**20, *delimiters)
    frames = []
    for byte in frame + b"\r\n":
        frames += decoder.feed(bytes([byte]))
    assert frames == [frame]


def test_a_delimiter_that_is_rare_is_not_sought_anew_for_each_frame() -> None:
    """A hundred thousand short frames, with a second delimiter that never comes: seconds, were it quadratic."""
    assert Decoder(100, b"\n", b"\0").feed(b"abcdefg\n" * 100_000) == [b"abcdefg"] * 100_000


@pytest.mark.parametrize(
    ("delimiters", "complaint"),
    [
        ((), "delimiters must not be empty"),
        ((b"\n", b""), "a delimiter must have at least one byte"),
        ((b"b", b"abc"), "b'b' stands inside b'abc'"),
    ],
)
def test_impossible_delimiters_are_refused(delimiters: tuple[bytes, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Decoder(100, *delimiters)


@pytest.mark.parametrize("limit", [0, -1, 2**63])
def test_an_impossible_limit_is_refused_by_name(limit: int) -> None:
    with pytest.raises(ValueError, match=f"max_length must be from 1 to .* but is {limit}"):
        Decoder(limit, b"|")


@given(
    data=st.text("ab;\r\n", max_size=60).map(str.encode),
    delimiters=st.lists(st.sampled_from([b"\n", b"\r\n", b";", b"a;", b"bb"]), min_size=1, max_size=4, unique=True),
    cut=st.integers(1, 8),
)
def test_frames_are_what_splitting_at_the_leftmost_delimiter_gives(
    data: bytes, delimiters: list[bytes], cut: int
) -> None:
    marks = b"|".join(map(re.escape, sorted(delimiters, key=len)))
    expected = re.split(marks, data)
    decoder = Decoder(100, *delimiters)
    frames = []
    for start in range(0, len(data), cut):
        frames += decoder.feed(data[start : start + cut])
    assert frames == expected[:-1]
    assert decoder.unread_bytes == len(expected[-1])
