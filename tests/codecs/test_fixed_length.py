"""Frames of one length."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.fixed_length import FixedLengthFrameDecoder
from pipeline_net.errors import CorruptedFrameError
from pipeline_net.testing import check_decoder, check_limits


def test_frames_come_out_however_they_are_cut() -> None:
    check_decoder(lambda: FixedLengthFrameDecoder(3), [(b"ABCDEFGHI", [b"ABC", b"DEF", b"GHI"])])
    check_decoder(lambda: FixedLengthFrameDecoder(1), [(b"abc", [b"a", b"b", b"c"])])


def test_a_frame_in_pieces_comes_out_with_its_last_byte() -> None:
    decoder = FixedLengthFrameDecoder(4)
    assert decoder.feed(b"abcdefgh") == [b"abcd", b"efgh"]
    assert decoder.feed(b"ij") == []
    assert decoder.feed(b"kl") == [b"ijkl"]


def test_input_that_ends_in_the_middle_of_a_frame_is_truncated() -> None:
    check_decoder(lambda: FixedLengthFrameDecoder(3), [(b"ABCDE", [b"ABC", CorruptedFrameError])])


def test_less_than_a_frame_is_held() -> None:
    check_limits(lambda: FixedLengthFrameDecoder(100), lambda n: b"x" * n, 99)


@pytest.mark.parametrize("length", [0, -1, 2**63])
def test_an_impossible_length_is_refused_by_name(length: int) -> None:
    with pytest.raises(ValueError, match=f"length must be from 1 to .* but is {length}"):
        FixedLengthFrameDecoder(length)
