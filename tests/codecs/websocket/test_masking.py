"""XOR with four bytes: against the plain definition, and against the extension of another library."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.speedups import apply_mask as theirs

import pipeline_net
from pipeline_net.codecs.websocket.masking import (
    MaskKeys,
    apply_mask,
    as_number,
    compiled_ways,
    through_tables,
    unmask,
)


def behind_its_key(data: bytes, key: bytes) -> bytes:
    return unmask(b"\x81\xff" + key + data + b"\x81\x80", 2, len(data))


WAYS = [apply_mask, as_number, through_tables, behind_its_key]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "size", [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 125, 126, 4095, 4096, 4097, 4098, 4099, 65537, 131073]
)
def test_every_size_is_masked_as_the_rfc_defines_it(way: Callable[[bytes, bytes], bytes], size: int) -> None:
    data = bytes(index * 7 & 255 for index in range(size))
    key = b"\x01\x80\xfe\x33"
    masked = way(data, key)
    assert masked == bytes(byte ^ key[index % 4] for index, byte in enumerate(data))
    assert way(masked, key) == data


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_others_mask_in_the_same_way(data: bytes, key: bytes) -> None:
    assert {way(data, key) for way in WAYS} == {theirs(data, key)}


def test_the_compiled_way_is_taken_in_the_compiled_build_only() -> None:
    for found in compiled_ways():
        assert (found is not None) is pipeline_net.COMPILED
        assert not isinstance(found, FunctionType)


def test_keys_are_fresh() -> None:
    keys = MaskKeys()
    made = [keys.next() for _ in range(1000)]
    assert {len(key) for key in made} == {4}
    assert len(set(made)) > 990  # equal ones happen once in four million pairs
