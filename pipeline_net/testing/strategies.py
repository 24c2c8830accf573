"""Strategies for hypothesis, which is needed for this and for nothing else of the package."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def chunks(data: bytes) -> SearchStrategy[list[bytes]]:
    """Cut ``data`` anywhere: lists of pieces, none of them empty, that are ``data`` when joined; shrinks to one piece.

    Raises:
        ImportError: hypothesis is not installed.
    """
    try:
        from hypothesis import strategies
    except ImportError as exc:
        raise ImportError(
            "chunks() is a strategy for hypothesis, which is not installed: pip install hypothesis"
        ) from exc
    inside = len(data) - 1
    if inside < 1:
        return strategies.just([data] if data else [])

    def cut(points: list[int]) -> list[bytes]:
        edges = [0, *sorted(set(points)), len(data)]
        return [data[start:end] for start, end in pairwise(edges)]

    return strategies.lists(strategies.integers(1, inside), max_size=inside).map(cut)  # lists shrink better than sets
