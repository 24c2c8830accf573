r"""What a Redis client and server say to each other, in both versions of their protocol (RESP2 and RESP3).

======================  ===============================  ==========================  ====================
in Python               on the wire                      in RESP3                    in RESP2, if another
======================  ===============================  ==========================  ====================
``bytes``, ``str``      ``$5\r\nhello\r\n``              bulk string
``None``, ``NULL``      ``_\r\n``                        null                        ``$-1\r\n``
``NULL_ARRAY``          ``_\r\n``                        null                        ``*-1\r\n``
``int``                 ``:7\r\n``                       integer, 64 bits
``int``, larger         ``(18446744073709551616\r\n``    big number                  bulk string
``bool``                ``#t\r\n``                       boolean                     ``:1\r\n``
``float``               ``,1.5\r\n``                     double                      bulk string
``list``, ``tuple``     ``*2\r\n``, its elements         array
``set``, ``SetReply``   ``~2\r\n``, its members          set                         array
``dict``, ``MapReply``  ``%1\r\n``, a key, its value     map                         array, twice as long
``SimpleString``        ``+OK\r\n``                      simple string
``RedisError``          ``-ERR syntax error\r\n``        error, or bulk error ``!``  error
``Verbatim``            ``=7\r\ntxt:abc\r\n``            verbatim string             bulk string
``Push``                ``>2\r\n``, its elements         push                        array
``Attributed``          ``|1\r\n``, a key, its value, …  attribute, then the value   the value alone
======================  ===============================  ==========================  ====================

A ``str`` goes as UTF-8; what comes is ``bytes``.  A null inside something else comes as ``None``.  By itself it comes
as ``NULL``, because a message is never ``None``: that means "not yet" to a pipeline.

Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from ..._mypyc import mypyc_attr
from ...errors import EncodeError

# Numbers, because ``b"\r" in line`` first tries whether that is one, and fails with an exception: 100 ns.
_CR: Final = 13
_LF: Final = 10

Command: TypeAlias = list[bytes]
"""A command as it came: its name, then its arguments.  Never empty."""

Request: TypeAlias = "Sequence[bytes | str | int | float]"
"""A command to send: its name, then its arguments, in a list or a tuple.  Never empty."""

# Nested, so it refers to itself; a string, because a union cannot do that when the module runs.
Reply: TypeAlias = (
    "bytes | str | int | float | SimpleString | RedisError | Verbatim | Null | Attributed | Sequence[Reply]"
    " | set[Any] | frozenset[Any] | dict[Any, Any] | None"
)
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

    It is a message, not an exception: a server may answer it inside an array, and a client decides what it is to it.
    In RESP3 a text of several lines travels as a bulk error; in RESP2 its line breaks become blanks.

    Raises:
        EncodeError: the code is not one word, or holds a line break.
    """

    def __init__(self, code: str, text: str | bytes) -> None:
        if not code or " " in code or "\r" in code or "\n" in code:
            raise EncodeError(f"the code of an error is one word, not {code!r}")
        self.code: Final[str] = code
        self.text: Final[bytes] = _encoded(text)
        self._wire: bytes | None = None

    @property
    def wire(self) -> bytes:
        """What travels when it is one line; made once, so that an error kept in a constant costs nothing to encode."""
        wire = self._wire
        if wire is None:
            line = self.line.replace(b"\r", b" ").replace(b"\n", b" ")
            wire = self._wire = b"-" + line + b"\r\n"
        return wire

    @property
    def line(self) -> bytes:
        """The code and the text; several lines, if the text is."""
        return self.code.encode() + (b" " + self.text if self.text else b"")

    @property
    def is_one_line(self) -> bool:
        return _CR not in self.text and _LF not in self.text

    def __repr__(self) -> str:
        return f"RedisError({self.code!r}, {self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RedisError) and other.code == self.code and other.text == self.text

    def __hash__(self) -> int:
        return hash((self.code, self.text))


class Verbatim:
    """Text for people, and of what kind it is: ``txt``, or ``mkd`` for Markdown.

    Raises:
        EncodeError: the format is not three bytes, or holds a colon, which would end it.
    """

    def __init__(self, format: bytes | str, data: bytes | str) -> None:
        self.format: Final[bytes] = _encoded(format)
        self.data: Final[bytes] = _encoded(data)
        if len(self.format) != 3 or b":" in self.format:
            raise EncodeError(f"the format of a verbatim string is three bytes, such as txt, not {format!r}")

    def __repr__(self) -> str:
        return f"Verbatim({self.format!r}, {self.data!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verbatim) and other.format == self.format and other.data == self.data

    def __hash__(self) -> int:
        return hash((self.format, self.data))


class Null:
    """Nothing, where it must be something; ``NULL`` and ``NULL_ARRAY`` are the only ones, and are false."""

    def __init__(self, name: str, wire: bytes) -> None:
        self.name: Final[str] = name
        self.wire: Final[bytes] = wire

    def __repr__(self) -> str:
        return self.name

    def __bool__(self) -> bool:
        return False


@mypyc_attr(native_class=False)
class Push(list[Any]):
    """What a server says without having been asked: its kind, such as ``b"message"``, and what belongs to it."""

    def __repr__(self) -> str:
        return f"Push({list.__repr__(self)})"


@mypyc_attr(native_class=False)
class SetReply(list[Any]):
    """A set that ``set`` cannot hold: a member is a list, or two are the same to Python, as ``1`` and ``True`` are."""

    def __repr__(self) -> str:
        return f"SetReply({list.__repr__(self)})"


@mypyc_attr(native_class=False)
class MapReply(list[Any]):
    """A map that ``dict`` cannot hold, as a list of pairs: a key is a list, or two are the same to Python."""

    def __repr__(self) -> str:
        return f"MapReply({list.__repr__(self)})"


class Attributed:
    """A value, and what was said about it in front of it: a ``dict``, or ``MapReply``."""

    def __init__(self, attributes: dict[Any, Any] | MapReply, value: Any) -> None:
        self.attributes: Final[Any] = attributes
        self.value: Final[Any] = value

    def __repr__(self) -> str:
        return f"Attributed({self.attributes!r}, {self.value!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Attributed) and bool(other.attributes == self.attributes and other.value == self.value)

    __hash__ = None  # type: ignore[assignment]  # it holds a dict


def _encoded(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _one_line(text: str | bytes) -> bytes:
    line = _encoded(text)
    if _CR in line or _LF in line:
        raise EncodeError(f"a simple string or an error is one line, and this is more: {line!r}")
    return line


OK: Final = SimpleString("OK")
PONG: Final = SimpleString("PONG")
QUEUED: Final = SimpleString("QUEUED")
NULL: Final = Null("NULL", b"$-1\r\n")
NULL_ARRAY: Final = Null("NULL_ARRAY", b"*-1\r\n")
