"""Decoders of content codings: what other programs make, cut anywhere; what is wrong; and never too much at once."""

from __future__ import annotations

import importlib
import random
import sys
import zlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline_net.codecs.http import ContentDecodingError
from pipeline_net.codecs.http.content.decoders import DECODERS, ContentDecoder

Encoded = Callable[[str, bytes], bytes]

_CODINGS = ["gzip", "deflate", "raw deflate", "br", "zstd"]
_TEXT = b"".join(b"%d bottles of beer on the wall\n" % n for n in range(5000))


def _decoder(coding: str) -> ContentDecoder:
    return DECODERS[coding.removeprefix("raw ")]()


def _decoded(decoder: ContentDecoder, data: bytes, size: int = 65536, limit: int = 65536) -> list[bytes]:
    slices = []
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        while True:
            slices.append(decoder.decode(piece, limit))
            if decoder.needs_input:
                break
            piece = b""
    return slices


@pytest.mark.parametrize("coding", _CODINGS)
@pytest.mark.parametrize("text", [b"", b"a", _TEXT, random.Random(1).randbytes(100_000)], ids=len)
def test_what_another_program_has_encoded(coding: str, text: bytes, encoded: Encoded) -> None:
    decoder = _decoder(coding)
    assert decoder.is_complete
    assert b"".join(_decoded(decoder, encoded(coding, text))) == text
    assert decoder.is_complete


@pytest.mark.parametrize("coding", _CODINGS)
def test_it_may_be_cut_anywhere(coding: str, encoded: Encoded) -> None:
    data = encoded(coding, b"hello, hello, hello")
    for size in (1, 2, 3, 7):
        decoder = _decoder(coding)
        assert b"".join(_decoded(decoder, data, size)) == b"hello, hello, hello"
    for end in range(1, len(data)):
        decoder = _decoder(coding)
        _decoded(decoder, data[:end])
        assert not decoder.is_complete, f"{data[:end]!r} is not all of it"


@pytest.mark.parametrize("coding", _CODINGS)
def test_no_more_is_made_than_was_asked_for(coding: str, encoded: Encoded) -> None:
    slices = _decoded(_decoder(coding), encoded(coding, bytes(10_000_000)), limit=1000)
    assert sum(map(len, slices)) == 10_000_000
    assert max(map(len, slices)) <= (65536 if coding == "br" else 1000)  # br's first buffer is 32 KiB


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_several_members_follow_each_other(coding: str, encoded: Encoded) -> None:
    data = encoded(coding, b"one") + encoded(coding, b"") + encoded(coding, b"two")
    for size in (1, 4, 1000):
        decoder = _decoder(coding)
        assert b"".join(_decoded(decoder, data, size)) == b"onetwo"
        assert decoder.is_complete


@pytest.mark.parametrize("coding", _CODINGS)
@pytest.mark.parametrize("size", [1, 1000])
def test_what_follows_the_end_is_no_part_of_it(coding: str, size: int, encoded: Encoded) -> None:
    with pytest.raises(ContentDecodingError, match=r"corrupted|follow") as caught:
        _decoded(_decoder(coding), encoded(coding, b"hello") + b"GET / HTTP/1.1", size)
    assert caught.value.status == 400


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_what_is_none_is_refused(coding: str) -> None:
    with pytest.raises(ContentDecodingError, match=f"the {coding} body is corrupted"):
        _decoded(_decoder(coding), b"\xff" * 100)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_a_bit_that_fell_over_is_noticed(coding: str, encoded: Encoded) -> None:
    """zstd has a checksum only if its encoder was asked for one; so here it is the header that is broken."""
    data = bytearray(encoded(coding, _TEXT))
    data[0 if coding == "zstd" else -1] ^= 1
    with pytest.raises(ContentDecodingError):
        _decoded(_decoder(coding), bytes(data))


def test_a_zstd_window_above_8_mib_is_refused() -> None:
    zstd: Any = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    options = {zstd.CompressionParameter.window_log: 27}
    compressor = zstd.ZstdCompressor(options=options)
    data = compressor.compress(b"hello") + compressor.flush()
    with pytest.raises(ContentDecodingError, match=r"(?i)memory|window"):
        _decoded(_decoder("zstd"), data)


def test_deflate_is_told_from_its_first_two_bytes() -> None:
    for first in range(256):
        if first & 0x0F != 8 or first > 0x78:
            continue
        header = bytes([first, (31 - (first << 8) % 31) % 31])
        assert (header[0] << 8 | header[1]) % 31 == 0
        decoder = _decoder("deflate")
        assert b"".join(_decoded(decoder, header + zlib.compress(b"abc")[2:], 1)) == b"abc"


@pytest.mark.parametrize(
    ("coding", "module"), [("br", "brotli"), ("zstd", "compression.zstd"), ("zstd", "backports.zstd")]
)
def test_a_package_that_is_missing_is_named(coding: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if coding == "zstd" and ("compression" in module) is not (sys.version_info >= (3, 14)):
        pytest.skip("another Python asks for this module")
    monkeypatch.setitem(sys.modules, module, None)
    extra = {"br": "brotli", "zstd": "zstd"}[coding]
    with pytest.raises(ImportError, match=rf"pip install 'pipeline_net\[{extra}\]'"):
        DECODERS[coding]()


def test_a_brotli_that_cannot_limit_its_output_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    old = SimpleNamespace(Decompressor=object, __version__="1.1.0")
    monkeypatch.setitem(sys.modules, "brotli", old)
    with pytest.raises(ImportError, match=r"brotli 1\.2 or newer, and this is 1\.1\.0"):
        DECODERS["br"]()
