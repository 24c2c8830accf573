"""Where the body of a response goes: kept as a whole, or dropped.  (``stream`` has the one that is read in parts.)"""

from __future__ import annotations

import sys

from ..aggregator import BodyParts


class TooMuchError(Exception):
    """More bytes than a sink takes; the exchange makes an error of it that names the URL."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is over the limit of {limit} bytes")


class Sink:
    """Takes a body.  Everything happens on the loop."""

    def announce(self, length: int) -> None:
        """So many bytes will come, by the headers; negative when they do not say.

        Raises:
            TooMuchError: that is more than it takes.
        """

    def take(self, data: bytes) -> bool:
        """Take some bytes; ``False`` asks to stop reading until ``Exchange.resume()``.

        Raises:
            TooMuchError: that was more than it takes.
        """
        raise NotImplementedError


class WholeBody(Sink):
    """Keeps everything, up to a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts = BodyParts(min(limit, sys.maxsize))  # what the compiled build counts with

    def announce(self, length: int) -> None:
        if length > self._limit:
            raise TooMuchError(self._limit)

    def take(self, data: bytes) -> bool:
        if not self._parts.add(data):
            raise TooMuchError(self._limit)
        return True

    def body(self) -> bytes:
        """Return all of it, once."""
        return self._parts.take()


class Dropped(Sink):
    """Drops everything; above ``limit`` bytes a new connection costs less than reading on."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0

    def announce(self, length: int) -> None:
        if length > self._limit:
            raise TooMuchError(self._limit)

    def take(self, data: bytes) -> bool:
        self._size += len(data)
        if self._size > self._limit:
            raise TooMuchError(self._limit)
        return True
