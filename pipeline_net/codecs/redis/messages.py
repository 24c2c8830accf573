"""What a Redis client and server say to each other, in the second version of their protocol (RESP2).

==================  =====================  ==================================================
in Python           in RESP2               on the wire
==================  =====================  ==================================================
``bytes``, ``str``  bulk string            ``$5\\r\\nhello\\r\\n`` (a ``str`` goes as UTF-8)
``None``            null bulk string       ``$-1\\r\\n``
``int``             integer, 64 bits       ``:7\\r\\n`` (``True`` and ``False`` are 1 and 0)
``list``, tuple     array                  ``*2\\r\\n`` and then its elements
``SimpleString``    simple string          ``+OK\\r\\n``
``RedisError``      error                  ``-ERR syntax error\\r\\n``
==================  =====================  ==================================================

Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from ...errors import EncodeError

Command: TypeAlias = list[bytes]
"""A command as it came: its name, then its arguments.  Never empty."""

# Nested, so it refers to itself; a string, because a union cannot do that when the module runs.
Reply: TypeAlias = "bytes | str | int | SimpleString | RedisError | Sequence[Reply] | None"
"""Anything that a server may answer.  A sequence must be a list or a tuple."""


class SimpleString:
    """A short line of text without quotes, such as ``OK``.

    ``wire`` is what travels; it is made once, so that a reply kept in a constant costs nothing to encode.

    Raises:
        EncodeError: the text holds a line break, which would end the reply early and make the rest look like another.
    """

    def __init__(self, text: str | bytes) -> None:
        self.text: Final[bytes] = _one_line(text)
        self.wire: Final[bytes] = b"+" + self.text + b"\r\n"

    def __repr__(self) -> str:
        return f"SimpleString({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SimpleString) and other.wire == self.wire

    def __hash__(self) -> int:
        return hash(self.wire)


class RedisError:
    """An error reply: a code in capitals, which programs look at, and a sentence for people.

    ``wire`` is what travels, as in ``SimpleString``.

    Raises:
        EncodeError: the code is not one word, or something holds a line break.
    """

    def __init__(self, code: str, text: str | bytes) -> None:
        if not code or " " in code:
            raise EncodeError(f"the code of an error is one word, not {code!r}")
        self.code: Final[str] = code
        self.text: Final[bytes] = _one_line(text)
        self.wire: Final[bytes] = b"-" + _one_line(code) + b" " + self.text + b"\r\n"

    def __repr__(self) -> str:
        return f"RedisError({self.code!r}, {self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RedisError) and other.wire == self.wire

    def __hash__(self) -> int:
        return hash(self.wire)


def _one_line(text: str | bytes) -> bytes:
    line = text.encode() if isinstance(text, str) else text
    if b"\r" in line or b"\n" in line:
        raise EncodeError(f"a simple string or an error is one line, and this is more: {line!r}")
    return line


OK: Final = SimpleString("OK")
PONG: Final = SimpleString("PONG")
