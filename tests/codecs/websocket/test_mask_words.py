"""Eight bytes at a time; interpreted it is slow, and right all the same."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.websocket.mask_words import mask, unmask


@pytest.mark.parametrize("size", [*range(18), 31, 32, 33, 39, 40, 41, 63, 64, 65, 1024, 1029])
def test_every_size_is_masked_as_the_rfc_defines_it(size: int) -> None:
    data = bytes(index * 7 & 255 for index in range(size))
    key = b"\xff\x80\x01\x33"  # with a first and a last bit, for words have signs
    assert mask(data, key) == bytes(byte ^ key[index % 4] for index, byte in enumerate(data))
    assert mask(data, key[::-1]) == bytes(byte ^ key[3 - index % 4] for index, byte in enumerate(data))


@pytest.mark.parametrize("before", [0, 1, 2, 8])
@pytest.mark.parametrize("size", [*range(18), 31, 32, 33, 39, 40, 41, 63, 64, 65, 1024, 1029])
def test_what_lies_behind_its_key_is_masked_where_it_is(size: int, before: int) -> None:
    data = bytes(index * 11 & 255 for index in range(size))
    key = b"\x7f\x80\x01\xf3"
    masked = mask(data, key)
    assert unmask(b"\xaa" * before + key + masked, before, size) == data
    assert unmask(b"\xaa" * before + key + masked + b"\x55" * 9, before, size) == data
