"""Where a stream of bytes may be cut: the kernel does it anywhere, and a decoder must not notice.

A cut is a position: ``(2, 5)`` cuts ``b"abcdefg"`` into ``ab|cde|fg``.  Small inputs are cut everywhere;
of large ones a sample is taken, dense where messages begin and end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from random import Random
from typing import Final, TypeAlias

Cuts: TypeAlias = tuple[int, ...]

_EVERY_PAIR: Final = 20  # bytes; up to this many, every pair of cuts is tried
_EVERY_CUT: Final = 400  # bytes; up to this many, every single cut is tried
_EDGE: Final = 32  # bytes at both ends of a large input where every cut is tried
_NEAR: Final = 3  # bytes on both sides of the end of a message
_ENDS: Final = 12  # ends of messages that are looked at in a large input
_SAMPLE: Final = 64  # further cuts of a large input
_BYTE_BY_BYTE: Final = 16384  # bytes; a larger input is fed in about so many small pieces
_MOST_SHRINKS: Final = 500  # attempts to find a smaller set of cuts that fails


def pieces_of(data: bytes, cuts: Cuts) -> list[bytes]:
    """Cut ``data``."""
    edges = [0, *cuts, len(data)]
    return [piece for start, end in pairwise(edges) if (piece := data[start:end])]


def byte_by_byte(data: bytes) -> Cuts:
    """Cut after every byte; of very large data after every few, so that it stays quick."""
    return tuple(range(1, len(data), 1 + len(data) // _BYTE_BY_BYTE))


def single_cuts(data: bytes, message_ends: list[int]) -> Iterator[Cuts]:
    """One cut: everywhere in small data; in large data near its ends, near the ends of messages, and here and there."""
    size = len(data)
    points = set(range(1, size))
    if size > _EVERY_CUT:
        chance = Random(size)  # the same points for the same data, or a failure could not be looked at again
        ends = message_ends if len(message_ends) <= _ENDS else chance.sample(message_ends, _ENDS)
        near = {end + step for end in ends for step in range(-_NEAR, _NEAR + 1)}
        points &= {*range(_EDGE), *range(size - _EDGE, size), *near, *chance.sample(range(size), _SAMPLE)}
    for point in sorted(points):
        yield (point,)


def pairs_of_cuts(data: bytes) -> Iterator[Cuts]:
    """Two cuts, everywhere, in tiny data."""
    size = len(data)
    if size <= _EVERY_PAIR:
        for first in range(1, size):
            for second in range(first + 1, size):
                yield first, second


def smallest(cuts: Cuts, fails: Callable[[Cuts], bool]) -> Cuts:
    """Leave out of ``cuts``, with which something fails, as many as it goes on failing without."""
    attempts = 0
    step = max(len(cuts) // 2, 1)
    while cuts:
        at = 0
        shrunk = False
        while at < len(cuts) and attempts < _MOST_SHRINKS:
            fewer = cuts[:at] + cuts[at + step :]
            attempts += 1
            if fails(fewer):
                cuts = fewer
                shrunk = True
            else:
                at += step
        if attempts >= _MOST_SHRINKS or (step == 1 and not shrunk):
            break
        step = max(step // 2, 1)
    return cuts
