"""chunks(): every way to cut, and a clear word when hypothesis is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from pipeline_net.testing import chunks


@given(st.data(), st.binary(max_size=200))
def test_pieces_are_the_data_when_joined_and_never_empty(data: st.DataObject, whole: bytes) -> None:
    pieces = data.draw(chunks(whole))
    assert b"".join(pieces) == whole
    assert b"" not in pieces


def test_it_can_cut_anywhere_and_shrinks_to_what_matters() -> None:
    assert find(chunks(b"abcd"), lambda pieces: True) == [b"abcd"]
    assert find(chunks(b"abcd"), lambda pieces: len(pieces) == 4) == [b"a", b"b", b"c", b"d"]
    assert find(chunks(b"abcd"), lambda pieces: b"cd" in pieces) == [b"ab", b"cd"]


@pytest.mark.parametrize(("whole", "pieces"), [(b"", []), (b"a", [b"a"])])
def test_what_cannot_be_cut_is_not(whole: bytes, pieces: list[bytes]) -> None:
    assert find(chunks(whole), lambda _: True) == pieces


def test_the_kit_does_without_hypothesis_and_says_who_needs_it() -> None:
    program = """
import sys
sys.modules["hypothesis"] = None  # as if it were not installed
from pipeline_net.testing import EmbeddedChannel, chunks
assert EmbeddedChannel().write_inbound(b"x")
try:
    chunks(b"abc")
except ImportError as exc:
    print(exc)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert run.stdout == "chunks() is a strategy for hypothesis, which is not installed: pip install hypothesis\n"
