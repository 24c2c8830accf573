r"""LineReader: what ends with ``\r\n``, and may take several reads to come.

The begin of a line is taken out of the buffer.  So each of its bytes is looked at once, however it was cut, and a line
above the limit is refused when its first byte too many is here.
"""

from __future__ import annotations

from typing import Final

from ..._mypyc import i64
from ...buffer import ReceiveBuffer
from ...errors import DecodeError
from .rules import CR, LF, checked, refusal

_NEAR: Final = 16  # bytes; to look at so many costs less than calling find()


class LineReader:
    """Reads one line at a time; its first byte, the type, is none of its text."""

    def __init__(self, max_line_length: int) -> None:
        self._max_length: i64 = checked("max_line_length", max_line_length)
        self._begin: bytearray | None = None
        self.is_waiting: bool = False  # the begin of a line is here, its end is not
        self.kind: i64 = 0  # the type byte of the line
        self.after: i64 = 0  # where read() has stopped

    @property
    def held(self) -> int:
        """Bytes of the line that is waiting, which have left the buffer."""
        begin = self._begin
        return 0 if begin is None else len(begin) + 1

    def give_away(self) -> bytes:
        """Return the begin of the line that is waiting, its type with it, and forget it; nothing if none is."""
        begin = self._begin
        self._begin = None
        self.is_waiting = False
        return b"" if begin is None else bytes([self.kind]) + bytes(begin)

    def read(self, data: bytes, at: i64, end: i64) -> bytes | None:
        """Read the line at ``at``; without its end, keep what is there and return ``None``.

        Raises:
            DecodeError: it is above the limit, or a line break stands inside it.
        """
        close: i64 = at + 1
        near: i64 = close + _NEAR if close + _NEAR < end else end
        while close < near and data[close] != CR:
            close += 1
        if close == near:
            close = data.find(b"\r", close)
        stop: i64 = close if close >= 0 else end
        line = data[at + 1 : stop]
        self.kind = data[at]
        if stop - at - 1 > self._max_length or LF in line:
            raise self._wrong(stop - at - 1)
        if close < 0 or close + 1 == end:
            self._begin = bytearray(line) if close < 0 else bytearray(line + b"\r")
            self.is_waiting = True
            self.after = end
            return None
        if data[close + 1] != LF:
            raise self._wrong(0)
        self.after = close + 2
        return line

    def resume(self, buffer: ReceiveBuffer) -> bytes | None:
        """Go on with the line that is waiting, and take out of the buffer what belongs to it.

        Raises:
            DecodeError: like ``read``.
        """
        line = self._begin
        assert line is not None
        data = buffer.data
        start: i64 = buffer.pos
        end: i64 = start + buffer.left
        at: i64 = start
        size: i64 = len(line)
        if size == 0 or line[size - 1] != CR:
            close: i64 = data.find(b"\r", start)
            stop: i64 = close if close >= 0 else end
            if size + stop - start > self._max_length or data.find(b"\n", start, stop) >= 0:
                raise self._wrong(size + stop - start)
            at = close + 1 if close >= 0 else end
            line += data[start:at]
        if at == end:
            buffer.skip(at - start)
            return None
        if data[at] != LF:
            raise self._wrong(0)
        buffer.skip(at + 1 - start)
        self._begin = None
        self.is_waiting = False
        return bytes(line[:-1])

    def _wrong(self, length: i64) -> DecodeError:
        if length > self._max_length:
            return refusal("too long line", f"a line is over the limit of {self._max_length} bytes")
        return refusal("invalid line", "\\r and \\n stand together, and only at the end of a line")
