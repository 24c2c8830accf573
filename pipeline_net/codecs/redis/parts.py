r"""The parts of a message, for who does not want to hold a whole one: heads, pieces of a large value, ends.

A value of a gigabyte, or an array of a million values, then passes through in pieces::

    $6\r\nvalue!\r\n            -->   BulkHead(b"$", 6)  BulkPart(b"val")  BulkPart(b"ue!")  BULK_END
    *2\r\n $1\r\na\r\n _\r\n    -->   AggregateHead(b"*", 2)  b"a"  NULL
    *?\r\n :1\r\n .\r\n        -->   AggregateHead(b"*", -1)  1  AGGREGATE_END

What is small comes whole, as in ``messages``: numbers, lines, and values up to a length that the decoder is given.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from .messages import Reply

UNKNOWN: Final = -1  # the length of what tells its end only when it comes


class BulkHead:
    """The begin of a value: its type byte (``$``, ``=`` or ``!``) and its length, or ``-1`` if its end will tell."""

    def __init__(self, kind: bytes, length: int) -> None:
        self.kind: Final[bytes] = kind
        self.length: Final[int] = length

    def __repr__(self) -> str:
        return f"BulkHead({self.kind!r}, {self.length})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BulkHead) and other.kind == self.kind and other.length == self.length

    def __hash__(self) -> int:
        return hash((self.kind, self.length))


class BulkPart:
    """The next bytes of a value; never none."""

    def __init__(self, data: bytes) -> None:
        self.data: Final[bytes] = data

    def __repr__(self) -> str:
        return f"BulkPart({self.data!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BulkPart) and other.data == self.data

    def __hash__(self) -> int:
        return hash(self.data)


class AggregateHead:
    """The begin of an array, set, map, push or attribute: its type byte and how many elements (or pairs) follow.

    ``-1`` if only its end will tell.
    """

    def __init__(self, kind: bytes, count: int) -> None:
        self.kind: Final[bytes] = kind
        self.count: Final[int] = count

    def __repr__(self) -> str:
        return f"AggregateHead({self.kind!r}, {self.count})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AggregateHead) and other.kind == self.kind and other.count == self.count

    def __hash__(self) -> int:
        return hash((self.kind, self.count))


class End:
    """The end of something; ``BULK_END`` and ``AGGREGATE_END`` are the only ones."""

    def __init__(self, name: str) -> None:
        self.name: Final[str] = name

    def __repr__(self) -> str:
        return self.name


BULK_END: Final = End("BULK_END")  # of every value that began with a BulkHead
AGGREGATE_END: Final = End("AGGREGATE_END")  # only of those whose count was not known

Part: TypeAlias = "BulkHead | BulkPart | AggregateHead | End | Reply"
"""What ``RedisPartDecoder`` makes of bytes, and ``RedisPartAggregator`` of whole messages takes."""
