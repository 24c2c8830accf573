"""One body through its decoders: in the right order, a step at a time, within its limits."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest

from pipeline_net.codecs.http import ContentDecodingError
from pipeline_net.codecs.http.content.decoders import DECODERS
from pipeline_net.codecs.http.content.decoding import SLICE, Decoding

Encoded = Callable[[str, bytes], bytes]
_MIB = 1 << 20


def _decoding(*codings: str, max_size: int | None = None, max_ratio: int | None = None) -> Decoding:
    return Decoding([DECODERS[coding]() for coding in codings], max_size, max_ratio)


def _all(decoding: Decoding, data: bytes) -> bytes:
    decoding.feed(data)
    made = bytearray()
    while (output := decoding.step()) is not None:
        assert len(output) <= SLICE
        made += output
    return bytes(made)


def test_the_coding_that_was_applied_last_is_taken_off_first(encoded: Encoded) -> None:
    decoding = _decoding("gzip", "deflate")
    assert _all(decoding, encoded("gzip", encoded("deflate", b"hello"))) == b"hello"
    decoding.finish()
    assert decoding.received > 0


def test_it_may_come_in_pieces_of_any_size(encoded: Encoded) -> None:
    text = bytes(range(256)) * 1000
    data = encoded("gzip", encoded("gzip", text))
    for size in (1, 100, 100_000):
        decoding = _decoding("gzip", "gzip")
        assert b"".join(_all(decoding, data[at : at + size]) for at in range(0, len(data), size)) == text
        decoding.finish()


def test_a_body_that_is_cut_off_in_any_layer_is_noticed(encoded: Encoded) -> None:
    inner = encoded("deflate", b"hello")
    for data in (encoded("gzip", inner)[:-1], encoded("gzip", inner[:-1])):
        decoding = _decoding("gzip", "deflate")
        _all(decoding, data)
        with pytest.raises(ContentDecodingError, match=f"cut off after {len(data)} bytes") as caught:
            decoding.finish()
        assert caught.value.status == 400


def test_nothing_at_all_is_a_body_without_bytes() -> None:
    decoding = _decoding("gzip", "deflate")
    assert decoding.step() is None
    decoding.finish()


def test_a_size_is_a_limit_to_the_byte(encoded: Encoded) -> None:
    assert len(_all(_decoding("gzip", max_size=100_000), encoded("gzip", bytes(100_000)))) == 100_000
    with pytest.raises(ContentDecodingError, match="above 99999 bytes") as caught:
        _all(_decoding("gzip", max_size=99_999), encoded("gzip", bytes(100_000)))
    assert caught.value.status == 413


def test_a_ratio_is_a_limit_above_the_first_mib(encoded: Encoded) -> None:
    assert len(_all(_decoding("gzip", max_ratio=10), encoded("gzip", bytes(_MIB)))) == _MIB
    with pytest.raises(ContentDecodingError, match="the limit is 10 times as many") as caught:
        _all(_decoding("gzip", max_ratio=10), encoded("gzip", bytes(_MIB + 1)))
    assert caught.value.status == 413


def test_what_makes_nothing_in_the_end_is_counted_on_the_way() -> None:
    """Empty blocks of deflate, five bytes each, by the gigabyte: gzip makes little of them, and deflate nothing."""
    empty = zlib.compress(b"")[:2] + b"\x00\x00\x00\xff\xff" * 1_000_000
    outer = zlib.compress(empty)
    assert len(outer) < 10_000
    with pytest.raises(ContentDecodingError, match="the limit is 200 times"):
        _all(_decoding("deflate", "deflate", max_ratio=200), outer)
    with pytest.raises(ContentDecodingError, match="above 4000000 bytes"):
        _all(_decoding("deflate", "deflate", max_size=4_000_000), outer)
