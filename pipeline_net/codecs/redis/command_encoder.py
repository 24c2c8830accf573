"""RedisCommandEncoder: what a client asks of a Redis server.

Arguments travel with their lengths in front, so they may hold any byte: nothing that a user typed can end a command, or
begin another.
"""

from __future__ import annotations

from typing import Any, Final

from ..._mypyc import i64
from ...errors import EncodeError
from ..base import MessageToByteEncoder
from .encoder import bulk_head, digits_of, utf8_of
from .messages import Request
from .rules import checked

_CRLF: Final = b"\r\n"
_FEW: Final = 64
_HEADS: Final = [b"*%d\r\n" % count for count in range(_FEW)]
_LARGE: Final = 32 * 1024  # bytes; an argument of this size is handed on by itself, without copying


class RedisCommandEncoder(MessageToByteEncoder[Request]):
    r"""Request → bytes: a list or tuple of ``bytes``, ``str``, ``int`` and ``float``, as an array of bulk strings::

        +------------------------+     +-------------------------------------+
        | ["EXPIRE", b"key", 10] | --> | *3\r\n $6\r\nEXPIRE\r\n             |
        |                        |     |        $3\r\nkey\r\n $2\r\n10\r\n   |
        +------------------------+     +-------------------------------------+

    A ``str`` goes as UTF-8, a ``float`` with as many digits as it takes to read the same one back.

    Args:
        max_elements: arguments of one command, its name included; a server that has a limit closes above it.

    Raises:
        EncodeError: no list or tuple, an empty one, one above the limit, or an argument of another type.  ``bool`` and
            ``None`` are among those: what they mean differs from command to command.
    """

    def __init__(self, *, max_elements: int = 1024 * 1024) -> None:
        self._max_elements: i64 = checked("max_elements", max_elements)

    def encode(self, msg: Any) -> bytes | list[bytes]:
        if not isinstance(msg, (list, tuple)):
            raise EncodeError(f"a command is a list or a tuple of its words, not {type(msg).__name__}")
        count: i64 = len(msg)
        if count == 0:
            raise EncodeError("a command has at least a name, and this one has not")
        if count > self._max_elements:
            raise EncodeError(f"a command of {count} words is over the limit of {self._max_elements}")
        pieces: list[bytes] = []
        small: list[bytes] = [_HEADS[count] if count < _FEW else b"*%d\r\n" % count]
        for item in msg:
            word = item if isinstance(item, bytes) else _word(item)
            size: i64 = len(word)
            small.append(bulk_head(size))
            if size < _LARGE:
                small.append(word)
            else:
                pieces.append(b"".join(small))
                pieces.append(word)
                small.clear()
            small.append(_CRLF)
        if not pieces:
            return b"".join(small)
        pieces.append(b"".join(small))
        return pieces


def _word(item: Any) -> bytes:
    if isinstance(item, str):
        return utf8_of(item)
    if isinstance(item, int) and not isinstance(item, bool):
        return digits_of(item)
    if isinstance(item, float):
        return repr(item).encode()
    raise EncodeError(f"an argument is bytes, str, int or float, and {item!r} is not")
