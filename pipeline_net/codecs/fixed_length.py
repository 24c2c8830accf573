"""Frames of one length."""

from __future__ import annotations

from typing import Final

from .._mypyc import i64, mypyc_attr
from ..buffer import ReceiveBuffer
from .base import ByteToMessageDecoder

_HIGHEST_LIMIT: Final = 2**62  # bytes; positions are 64-bit


@mypyc_attr(allow_interpreted_subclasses=True)
class FixedLengthFrameDecoder(ByteToMessageDecoder[bytes]):
    r"""bytes → bytes, one frame each; all have ``length`` bytes.

    ::

        length 3
        +---+----+------+----+     +-----+ +-----+ +-----+
        | A | BC | DEFG | HI | --> | ABC | | DEF | | GHI |
        +---+----+------+----+     +-----+ +-----+ +-----+
    """

    def __init__(self, length: int) -> None:
        if not 0 < length <= _HIGHEST_LIMIT:
            raise ValueError(f"length must be from 1 to {_HIGHEST_LIMIT}, but is {length}")
        self._length: i64 = length

    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        if buffer.left < self._length:
            buffer.wait_for(self._length)
            return None
        return buffer.take(self._length)
