"""Text in pieces: refused at its first wrong byte, and not a byte later."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.codecs.websocket.utf8 import Utf8Decoder

# bytes, how many of them may come before the one that is wrong
_WRONG = [
    (b"\x80", 0),  # nothing that could go on
    (b"\xc0\xaf", 0),  # longer than needed: never begins so
    (b"\xc1\xbf", 0),
    (b"\xe0\x80\xaf", 1),  # longer than needed: seen at the second byte
    (b"\xe0\x9f\xbf", 1),
    (b"\xf0\x80\x80\xaf", 1),
    (b"\xf0\x8f\xbf\xbf", 1),
    (b"\xed\xa0\x80", 1),  # half a surrogate pair
    (b"\xed\xbf\xbf", 1),
    (b"\xf4\x90\x80\x80", 1),  # above U+10FFFF
    (b"\xf5\x80\x80\x80", 0),
    (b"\xff", 0),
    (b"\xfe", 0),
    (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80", 12),  # the suite's own
    (b"\xe2\x82\x41", 2),
    (b"\xf0\x9f\x98\x41", 3),
]


@pytest.mark.parametrize(("data", "good"), _WRONG)
def test_the_first_wrong_byte_is_refused_when_it_comes(data: bytes, good: int) -> None:
    decoder = Utf8Decoder()
    for byte in range(good):
        decoder.decode(data[byte : byte + 1], False)
    with pytest.raises(UnicodeDecodeError):
        decoder.decode(data[good : good + 1], False)


def test_a_character_that_is_not_complete_is_refused_at_the_end_only() -> None:
    decoder = Utf8Decoder()
    assert decoder.decode("€".encode()[:2], False) == ""
    with pytest.raises(UnicodeDecodeError):
        decoder.decode(b"", True)


@given(st.text(), st.lists(st.integers(min_value=0, max_value=40)))
def test_text_comes_out_however_it_is_cut(text: str, cuts: list[int]) -> None:
    data = text.encode()
    decoder = Utf8Decoder()
    points = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    pieces = [data[start:end] for start, end in pairwise(points)]
    assert "".join(decoder.decode(piece, False) for piece in pieces) + decoder.decode(b"", True) == text
