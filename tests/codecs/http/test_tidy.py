"""Heads that are forgiven: where they end, and what they become."""

from __future__ import annotations

import pytest

from pipeline_net.buffer import ReceiveBuffer
from pipeline_net.codecs.http.tidy import end_of_head, tidied


@pytest.mark.parametrize(
    ("head", "bare_lf", "end"),
    [
        (b"a\r\n\r\nb", False, 5),
        (b"\r\na\r\n\r\nb", False, 7),
        (b"a\n\nb", False, -1),
        (b"a\n\nb", True, 3),
        (b"a\n\r\nb\r\n\r\n", True, 4),
        (b"a\r\n\nb", True, 4),
        (b"a\r\n", True, -1),
        (b"\r\n\r\na\r\n\r\nb", True, 9),
        (b"\r\n" * 5, True, 8),
    ],
)
def test_where_a_head_ends(head: bytes, bare_lf: bool, end: int) -> None:
    assert end_of_head(ReceiveBuffer(head), bare_lf) == end


@pytest.mark.parametrize(
    ("head", "tidy"),
    [
        (b"a\nb\r\n\n", b"a\r\nb\r\n\r\n"),
        (b"a\r\nb: c\r\n  d\r\n\r\n", b"a\r\nb: c d\r\n\r\n"),
        (b"a\r\n b\r\n\r\n", b"a\r\n b\r\n\r\n"),  # behind the first line there is nothing to go on with
    ],
)
def test_what_it_becomes(head: bytes, tidy: bytes) -> None:
    assert tidied(head, True, True) == tidy
