"""Lines: text protocols that end a message with a newline."""

from __future__ import annotations

from typing import Final

from .._mypyc import i64, mypyc_attr
from ..buffer import ReceiveBuffer
from ..errors import DecodeError, FrameTooLongError
from .base import ByteToMessageDecoder

_CR: Final = 13
_HIGHEST_LIMIT: Final = 2**62  # bytes; positions are 64-bit


@mypyc_attr(allow_interpreted_subclasses=True)
class LineBasedFrameDecoder(ByteToMessageDecoder[bytes]):
    r"""bytes → bytes, one line each; ``\n`` and ``\r\n`` both end a line, and a ``\r`` elsewhere belongs to it.

    ::

        +-----------------+     +-----+ +-----+ +---+
        | GET\r\nPUT\n\n… | --> | GET | | PUT | |   |
        +-----------------+     +-----+ +-----+ +---+

    Args:
        max_length: bytes of the longest line, its end not counted.
        strip_delimiter: whether lines are delivered without their end.
        fail_fast: report a line that is too long as soon as that is known; otherwise once it has gone by.

    Raises:
        FrameTooLongError: before more than ``max_length`` bytes of a line are buffered; the next line is decoded again.
    """

    def __init__(self, max_length: int, *, strip_delimiter: bool = True, fail_fast: bool = False) -> None:
        if not 0 < max_length <= _HIGHEST_LIMIT:
            raise ValueError(f"max_length must be from 1 to {_HIGHEST_LIMIT}, but is {max_length}")
        self._max_length: i64 = max_length
        self._strip = strip_delimiter
        self._fail_fast = fail_fast
        self._overlong: i64 = 0  # bytes of the line that is being discarded
        self._ends_in_cr = False  # and whether that is the last of them

    def take_unread(self) -> bytes:
        self._overlong = 0
        self._ends_in_cr = False
        return super().take_unread()

    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        if self._overlong:
            return self._discard(buffer)
        size: i64 = buffer.find(b"\n")
        if size < 0:
            # a \r that has come last may belong to the end of the line
            if buffer.left > self._max_length + 1 or (
                buffer.left > self._max_length and not self._waits_for_lf(buffer)
            ):
                return self._discard(buffer)
            return None
        if size > self._max_length and (size > self._max_length + 1 or not self._is_crlf(buffer, size)):
            return self._discard(buffer)
        if not self._strip:
            return buffer.take(size + 1)
        line = buffer.cut(0, size, size + 1)
        if size > 0 and line[size - 1] == _CR:
            return line[:-1]
        return line

    def _waits_for_lf(self, buffer: ReceiveBuffer) -> bool:
        return buffer.peek_uint(buffer.left - 1, 1) == _CR

    def _is_crlf(self, buffer: ReceiveBuffer, size: int) -> bool:
        return buffer.peek_uint(size - 1, 1) == _CR

    def _discard(self, buffer: ReceiveBuffer) -> bytes | None:
        """Drop what is here of a line that is too long; report it when that is first known, or when it ends."""
        begins = self._overlong == 0
        size: i64 = buffer.find(b"\n")
        ends = size >= 0
        if not ends:
            size = buffer.left
        if size > 0:
            self._ends_in_cr = buffer.peek_uint(size - 1, 1) == _CR
        buffer.skip(size + 1 if ends else size)
        self._overlong += size
        length: i64 = self._overlong
        if ends:
            if self._ends_in_cr:
                length -= 1
            self._overlong = 0
            self._ends_in_cr = False
        if begins if self._fail_fast else ends:
            raise FrameTooLongError(length, self._max_length)
        return None

    def unfinished(self, buffer: ReceiveBuffer) -> DecodeError | None:
        if self._overlong and not self._fail_fast:
            return FrameTooLongError(self._overlong, self._max_length)  # nobody has heard of it yet
        return super().unfinished(buffer)
