r"""RedisReplyDecoder: what a Redis server answers, in RESP2 and RESP3.

Every value says by its first byte what it is, and lengths come first::

    $5\r\nhello\r\n     :7\r\n     *2\r\n +OK\r\n _\r\n     %1\r\n $1\r\na\r\n #t\r\n     $?\r\n ;2\r\nhe\r\n ;0\r\n

Values are taken out of the buffer as they arrive, and put together by a ``MessageBuilder``.  So an array of a hundred
thousand elements in small pieces is parsed once, nothing is allocated because a length was announced, and no depth of
nesting costs a stack.

Where the specification leaves something open, or other readers differ (hiredis was tried), ours is the strict one:

* ``\r`` is always followed by ``\n``, and neither stands inside a line.
* Numbers have no zeros in front, big ones and doubles excepted; a plus sign only where the specification has it.
* ``-1`` as a length is a null of RESP2, so strings and arrays may have it, and types of RESP3 may not.
* A push stands inside nothing, and says of which kind it is.
* A limit on numbers of any size: 4300 digits, as ``int()`` has it.

Source: https://redis.io/docs/latest/develop/reference/protocol-spec/ and
https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md (streamed types)
"""

from __future__ import annotations

from typing import Any, Final

from ..._mypyc import i64
from ...buffer import ReceiveBuffer
from ...errors import CorruptedFrameError, DecodeError
from ..base import ByteToMessageDecoder
from .builder import PENDING, MessageBuilder
from .lines import LineReader
from .messages import OK, Reply
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
    NINE,
    NOTHING,
    PUSH,
    SET,
    SIMPLE,
    STREAMED,
    UNFINISHED,
    VERBATIM,
    ZERO,
    Lengths,
    checked,
    ends_line,
    is_true,
    refusal,
    unended,
)
from .scalars import of_bulk, of_line

_O: Final = 79
_K: Final = 75

_NOT_YET: Final = object()  # what _rare() says of something that is not all there


