"""RedisReplyEncoder: what a Redis server answers, in RESP2 or RESP3."""

from __future__ import annotations

from typing import Any, Final

from ..._mypyc import i64, with_cause
from ...errors import EncodeError
from ..base import MessageToByteEncoder
from .messages import Attributed, MapReply, Null, Push, RedisError, Reply, SetReply, SimpleString, Verbatim

_CRLF: Final = b"\r\n"
_NULL: Final = b"$-1\r\n"
_NULL_3: Final = b"_\r\n"

# Most replies are short values and small counts; looking up beats formatting (benchmarks/micro/redis_codec.py).
_TABLE: Final = 1024
_BULK_HEADS: Final = [b"$%d\r\n" % length for length in range(_TABLE)]
_INTEGERS: Final = [b":%d\r\n" % number for number in range(_TABLE)]
_FEW: Final = 64
_ARRAY_HEADS: Final = [b"*%d\r\n" % count for count in range(_FEW)]

_LARGE: Final = (
    32 * 1024
)  # bytes; a value of this size is handed on by itself, because copying it costs more than one more piece
_MANY: Final = 4096  # pieces; fewer, each below _LARGE, are so small that nobody counts their bytes
_MAX_LENGTH: Final = 512 << 20  # bytes; as many as the real server lets one value have
_MIN_INTEGER: Final = -(2**63)
_MAX_INTEGER: Final = 2**63 - 1
_MAX_DEPTH: Final = 256  # levels that a limit may allow; each is a call on the stack


