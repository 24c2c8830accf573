"""Range: what is asked for, what is ignored, and what is not there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.codecs.http.files.ranges import Span, spans_of


@pytest.mark.parametrize(
    ("value", "spans"),
    [
        # RFC 9110 14.1.2, for a file of 10000 bytes
        ("bytes=0-499", [(0, 500)]),
        ("bytes=500-999", [(500, 1000)]),
        ("bytes=-500", [(9500, 10000)]),
        ("bytes=9500-", [(9500, 10000)]),
        ("bytes=0-0,-1", [(0, 1), (9999, 10000)]),
        ("bytes= 0-999, 4500-5499, -1000", [(0, 1000), (4500, 5500), (9000, 10000)]),
        ("bytes=500-600,601-999", [(500, 601), (601, 1000)]),
        ("BYTES=0-1", [(0, 2)]),
        ("bytes=,0-1,,2-3,", [(0, 2), (2, 4)]),
        ("bytes=5-5,0-1", [(5, 6), (0, 2)]),  # in the order in which they were asked for
        # As much as there is.
        ("bytes=0-", [(0, 10000)]),
        ("bytes=9999-20000", [(9999, 10000)]),
        ("bytes=-20000", [(0, 10000)]),
        ("bytes=0-99999999999999999999999999", [(0, 10000)]),
        ("bytes=-" + "9" * 5000, [(0, 10000)]),
        # Not there.
        ("bytes=10000-", []),
        ("bytes=10000-10001", []),
        ("bytes=-0", []),
        ("bytes=" + "9" * 5000 + "-", []),
        ("bytes=10000-,0-1", [(0, 2)]),
        # No ranges.
        ("", None),
        ("bytes", None),
        ("bytes=", None),
        ("bytes=,", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
        ("bytes=1", None),
        ("bytes=-", None),
        ("bytes=--1", None),
        ("bytes=1--2", None),
        ("bytes=2-1", None),
        ("bytes=0-1,x", None),
        ("bytes=0 - 1", None),
        ("bytes=+0-1", None),
        ("bytes=0_0-1", None),
        ("bytes=٠-١", None),
        ("bytes=0-1=2", None),
        # Too much.
        ("bytes=0-,0-0", None),
        ("bytes=0-5000,0-5000", None),
        ("bytes=" + ",".join(f"{n}-{n}" for n in range(16)), [(n, n + 1) for n in range(16)]),
        ("bytes=" + ",".join(f"{n}-{n}" for n in range(17)), None),
    ],
)
def test_which_bytes_of_ten_thousand(value: str, spans: list[Span] | None) -> None:
    assert spans_of(value, 10000, 16) == spans


@pytest.mark.parametrize(
    ("value", "spans"), [("bytes=0-", []), ("bytes=0-0", []), ("bytes=-0", []), ("bytes=-1", None)]
)
def test_a_file_without_bytes_has_no_part(value: str, spans: list[Span] | None) -> None:
    assert spans_of(value, 0, 16) == spans


_NUMBER = st.integers(0, 40).map(str) | st.just("")
_RANGES = st.lists(st.tuples(_NUMBER, _NUMBER).map("-".join), min_size=1, max_size=5).map(",".join)


@given(st.text(st.sampled_from("0123456789-, \tbx="), max_size=20) | _RANGES, st.integers(0, 30))
def test_spans_lie_in_the_file_and_say_what_was_asked_for(ranges: str, size: int) -> None:
    spans = spans_of("bytes=" + ranges, size, 4)
    if spans is None:
        return
    assert all(0 <= start < end <= size for start, end in spans)
    assert sum(end - start for start, end in spans) <= size
    assert spans == _slowly(ranges, size)


def _slowly(ranges: str, size: int) -> list[Span]:
    """The same, as one would explain it: byte for byte."""
    spans = []
    for part in filter(None, (part.strip(" \t") for part in ranges.split(","))):
        first, last = part.split("-")
        numbers = [
            n
            for n in range(size)
            if (n >= size - int(last) if not first else n >= int(first) and (not last or n <= int(last)))
        ]
        if numbers:
            spans.append((numbers[0], numbers[-1] + 1))
    return spans
