"""Range: which bytes of a file somebody asks for.

::

    Range            = "bytes=" 1#( int-range / suffix-range )
    int-range        = first-pos "-" [ last-pos ]
    suffix-range     = "-" suffix-length

RFC 9110 14.2: "A server that supports range requests MAY ignore or reject a Range header field that contains … more
than two overlapping ranges, or a set of many small ranges that are not listed in ascending order … since these are
indications of either a broken client or a deliberate denial-of-service attack."  We ignore what asks for more bytes
than there are, or in too many pieces: then the answer is the whole file, which is the least work.

Source: RFC 9110, sections 14.1 and 14.2
"""

from __future__ import annotations

from typing import Final

Span = tuple[int, int]  # the first byte, and the one after the last

_HUGE: Final = 10**18  # stands for numbers of more digits, which no file has either


def spans_of(value: str, size: int, max_ranges: int) -> list[Span] | None:
    """Read a Range for a file of ``size`` bytes.

    Returns:
        The spans in the order in which they were asked for; none if no part of them is in the file (416); ``None`` if
        the header is to be ignored: another unit, no range, or too much.
    """
    unit, _, ranges = value.partition("=")
    if unit.strip(" \t").lower() != "bytes":
        return None
    parts = [part.strip(" \t") for part in ranges.split(",")]
    parts = [part for part in parts if part]
    if not 0 < len(parts) <= max_ranges:
        return None
    spans = []
    for part in parts:
        span = _span_of(part, size)
        if span is None:
            return None
        if span[0] < span[1]:
            spans.append(span)
    if sum(end - start for start, end in spans) > size:
        return None
    return spans


def _span_of(part: str, size: int) -> Span | None:
    """Read one range; an empty span if it is not in the file, ``None`` if it is no range."""
    first, dash, last = part.partition("-")
    if not dash:
        return None
    start, end = _number(first), _number(last)
    if start is None:
        if first or end is None or (end > 0 and size == 0):
            return None  # the last bytes of an empty file are the whole of it, for which 206 has no form
        return max(size - end, 0), size
    if end is None:
        return None if last else (start, max(size, start))
    if end < start:
        return None
    return start, max(min(end + 1, size), start)


def _number(text: str) -> int | None:
    if not text.isdigit() or not text.isascii():
        return None
    return int(text) if len(text) <= 18 else _HUGE
