"""Exchanges: which request a part of a response answers, for stages that change one by what they know of the other."""

from __future__ import annotations

from typing import Generic, TypeVar

from ..messages import FullRequest, Request

T = TypeVar("T")


class Exchanges(Generic[T]):
    """The requests of a connection that are not answered, in their order, each with what a stage has noted about it.

    As for ``HttpServerHandler``, a part that names no request belongs to the oldest.
    """

    def __init__(self) -> None:
        self._open: list[tuple[Request, T]] = []  # as a rule one

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, request: Request, note: T) -> None:
        """A request came."""
        self._open.append((head_of(request), note))

    def note_of(self, to: Request | None) -> T | None:
        """Find what was noted about a request; ``None`` if there is none."""
        found = self._find(to)
        return None if found < 0 else self._open[found][1]

    def end(self, to: Request | None) -> T | None:
        """A response has ended: forget its request, and return what was noted."""
        found = self._find(to)
        return None if found < 0 else self._open.pop(found)[1]

    def take_all(self) -> list[T]:
        """Forget all requests."""
        notes = [note for _, note in self._open]
        self._open.clear()
        return notes

    def _find(self, to: Request | None) -> int:
        if to is None:
            return 0 if self._open else -1
        head = head_of(to)
        for index, (request, _) in enumerate(self._open):
            if request is head:
                return index
        return -1


def head_of(request: Request) -> Request:
    """Return the head that a whole request was made of: what ``to`` should name, for the body need not live on."""
    head = request.head if isinstance(request, FullRequest) else None
    return request if head is None else head