class RedisReplyDecoder(ByteToMessageDecoder[Reply]):
    r"""bytes → Reply; the table in ``messages`` says what becomes which Python type.

    Which version the server speaks need not be known: each type says itself what it is.  A null by itself comes as
    ``NULL``, inside something else as ``None``; a push comes as ``Push`` in the place where the server put it::

        +---------------------------+     +-----------------------------+
        | $5\r\nhello\r\n           |     | b"hello"                    |
        | *2\r\n :7\r\n $-1\r\n     | --> | [7, None]                   |
        | %1\r\n +proto\r\n :3\r\n  |     | {SimpleString(b"proto"): 3} |
        +---------------------------+     +-----------------------------+

    Take it out between replies: in the middle of one it passes on the bytes that it has not taken, and no others.  What
    it has made of those before is no bytes any more, and to keep both would take twice the memory.

    Args:
        max_bulk_length: bytes of one value.
        max_elements: values of one message at all its depths, keys and members and attributes included.
        max_depth: how deep arrays, sets, maps and attributes may be nested.
        max_line_length: bytes of a simple string, an error or a number, without its type and its line end.
        max_message_length: bytes of one whole message on the wire, all lengths and line ends included.
        attributes: deliver what a server says about a value, as ``Attributed``; otherwise that is read and dropped.

    Raises:
        DecodeError: the bytes are no reply, or one above a limit; as soon as that is known, which for lengths is before
            what they announce.
        CorruptedFrameError: the input ended in the middle of a reply.
    """

    def __init__(
        self,
        *,
        max_bulk_length: int = 64 * 1024 * 1024,
        max_elements: int = 1024 * 1024,
        max_depth: int = 32,
        max_line_length: int = 64 * 1024,
        max_message_length: int = 128 * 1024 * 1024,
        attributes: bool = False,
    ) -> None:
        self._max_bulk: i64 = checked("max_bulk_length", max_bulk_length)
        self._max_elements: i64 = checked("max_elements", max_elements)
        self._max_message: i64 = checked("max_message_length", max_message_length)
        self._builder = MessageBuilder(max_depth, max_elements, attributes)
        self._lengths = Lengths()
        self._lines = LineReader(max_line_length)
        # What must survive a return in the middle of a message.
        self._taken: i64 = 0  # bytes of this message that have left the buffer
        self._awaited: i64 = -1  # bytes of the value whose length is known but which has not all arrived; or -1
        self._awaited_kind: i64 = 0  # its type byte
        self._chunks: bytearray | None = None  # of the string that is streaming
        self._after: i64 = 0  # where _rare() has stopped

    @property
    def unread_bytes(self) -> int:
        buffer = self._buffer
        return self._taken if buffer is None else self._taken + buffer.left

    def unfinished(self, buffer: ReceiveBuffer) -> DecodeError | None:
        size: i64 = self._taken + buffer.left
        if size == 0:
            return None
        return CorruptedFrameError(f"the input ended in the middle of a reply: {size} bytes of it are here")

    def decode(self, buffer: ReceiveBuffer) -> Any:
        value: Any
        if self._awaited >= 0 or self._lines.is_waiting:
            value = self._take_awaited(buffer) if self._awaited >= 0 else self._take_line(buffer)
            if value is not PENDING:
                self._taken = 0
                return value
            if self._awaited >= 0 or buffer.left == 0:
                return None
        builder = self._builder
        lengths = self._lengths
        data = buffer.data
        start: i64 = buffer.pos
        end: i64 = start + buffer.left
        at: i64 = start
        latest: i64 = start + self._max_message - self._taken  # where this message must have ended
        streaming = self._chunks is not None
        kind: i64
        length: i64
        close: i64
        while at < end:
            kind = data[at]
            if kind == BULK and not streaming:
                length = lengths.read(data, at + 1, end, self._max_bulk)
                if length >= 0:
                    at = lengths.after
                    close = at + length
                    if close + 2 > latest:
                        raise self._too_long()
                    if close + 2 > end:
                        self._awaited = length
                        self._awaited_kind = BULK
                        break
                    if data[close] != CR or data[close + 1] != LF:
                        raise unended()
                    value = data[at:close]
                    at = close + 2
                elif length == ABSENT:
                    at = lengths.after
                    value = None
                elif length == STREAMED:
                    at = lengths.after
                    self._chunks = bytearray()
                    streaming = True
                    continue
                else:
                    break
            elif kind == INTEGER and not streaming:
                length = lengths.read_integer(data, at + 1, end)
                if lengths.after == UNFINISHED:
                    break
                at = lengths.after
                value = length
            elif kind == SIMPLE and not streaming and at + 4 < end and _is_ok(data, at):
                at += 5
                value = OK
            else:
                if kind == ARRAY and not streaming:
                    value = self._open(data, at, end, kind)
                else:
                    value = self._rare(data, at, end, kind, latest)
                at = self._after
                if value is _NOT_YET:
                    break
                streaming = self._chunks is not None
                if at > latest:
                    raise self._too_long()
                if value is PENDING:
                    continue
                self._taken = 0
                buffer.skip(at - start)
                return value
            if at > latest:
                raise self._too_long()
            top = builder.top
            if top is not None and top.missing > 1 and not builder.marked:  # as add() does, but most values end here
                top.items.append(value)
                top.missing -= 1
                continue
            value = builder.add(value)
            if value is not PENDING:
                self._taken = 0
                buffer.skip(at - start)
                return value
        # Keep what there is, so that none of it is parsed again.
        if end > latest:
            raise self._too_long()
        self._taken += at - start
        buffer.skip(at - start)
        if self._awaited >= 0:
            buffer.wait_for(self._awaited + 2)
        return None

    def _take_awaited(self, buffer: ReceiveBuffer) -> Any:
        """Take the value that took several reads; the buffer puts its pieces together with a single copy."""
        length: i64 = self._awaited
        if buffer.left < length + 2:
            return PENDING  # the input has ended, or was fed by hand
        value = buffer.take(length)
        if buffer.take(2) != b"\r\n":
            raise unended()
        self._awaited = -1
        self._taken += length + 2
        return self._add_bulk(self._awaited_kind, value)

    def _rare(self, data: bytes, at: i64, end: i64, kind: i64, latest: i64) -> Any:
        """Read what is neither a string, an integer nor an array; leave in ``_after`` where it ends.

        The message that has become whole, ``PENDING``, or ``_NOT_YET``.
        """
        if self._chunks is not None and kind != CHUNK:
            raise refusal("expected ';'", f"a string is streaming, and {bytes([kind])!r} is no part of it")
        if kind in (MAP, SET, PUSH, ATTRIBUTE):
            return self._open(data, at, end, kind)
        if kind in (SIMPLE, ERROR, DOUBLE, BIG_NUMBER):
            return self._read_line(data, at, end)
        if kind in (VERBATIM, BULK_ERROR, CHUNK):
            return self._read_bulk(data, at, end, kind, latest)
        close: i64 = at + 1
        value: Any = None
        self._after = at
        if kind == BOOLEAN:
            if close == end:
                return _NOT_YET
            value = is_true(data, close)
            close += 1
        elif kind not in (NOTHING, END):
            raise refusal("unknown type", f"no reply begins with {bytes([kind])!r}")
        if not ends_line(data, at, close, end):
            return _NOT_YET
        self._after = close + 2
        return self._builder.end() if kind == END else self._builder.add(value)

    def _open(self, data: bytes, at: i64, end: i64, kind: i64) -> Any:
        lengths = self._lengths
        self._after = at
        count: i64 = lengths.read(data, at + 1, end, self._max_elements)
        if count == UNFINISHED:
            return _NOT_YET
        self._after = lengths.after
        if count > 0 and kind != ATTRIBUTE:
            items = self._flat_items(data, lengths.after, end, count * 2 if kind == MAP else count)
            if items is not None:
                return self._builder.flat(kind, count, items)
        if count == ABSENT:
            if kind != ARRAY:
                raise refusal("invalid multibulk length", "only arrays of RESP2 can be null")
            return self._builder.add(None)
        if count == STREAMED and kind in (PUSH, ATTRIBUTE):
            raise refusal("invalid multibulk length", "only arrays, sets and maps can stream")
        return self._builder.open(kind, count)

    def _flat_items(self, data: bytes, at: i64, end: i64, count: i64) -> list[Any] | None:
        """Read that many values at once, if they are all here and of the usual kinds; leave in ``_after`` their end.

        Whatever is the matter with them, ``None`` leaves it to ``decode`` to find out; so they may be read twice.
        """
        lengths = self._lengths
        items: list[Any] = []
        length: i64
        close: i64
        while count > 0 and at + 2 < end:
            if data[at] == BULK:
                if at + 3 < end and data[at + 2] == CR and data[at + 3] == LF and ZERO <= data[at + 1] <= NINE:
                    length = data[at + 1] - ZERO  # one digit is what most have
                    at += 4
                else:
                    length = lengths.read(data, at + 1, end, self._max_bulk)
                    at = lengths.after
                if length >= 0:
                    close = at + length
                    if length > self._max_bulk or close + 2 > end or data[close] != CR or data[close + 1] != LF:
                        return None
                    items.append(data[at:close])
                    at = close + 2
                elif length == ABSENT:
                    items.append(None)
                else:
                    return None
            elif data[at] == INTEGER:
                length = lengths.read_integer(data, at + 1, end)
                if lengths.after == UNFINISHED:
                    return None
                items.append(length)
                at = lengths.after
            elif data[at] == NOTHING and data[at + 1] == CR and data[at + 2] == LF:
                items.append(None)
                at += 3
            elif at + 4 < end and _is_ok(data, at):
                items.append(OK)
                at += 5
            else:
                return None
            count -= 1
        if count > 0:
            return None
        self._after = at
        return items

    def _read_bulk(self, data: bytes, at: i64, end: i64, kind: i64, latest: i64) -> Any:
        """Read a verbatim string, a bulk error, or a part of a string that streams."""
        lengths = self._lengths
        self._after = at
        length: i64 = lengths.read(data, at + 1, end, self._max_bulk)
        if length == UNFINISHED:
            return _NOT_YET
        if length < 0:
            raise refusal("invalid bulk length", f"{bytes([kind])!r} has a length")
        begin: i64 = lengths.after
        chunks = self._chunks
        if kind == CHUNK:
            if chunks is None:
                raise refusal("misplaced part", "';' goes on with a string, and none is streaming")
            if length == 0:
                self._after = begin
                self._chunks = None
                return self._builder.add(bytes(chunks))
            if len(chunks) + length > self._max_bulk:
                raise refusal("invalid bulk length", f"a string is over the limit of {self._max_bulk} bytes")
        close: i64 = begin + length
        if close + 2 > latest:
            raise self._too_long()
        if close + 2 > end:
            self._after = begin
            self._awaited = length
            self._awaited_kind = kind
            return _NOT_YET
        if data[close] != CR or data[close + 1] != LF:
            raise unended()
        self._after = close + 2
        return self._add_bulk(kind, data[begin:close])

    def _add_bulk(self, kind: i64, value: bytes) -> Any:
        if kind == BULK:
            return self._builder.add(value)
        if kind == CHUNK:
            assert self._chunks is not None
            self._chunks += value
            return PENDING
        return self._builder.add(of_bulk(kind, value))

    def _read_line(self, data: bytes, at: i64, end: i64) -> Any:
        lines = self._lines
        line = lines.read(data, at, end)
        self._after = lines.after
        return _NOT_YET if line is None else self._builder.add(of_line(lines.kind, line))

    def _take_line(self, buffer: ReceiveBuffer) -> Any:
        """Go on with a line that took several reads."""
        lines = self._lines
        before: i64 = buffer.left
        line = lines.resume(buffer)
        taken: i64 = self._taken + before - buffer.left
        if taken > self._max_message:
            raise self._too_long()
        self._taken = taken
        if line is None:
            return PENDING
        return self._builder.add(of_line(lines.kind, line))

    def _too_long(self) -> DecodeError:
        return refusal("too big reply", f"a reply is over the limit of {self._max_message} bytes")


def _is_ok(data: bytes, at: i64) -> bool:
    """Whether ``+OK`` and its line end stand there, which is what most commands are answered with."""
    return (
        data[at] == SIMPLE and data[at + 1] == _O and data[at + 2] == _K and data[at + 3] == CR and data[at + 4] == LF
    )
