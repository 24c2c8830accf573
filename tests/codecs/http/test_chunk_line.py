"""Chunk extensions: what they may be."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.http.chunk_line import extensions_are_well_formed


@pytest.mark.parametrize(
    "text", [b"", b";a", b" ;a", b";a=b", b"; a = b", b";a;b=c;d", b';a="b c;d"', b';a="\\"";b', b';a=""', b"\t;\ta"]
)
def test_what_is_an_extension(text: bytes) -> None:
    assert extensions_are_well_formed(text)


@pytest.mark.parametrize(
    "text",
    [b" ", b"a", b";", b";a ", b";a=", b";=b", b";a b", b';a="', b';a="\\"', b';a="b"c', b";;a", b";a=b=c", b",a"],
)
def test_what_is_none(text: bytes) -> None:
    assert not extensions_are_well_formed(text)