class RedisReplyEncoder(MessageToByteEncoder[Reply]):
    r"""Reply → bytes; the table in ``messages`` says which Python type becomes what, in which version::

        +------------------------+     +--------------------------------+
        | OK                     |     | +OK\r\n                        |
        | [b"value", None, 7]    | --> | *3\r\n $5\r\nvalue\r\n         |
        |                        |     |        $-1\r\n :7\r\n          |
        | {b"proto": True}       |     | *2\r\n $5\r\nproto\r\n :1\r\n  |
        +------------------------+     +--------------------------------+

    Args:
        protocol: the version, 2 or 3.  It may be set while the connection lives, as ``HELLO`` does, and holds for the
            replies that follow.
        max_depth: how deep aggregates may be nested, up to 256; a list that holds itself is found out that way.
        max_length: bytes of one reply that are put together; large values are passed on as they are, and do not count.
            A short command may name one value a million times.

    Raises:
        EncodeError: a type that RESP cannot carry, aggregates nested too deep, a reply over ``max_length``, a push
            inside something else.
    """

    def __init__(self, *, protocol: int = 2, max_depth: int = 32, max_length: int = _MAX_LENGTH) -> None:
        if not 1 <= max_depth <= _MAX_DEPTH:
            raise ValueError(f"max_depth must be from 1 to {_MAX_DEPTH}, but is {max_depth!r}")
        if max_length < 1:
            raise ValueError(f"max_length must be at least 1 byte, not {max_length!r}")
        self._max_depth: i64 = max_depth
        self._max_length: i64 = max_length
        self._length: i64 = 0  # bytes that have been joined for this reply, as far as they were counted
        self._is_3 = False
        self.protocol = protocol

    @property
    def protocol(self) -> int:
        """The version of the protocol in which replies are written from now on."""
        return 3 if self._is_3 else 2

    @protocol.setter
    def protocol(self, version: int) -> None:
        if version not in (2, 3):
            raise ValueError(f"there are versions 2 and 3 of the protocol, and not {version!r}")
        self._is_3 = version == 3

    def encode(self, msg: Any) -> bytes | list[bytes]:
        if isinstance(msg, bytes):
            size: i64 = len(msg)
            if size < _LARGE:
                return bulk_head(size) + msg + _CRLF
            return [bulk_head(size), msg, _CRLF]
        if isinstance(msg, SimpleString):
            return msg.wire
        if msg is None:
            return _NULL_3 if self._is_3 else _NULL
        if isinstance(msg, bool):
            return self._boolean(msg)
        if isinstance(msg, int):
            return self._integer(msg)
        pieces: list[bytes] = []
        small: list[bytes] = []
        self._length = 0
        self._put(msg, pieces, small, 0)
        if not pieces:
            return small[0] if len(small) == 1 else self._join(small, False)
        pieces.append(self._join(small, True))
        return pieces

    def _join(self, small: list[bytes], counts: bool) -> bytes:
        if counts or len(small) > _MANY:
            size: i64 = self._length
            for piece in small:
                size += len(piece)
            self._length = size
            if size > self._max_length:
                raise EncodeError(f"a reply has more than {self._max_length} bytes, which is max_length")
        return b"".join(small)

    def _put(self, msg: Any, pieces: list[bytes], small: list[bytes], depth: i64) -> None:
        """Append a message to what is small; large values, and what was small before them, go to the pieces."""
        if isinstance(msg, bytes):
            self._put_bytes(msg, pieces, small)
        elif isinstance(msg, SimpleString):
            small.append(msg.wire)
        elif msg is None:
            small.append(_NULL_3 if self._is_3 else _NULL)
        elif isinstance(msg, bool):
            small.append(self._boolean(msg))
        elif isinstance(msg, int):
            small.append(self._integer(msg))
        elif isinstance(msg, str):
            self._put_bytes(utf8_of(msg), pieces, small)
        elif isinstance(msg, (list, tuple)):
            self._put_sequence(msg, pieces, small, depth + 1)
        elif isinstance(msg, dict):
            self._put_dict(msg, b"%", pieces, small, depth + 1)
        elif isinstance(msg, float):
            small.append(self._float(msg))
        elif isinstance(msg, (set, frozenset)):
            self._put_items(msg, self._head(b"~", len(msg)), pieces, small, depth + 1)
        elif isinstance(msg, RedisError):
            if self._is_3 and not msg.is_one_line:
                text = msg.line
                small.append(b"!%d\r\n" % len(text))
                self._put_data(text, pieces, small)
            else:
                small.append(msg.wire)
        elif isinstance(msg, Null):
            small.append(_NULL_3 if self._is_3 else msg.wire)
        elif isinstance(msg, Verbatim):
            if self._is_3:
                small.append(b"=%d\r\n%b:" % (len(msg.data) + 4, msg.format))
                self._put_data(msg.data, pieces, small)
            else:
                self._put_bytes(msg.data, pieces, small)
        elif isinstance(msg, Attributed):
            self._put_attributed(msg, pieces, small, depth)
        else:
            raise EncodeError(f"RESP has no form for {type(msg).__name__}")

    def _put_sequence(self, msg: Any, pieces: list[bytes], small: list[bytes], depth: i64) -> None:
        if type(msg) is not list:
            if isinstance(msg, MapReply):
                self._put_map_reply(msg, b"%", pieces, small, depth)
                return
            if isinstance(msg, Push):
                if depth > 1 or not msg:
                    raise EncodeError(f"a push stands inside nothing, and says at least of which kind it is: {msg!r}")
                self._put_items(msg, self._head(b">", len(msg)), pieces, small, depth)
                return
            if isinstance(msg, SetReply):
                self._put_items(msg, self._head(b"~", len(msg)), pieces, small, depth)
                return
        if depth > self._max_depth or len(small) > _MANY:
            self._look_at_limits(pieces, small, depth)
        count: i64 = len(msg)
        small.append(_ARRAY_HEADS[count] if count < _FEW else b"*%d\r\n" % count)
        for item in msg:
            if isinstance(item, bytes):  # as _put() does; here, because it is the most
                size: i64 = len(item)
                if size < _LARGE:
                    small.append(bulk_head(size))
                    small.append(item)
                    small.append(_CRLF)
                    continue
            self._put(item, pieces, small, depth)

    def _look_at_limits(self, pieces: list[bytes], small: list[bytes], depth: i64) -> None:
        """Before an aggregate: it may stand in another one a million times, and take memory only when it is written."""
        if depth > self._max_depth:
            raise EncodeError(f"aggregates are nested deeper than {self._max_depth}")
        pieces.append(self._join(small, True))
        small.clear()

    def _put_items(self, items: Any, head: bytes, pieces: list[bytes], small: list[bytes], depth: i64) -> None:
        if depth > self._max_depth or len(small) > _MANY:
            self._look_at_limits(pieces, small, depth)
        small.append(head)
        for item in items:
            self._put(item, pieces, small, depth)

    def _put_dict(self, msg: Any, kind: bytes, pieces: list[bytes], small: list[bytes], depth: i64) -> None:
        if depth > self._max_depth or len(small) > _MANY:
            self._look_at_limits(pieces, small, depth)
        small.append(self._pairs_head(kind, len(msg)))
        for key, value in msg.items():
            self._put(key, pieces, small, depth)
            self._put(value, pieces, small, depth)

    def _put_map_reply(self, msg: Any, kind: bytes, pieces: list[bytes], small: list[bytes], depth: i64) -> None:
        if depth > self._max_depth or len(small) > _MANY:
            self._look_at_limits(pieces, small, depth)
        small.append(self._pairs_head(kind, len(msg)))
        for pair in msg:
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise EncodeError(f"a map is made of pairs, not of {pair!r}")
            self._put(pair[0], pieces, small, depth)
            self._put(pair[1], pieces, small, depth)

    def _put_attributed(self, msg: Attributed, pieces: list[bytes], small: list[bytes], depth: i64) -> None:
        value: Any = msg
        while isinstance(value, Attributed):
            if self._is_3:
                attributes = value.attributes
                if isinstance(attributes, MapReply):
                    self._put_map_reply(attributes, b"|", pieces, small, depth + 1)
                elif isinstance(attributes, dict):
                    self._put_dict(attributes, b"|", pieces, small, depth + 1)
                else:
                    raise EncodeError(f"attributes are a dict or a MapReply, not {type(attributes).__name__}")
            value = value.value
        self._put(value, pieces, small, depth)

    def _head(self, kind: bytes, count: int) -> bytes:
        return b"%b%d\r\n" % (kind if self._is_3 else b"*", count)

    def _pairs_head(self, kind: bytes, count: int) -> bytes:
        return b"%b%d\r\n" % (kind, count) if self._is_3 else b"*%d\r\n" % (count * 2)

    def _boolean(self, truth: bool) -> bytes:
        if self._is_3:
            return b"#t\r\n" if truth else b"#f\r\n"
        return _INTEGERS[1 if truth else 0]

    def _integer(self, number: int) -> bytes:
        if 0 <= number < _TABLE:
            return _INTEGERS[number]
        if _MIN_INTEGER <= number <= _MAX_INTEGER:
            return b":%d\r\n" % number
        digits = digits_of(number)
        return b"(%b\r\n" % digits if self._is_3 else b"$%d\r\n%b\r\n" % (len(digits), digits)

    def _float(self, number: float) -> bytes:
        digits = b"%.17g" % number  # as the real server prints them
        return b",%b\r\n" % digits if self._is_3 else b"$%d\r\n%b\r\n" % (len(digits), digits)

    def _put_bytes(self, value: bytes, pieces: list[bytes], small: list[bytes]) -> None:
        small.append(bulk_head(len(value)))
        self._put_data(value, pieces, small)

    def _put_data(self, value: bytes, pieces: list[bytes], small: list[bytes]) -> None:
        if len(value) < _LARGE:
            small.append(value)
        else:
            pieces.append(self._join(small, True))
            pieces.append(value)
            small.clear()
        small.append(_CRLF)


def utf8_of(text: str) -> bytes:
    """Put a text into bytes.

    Raises:
        EncodeError: it holds half of a surrogate pair.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        error = EncodeError(f"a str goes as UTF-8, which cannot hold {text!r}")
        raise with_cause(error, exc) from exc


def digits_of(number: int) -> bytes:
    """Write a number of any size.

    Raises:
        EncodeError: it has more digits than Python writes (``sys.set_int_max_str_digits``).
    """
    try:
        return str(number).encode()  # a compiled b"%d" % … does not notice that there are too many digits, and crashes
    except ValueError as exc:
        error = EncodeError(f"a number of {number.bit_length()} bits has too many digits")
        raise with_cause(error, exc) from exc


def bulk_head(size: i64) -> bytes:
    """Write the line in front of a value."""
    return _BULK_HEADS[size] if size < _TABLE else b"$%d\r\n" % size
