"""Datagram: what travels a pipeline over UDP."""

from __future__ import annotations

from typing import Any


class Datagram:
    """``data``, and the ``address`` that it came from or goes to.

    An address is what the socket module has: a tuple that begins with an IP address and a port.  On a connected channel
    it may be left out, and ``data`` be written by itself.
    """

    def __init__(self, data: bytes, address: Any = None) -> None:
        self.data = data
        self.address = address

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Datagram):
            return NotImplemented
        return self.data == other.data and self.address == other.address

    def __hash__(self) -> int:
        return hash((self.data, self.address))

    def __repr__(self) -> str:
        return f"Datagram({self.data!r}, {self.address!r})"
