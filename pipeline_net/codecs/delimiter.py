"""Frames that end with a mark: any bytes, or one of several."""

from __future__ import annotations

from typing import Final

from .._mypyc import i64, mypyc_attr
from ..buffer import ReceiveBuffer
from ..errors import DecodeError, FrameTooLongError
from .base import ByteToMessageDecoder

_HIGHEST_LIMIT: Final = 2**62  # bytes; positions are 64-bit


@mypyc_attr(allow_interpreted_subclasses=True)
class DelimiterBasedFrameDecoder(ByteToMessageDecoder[bytes]):
    r"""bytes → bytes, one frame each; a frame ends with one of the ``delimiters``.

    ::

        delimiters \r\n and \n
        +-----------------+     +-----+ +-----+ +---+
        | ABC\nDEF\r\n\n… | --> | ABC | | DEF | |   |
        +-----------------+     +-----+ +-----+ +---+

    Of several delimiters the one that makes the frame shortest wins, and of those that begin at the same byte the
    shortest: it is there first.

    Args:
        max_length: bytes of the longest frame, its delimiter not counted.
        delimiters: each at least one byte.  One may stand inside another at its begin or its end only; elsewhere it
            would depend on how the bytes arrive which of the two is met.
        strip_delimiter: whether frames are delivered without their delimiter.
        fail_fast: report a frame that is too long as soon as that is known; otherwise once it has gone by.

    Raises:
        FrameTooLongError: before more than ``max_length`` bytes of a frame, and what may be a delimiter, are buffered;
            the next frame is decoded again.
    """

    def __init__(
        self, max_length: int, *delimiters: bytes, strip_delimiter: bool = True, fail_fast: bool = True
    ) -> None:
        if not 0 < max_length <= _HIGHEST_LIMIT:
            raise ValueError(f"max_length must be from 1 to {_HIGHEST_LIMIT}, but is {max_length}")
        marks = [bytes(delimiter) for delimiter in delimiters]
        if not marks:
            raise ValueError("delimiters must not be empty: a frame would have no end")
        for mark in marks:
            if not mark:
                raise ValueError("a delimiter must have at least one byte, but one is b''")
            for other in marks:
                if other.find(mark, 1, len(other) - 1) >= 0:
                    raise ValueError(
                        f"the delimiter {mark!r} stands inside {other!r}, so that where a frame ends would depend on "
                        "how its bytes arrive"
                    )
        marks.sort(key=len)
        self._max_length: i64 = max_length
        self._marks = marks
        self._longest: i64 = len(marks[-1])
        self._only: bytes | None = marks[0] if len(marks) == 1 else None
        self._strip = strip_delimiter
        self._fail_fast = fail_fast
        self._overlong: i64 = 0  # bytes of the frame that is being discarded
        self._mark_length: i64 = self._longest  # of the delimiter that _find has met
        # For each of several delimiters, counted from the first unread byte: where it begins next (-1: not here), and
        # up to where that is known.  So that one which is rare is not sought anew in each frame.
        self._begins: list[int] = [-1] * len(marks)
        self._known: list[int] = [0] * len(marks)

    def take_unread(self) -> bytes:
        self._overlong = 0
        self._begins = [-1] * len(self._marks)
        self._known = [0] * len(self._marks)
        return super().take_unread()

    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        if self._overlong:
            return self._discard(buffer)
        size: i64 = self._find(buffer)
        if size > self._max_length or (size < 0 and buffer.left >= self._max_length + self._longest):
            return self._discard(buffer)
        if size < 0:
            return None
        whole: i64 = size + self._mark_length
        self._consumed(whole)
        return buffer.cut(0, size if self._strip else whole, whole)

    def _find(self, buffer: ReceiveBuffer) -> i64:
        """Find the end of the shortest frame: where its delimiter begins, or -1."""
        if self._only is not None:
            return buffer.find(self._only)
        nearest: i64 = -1
        for index, mark in enumerate(self._marks):
            at: i64 = self._begins[index]
            if at < 0 and self._known[index] < buffer.left:
                at = buffer.find(mark, self._known[index])
                self._begins[index] = at
                if at < 0:
                    known = buffer.left - len(mark) + 1
                    if known > self._known[index]:
                        self._known[index] = known
            if at >= 0 and (nearest < 0 or at < nearest):
                nearest = at
                self._mark_length = len(mark)
        return nearest

    def _consumed(self, n: i64) -> None:
        if self._only is not None:
            return
        for index in range(len(self._marks)):
            at: i64 = self._begins[index]
            if at >= n:
                self._begins[index] = at - n
            else:
                known: i64 = self._known[index] - n if at < 0 else 0
                self._begins[index] = -1
                self._known[index] = known if known > 0 else 0

    def _discard(self, buffer: ReceiveBuffer) -> bytes | None:
        """Drop what is here of a frame that is too long; report it when that is first known, or when it ends."""
        begins = self._overlong == 0
        size: i64 = self._find(buffer)
        ends = size >= 0
        drop: i64
        if ends:
            drop = size + self._mark_length
        else:
            size = drop = buffer.left - self._longest + 1  # a delimiter may have begun in what is kept
            if size <= 0:
                return None
        self._consumed(drop)
        buffer.skip(drop)
        self._overlong += size
        length: i64 = self._overlong
        if ends:
            self._overlong = 0
        if begins if self._fail_fast else ends:
            raise FrameTooLongError(length, self._max_length)
        return None

    def unfinished(self, buffer: ReceiveBuffer) -> DecodeError | None:
        if not self._overlong:
            return super().unfinished(buffer)
        if self._fail_fast:
            return None  # it has been reported
        return FrameTooLongError(self._overlong + buffer.left, self._max_length)
