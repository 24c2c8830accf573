"""RedisReplyEncoder: what a Redis server answers."""

from __future__ import annotations

from typing import Any, Final

from ..._mypyc import i64
from ...errors import EncodeError
from ..base import MessageToByteEncoder
from .messages import RedisError, Reply, SimpleString

_CRLF: Final = b"\r\n"
_NULL: Final = b"$-1\r\n"

# Most replies are short values and small counts; looking up beats formatting (benchmarks/micro/redis_codec.py).
_TABLE: Final = 1024
_BULK_HEADS: Final = [b"$%d\r\n" % length for length in range(_TABLE)]
_INTEGERS: Final = [b":%d\r\n" % number for number in range(_TABLE)]

_LARGE: Final = (
    32 * 1024
)  # bytes; a value of this size is handed on by itself, because copying it costs more than one more piece
_MIN_INTEGER: Final = -(2**63)
_MAX_INTEGER: Final = 2**63 - 1


class RedisReplyEncoder(MessageToByteEncoder[Reply]):
    r"""Reply → bytes, in RESP2; the table in ``messages`` says which Python type becomes what::

        +-----------------------+     +--------------------------------+
        | OK                    | --> | +OK\r\n                        |
        | [b"value", None, 7]   | --> | *3\r\n $5\r\nvalue\r\n         |
        |                       |     |        $-1\r\n :7\r\n          |
        +-----------------------+     +--------------------------------+

    Args:
        protocol: 2 or 3; settable, for HELLO: it holds for replies that follow.
        max_depth: how deep arrays may be nested; a list that holds itself is found out that way.

    Raises:
        EncodeError: a type that RESP2 cannot carry, an integer of more than 64 bits, arrays nested too deep.
    """

    def __init__(self, *, protocol: int = 2, max_depth: int = 32) -> None:
        self.protocol = protocol
        if max_depth < 1:
            raise ValueError(f"max_depth must be at least 1, but is {max_depth!r}")
        self._max_depth: i64 = max_depth

    def encode(self, msg: Any) -> bytes | list[bytes]:
        if isinstance(msg, bytes):
            size: i64 = len(msg)
            if size < _LARGE:
                return _bulk_head(size) + msg + _CRLF
            return [_bulk_head(size), msg, _CRLF]
        if isinstance(msg, (list, tuple)):
            return self._array(msg)
        return _scalar(msg)

    def _array(self, msg: Any) -> bytes | list[bytes]:
        """Join what is small; pass large values on as they are."""
        pieces: list[bytes] = []
        small: list[bytes] = []
        self._put(msg, pieces, small, 1)
        tail = b"".join(small)
        if not pieces:
            return tail
        pieces.append(tail)
        return pieces

    def _put(self, items: Any, pieces: list[bytes], small: list[bytes], depth: i64) -> None:
        if depth > self._max_depth:
            raise EncodeError(f"arrays are nested deeper than {self._max_depth}")
        small.append(b"*%d\r\n" % len(items))
        for item in items:
            if isinstance(item, bytes):
                size: i64 = len(item)
                small.append(_bulk_head(size))
                if size < _LARGE:
                    small.append(item)
                else:
                    pieces.append(b"".join(small))
                    pieces.append(item)
                    small.clear()
                small.append(_CRLF)
            elif isinstance(item, (list, tuple)):
                self._put(item, pieces, small, depth + 1)
            else:
                small.append(_scalar(item))


def _scalar(msg: Any) -> bytes:
    if isinstance(msg, SimpleString):
        return msg.wire
    if msg is None:
        return _NULL
    if isinstance(msg, int):
        if 0 <= msg < _TABLE:
            return _INTEGERS[msg]
        if not _MIN_INTEGER <= msg <= _MAX_INTEGER:
            raise EncodeError(f"an integer of RESP has 64 bits, too few for {msg}")
        return b":%d\r\n" % msg
    if isinstance(msg, RedisError):
        return msg.wire
    if isinstance(msg, str):
        try:
            text = msg.encode()
        except UnicodeEncodeError as exc:
            error = EncodeError(f"a str goes as UTF-8, which cannot hold {msg!r}")
            error.__cause__ = exc  # a compiled "raise … from" does not set it
            raise error from exc
        return _bulk_head(len(text)) + text + _CRLF
    raise EncodeError(f"RESP2 has no form for {type(msg).__name__}")


def _bulk_head(size: i64) -> bytes:
    return _BULK_HEADS[size] if size < _TABLE else b"$%d\r\n" % size
