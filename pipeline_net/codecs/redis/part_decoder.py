"""RedisPartDecoder: replies and commands in parts, so that a large value need not be held whole."""

from __future__ import annotations

from typing import Any, Final

from ..._mypyc import i64
from ...buffer import ReceiveBuffer
from ...errors import CorruptedFrameError, DecodeError
from ..base import ByteToMessageDecoder
from .lines import LineReader
from .messages import NULL
from .parts import AGGREGATE_END, BULK_END, AggregateHead, BulkHead, BulkPart, Part
from .rules import (
    ABSENT,
    ARRAY,
    ATTRIBUTE,
    BIG_NUMBER,
    BOOLEAN,
    BULK,
    BULK_ERROR,
    CHUNK,
    CR,
    DOUBLE,
    END,
    ERROR,
    INTEGER,
    LF,
    MAP,
    NOTHING,
    PUSH,
    SET,
    SIMPLE,
    STREAMED,
    UNFINISHED,
    VERBATIM,
    Lengths,
    checked,
    ends_line,
    is_true,
    refusal,
    unended,
)
from .scalars import of_bulk, of_line

_NO_VALUE: Final = -1


class RedisPartDecoder(ByteToMessageDecoder[Part]):
    r"""bytes → Part, for replies, and for commands that are arrays (not inline ones)::

        +------------------------------+     +-----------------------------------------+
        | *3\r\n $3\r\nSET\r\n         |     | AggregateHead(b"*", 3)  b"SET"  b"key"  |
        | $3\r\nkey\r\n                | --> | BulkHead(b"$", 1000000)                 |
        | $1000000\r\nvalue…\r\n       |     | BulkPart(b"value…") … BULK_END          |
        +------------------------------+     +-----------------------------------------+

    It holds at most one line, or one value that comes whole.  What the parts make together is not its business: whether
    a map has a value for each key, and how deep things are nested, ``RedisPartAggregator`` looks at.

    Args:
        max_bulk_length: bytes of one value.
        max_elements: what one aggregate may announce.
        max_line_length: bytes of a simple string, an error or a number, without its type and its line end.
        whole_up_to: bytes; a value up to this length comes whole, as ``bytes``, ``Verbatim`` or ``RedisError``.
        max_part_length: bytes of one ``BulkPart``; it may be any shorter, for what is here is not held back.

    Raises:
        DecodeError: the bytes are neither a reply nor a command, or something is above a limit.
        CorruptedFrameError: the input ended in the middle of a value, or before the end of a string that streams.
    """

    def __init__(
        self,
        *,
        max_bulk_length: int = 512 * 1024 * 1024,
        max_elements: int = 2**31 - 1,
        max_line_length: int = 64 * 1024,
        whole_up_to: int = 4096,
        max_part_length: int = 64 * 1024,
    ) -> None:
        self._max_bulk: i64 = checked("max_bulk_length", max_bulk_length)
        self._max_elements: i64 = checked("max_elements", max_elements)
        self._whole: i64 = checked("whole_up_to", whole_up_to, 0)
        self._max_part: i64 = checked("max_part_length", max_part_length)
        self._lengths = Lengths()
        self._lines = LineReader(max_line_length)
        self._missing: i64 = _NO_VALUE  # bytes of the value, or the chunk, that is passing through
        self._streams: bool = False  # it is a string whose length nobody knows
        self._streamed: i64 = 0  # bytes of that so far

    def unfinished(self, buffer: ReceiveBuffer) -> DecodeError | None:
        if buffer.left == 0 and self._missing == _NO_VALUE and not self._streams and not self._lines.is_waiting:
            return None
        return CorruptedFrameError("the input ended in the middle of a value")

    @property
    def unread_bytes(self) -> int:
        buffer = self._buffer
        held: i64 = self._lines.held
        return held if buffer is None else held + buffer.left

    def take_unread(self) -> bytes:
        begun = self._lines.give_away()
        self._missing = _NO_VALUE
        self._streams = False
        return begun + super().take_unread()

    def decode(self, buffer: ReceiveBuffer) -> Any:
        if self._missing != _NO_VALUE:
            return self._pass_through(buffer)
        if self._lines.is_waiting:
            line = self._lines.resume(buffer)
            return None if line is None else of_line(self._lines.kind, line)
        kind: i64 = buffer.data[buffer.pos]
        if self._streams:
            return self._chunk(buffer, kind)
        if kind in (BULK, VERBATIM, BULK_ERROR):
            return self._bulk(buffer, kind)
        if kind in (ARRAY, MAP, SET, PUSH, ATTRIBUTE):
            return self._head(buffer, kind)
        if kind in (SIMPLE, ERROR, DOUBLE, BIG_NUMBER):
            return self._line(buffer, kind)
        return self._short(buffer, kind)

    def _pass_through(self, buffer: ReceiveBuffer) -> Any:
        missing: i64 = self._missing
        if missing > 0:
            size: i64 = missing if missing < self._max_part else self._max_part
            if size > buffer.left:
                size = buffer.left
            self._missing = missing - size
            return BulkPart(buffer.take(size))
        if buffer.left < 2:
            if buffer.peek(1) != b"\r":
                raise unended()
            return None
        if buffer.take(2) != b"\r\n":
            raise unended()
        self._missing = _NO_VALUE
        return None if self._streams else BULK_END

    def _bulk(self, buffer: ReceiveBuffer, kind: i64) -> Any:
        lengths = self._lengths
        data = buffer.data
        start: i64 = buffer.pos
        end: i64 = start + buffer.left
        length: i64 = lengths.read(data, start + 1, end, self._max_bulk)
        if length == UNFINISHED:
            return None
        begin: i64 = lengths.after
        if length < 0 and kind != BULK:
            raise refusal("invalid bulk length", f"{bytes([kind])!r} has a length")
        if length == ABSENT:
            buffer.skip(begin - start)
            return NULL
        if length == STREAMED or length > self._whole:
            buffer.skip(begin - start)
            self._streams = length == STREAMED
            self._streamed = 0
            if length > 0:
                self._missing = length
            return BulkHead(bytes([kind]), length if length > 0 else -1)
        if begin + length + 2 > end:
            buffer.wait_for(begin - start + length + 2)
            return None
        if data[begin + length] != CR or data[begin + length + 1] != LF:
            raise unended()
        value = data[begin : begin + length]
        buffer.skip(begin - start + length + 2)
        return value if kind == BULK else of_bulk(kind, value)

    def _chunk(self, buffer: ReceiveBuffer, kind: i64) -> Any:
        """Go on with a string that streams: ``;4`` and four bytes, or ``;0``, its end."""
        if kind != CHUNK:
            raise refusal("expected ';'", f"a string is streaming, and {bytes([kind])!r} is no part of it")
        lengths = self._lengths
        start: i64 = buffer.pos
        length: i64 = lengths.read(buffer.data, start + 1, start + buffer.left, self._max_bulk - self._streamed)
        if length == UNFINISHED:
            return None
        if length < 0:
            raise refusal("invalid bulk length", "a part has a length")
        buffer.skip(lengths.after - start)
        if length == 0:
            self._streams = False
            return BULK_END
        self._streamed += length
        self._missing = length
        return None

    def _head(self, buffer: ReceiveBuffer, kind: i64) -> Any:
        lengths = self._lengths
        start: i64 = buffer.pos
        count: i64 = lengths.read(buffer.data, start + 1, start + buffer.left, self._max_elements)
        if count == UNFINISHED:
            return None
        if count == ABSENT and kind != ARRAY:
            raise refusal("invalid multibulk length", "only arrays of RESP2 can be null")
        if count == STREAMED and kind in (PUSH, ATTRIBUTE):
            raise refusal("invalid multibulk length", "only arrays, sets and maps can stream")
        buffer.skip(lengths.after - start)
        if count == ABSENT:
            return NULL
        return AggregateHead(bytes([kind]), count if count >= 0 else -1)

    def _line(self, buffer: ReceiveBuffer, kind: i64) -> Any:
        start: i64 = buffer.pos
        line = self._lines.read(buffer.data, start, start + buffer.left)
        buffer.skip(self._lines.after - start)
        return None if line is None else of_line(kind, line)

    def _short(self, buffer: ReceiveBuffer, kind: i64) -> Any:
        """Read an integer, a null, a boolean or the end of what streams."""
        data = buffer.data
        start: i64 = buffer.pos
        end: i64 = start + buffer.left
        close: i64 = start + 1
        message: Any = NULL
        if kind == INTEGER:
            number: i64 = self._lengths.read_integer(data, start + 1, end)
            if self._lengths.after == UNFINISHED:
                return None
            buffer.skip(self._lengths.after - start)
            return number
        if kind == BOOLEAN:
            if close == end:
                return None
            message = is_true(data, close)
            close += 1
        elif kind == END:
            message = AGGREGATE_END
        elif kind != NOTHING:
            raise refusal("unknown type", f"no reply begins with {bytes([kind])!r}")
        if not ends_line(data, start, close, end):
            return None
        buffer.skip(close + 2 - start)
        return message
