"""RedisPartDecoder: replies and commands in parts, so that a large value need not be held whole."""

from __future__ import annotations

from ...buffer import ReceiveBuffer
from ..base import ByteToMessageDecoder
from .parts import Part


class RedisPartDecoder(ByteToMessageDecoder[Part]):
    r"""bytes → Part, for replies, and for commands that are arrays (not inline ones).

    Args:
        max_bulk_length: bytes of one value.
        max_line_length: bytes of a simple string, an error or a number.
        whole_up_to: bytes; a value up to this length comes whole, as ``bytes``.
        max_part_length: bytes of one ``BulkPart``.
    """

    def __init__(
        self,
        *,
        max_bulk_length: int = 512 * 1024 * 1024,
        max_line_length: int = 64 * 1024,
        whole_up_to: int = 4096,
        max_part_length: int = 64 * 1024,
    ) -> None:
        raise NotImplementedError("to come")

    def decode(self, buffer: ReceiveBuffer) -> Part:
        raise NotImplementedError("to come")
