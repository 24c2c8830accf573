"""UnansweredRequests: who waits for a response, in the order in which they asked."""

from __future__ import annotations

from ..._mypyc import i64
from .messages import Request


class UnansweredRequests:
    """The requests of one connection whose responses have not ended.

    As a rule there is one, or none, so the first has a place of its own: a list that is filled and emptied with each
    request has its memory allocated and freed each time.
    """

    def __init__(self) -> None:
        self.first: Request | None = None
        """Whose response is due; ``None`` if nobody waits."""
        self.count: i64 = 0
        self._later: list[Request] | None = None  # the others; made for the first who pipelines

    def add(self, request: Request) -> None:
        """A request has come."""
        self.count += 1
        if self.first is None:
            self.first = request
            return
        if self._later is None:
            self._later = []
        self._later.append(request)

    def drop_first(self) -> None:
        """Its response has ended."""
        later = self._later
        if self.count > 1 and later is not None:
            self.first = later.pop(0)
        else:
            self.first = None
        self.count -= 1

    def drop_last(self) -> None:
        """The latest of them is not answered as a request."""
        later = self._later
        if self.count > 1 and later is not None:
            later.pop()
        else:
            self.first = None
        self.count -= 1

    def clear(self) -> None:
        """Nobody is answered any more."""
        self.first = None
        self.count = 0
        self._later = None

    def holds(self, request: Request) -> bool:
        """Whether this very request is among them: two that look alike are two."""
        if request is self.first:
            return True
        return self._later is not None and any(request is known for known in self._later)
