"""SortedSet: members in the order of their scores, found by member, by score and by rank.

Members of equal score stand in the order of their bytes.  So the set is one list of ``(score, member)``, cut into
blocks of at most ``_FULL``, because inserting into a short list is quick.  How many members stand before a block is
kept in a tree of partial sums (Fenwick's): from a member to its rank, and back, takes O(log n) steps::

    blocks   [(1, a) (2, b)]  [(2, c) (5, d) (5, e)]  [(8, f)]
    sums      2                5                       1            sums[i] covers the last (i + 1) & -(i + 1) blocks

A range of scores, or of members, is a range of ranks: ``rank_of`` says where it begins and ends.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final, TypeAlias

from .named import Named

_FULL: Final = 512  # entries; a block that is longer is cut in two

Entry: TypeAlias = tuple[float, bytes]


class SortedSet(Named[float]):
    """member → score, with ranks.  ``values`` holds the scores."""

    __slots__ = ("_blocks", "_lasts", "_sums")

    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[list[Entry]] = []
        self._lasts: list[Entry] = []  # the greatest of each block, to find the block of an entry
        self._sums: list[int] = []

    # -- changing -----------------------------------------------------------------------------------

    def put(self, name: bytes, value: float) -> bool:
        value += 0.0  # there is no -0.0
        before = self.values.get(name)
        if before is not None:
            if before != value:
                self._take_out((before, name))
                self._bring_in((value, name))
                self.values[name] = value
            return False
        self._bring_in((value, name))
        return super().put(name, value)

    def remove(self, name: bytes) -> bool:
        score = self.values.get(name)
        if score is None:
            return False
        self._take_out((score, name))
        return super().remove(name)

    def _bring_in(self, entry: Entry) -> None:
        if not self._blocks:
            self._blocks.append([entry])
            self._lasts.append(entry)
            self._sums.append(1)
            return
        at = min(bisect_left(self._lasts, entry), len(self._blocks) - 1)
        block = self._blocks[at]
        block.insert(bisect_left(block, entry), entry)
        self._lasts[at] = block[-1]
        if len(block) <= _FULL:
            self._count(at, 1)
            return
        half = len(block) // 2
        self._blocks[at : at + 1] = [block[:half], block[half:]]
        self._lasts[at : at + 1] = [block[half - 1], block[-1]]
        self._count_all()

    def _take_out(self, entry: Entry) -> None:
        at = bisect_left(self._lasts, entry)
        block = self._blocks[at]
        del block[bisect_left(block, entry)]
        if block:
            self._lasts[at] = block[-1]
            self._count(at, -1)
            return
        del self._blocks[at]
        del self._lasts[at]
        self._count_all()

    def _count(self, at: int, change: int) -> None:
        sums = self._sums
        at += 1
        while at <= len(sums):
            sums[at - 1] += change
            at += at & -at

    def _count_all(self) -> None:
        sums = [len(block) for block in self._blocks]
        for at in range(1, len(sums) + 1):
            parent = at + (at & -at)
            if parent <= len(sums):
                sums[parent - 1] += sums[at - 1]
        self._sums = sums

    # -- asking -------------------------------------------------------------------------------------

    def rank_of(self, score: float, member: bytes = b"") -> int:
        """Count what stands before ``(score, member)``, whether or not that is here."""
        entry = (score, member)
        at = bisect_left(self._lasts, entry)
        if at == len(self._blocks):
            return len(self.values)
        rank = bisect_left(self._blocks[at], entry)
        while at > 0:
            rank += self._sums[at - 1]
            at &= at - 1
        return rank

    def entries(self, begin: int, end: int) -> Iterator[Entry]:
        """The entries of the ranks from ``begin`` up to, not including, ``end``."""
        wanted = end - begin
        at, skip = self._block_of(begin)
        while wanted > 0 and at < len(self._blocks):
            part = self._blocks[at][skip : skip + wanted]
            yield from part
            wanted -= len(part)
            at, skip = at + 1, 0

    def _block_of(self, rank: int) -> tuple[int, int]:
        """Which block a rank is in, and where in it."""
        sums = self._sums
        at, step = 0, 1 << len(sums).bit_length()
        while step:
            following = at + step
            if following <= len(sums) and sums[following - 1] <= rank:
                at = following
                rank -= sums[following - 1]
            step >>= 1
        return at, rank
