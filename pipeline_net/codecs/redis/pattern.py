r"""KeyPattern: which keys somebody means who writes ``user:*``, as KEYS of a Redis server understands it.

========  ===========================================================
``*``     any number of any bytes
``?``     any byte
``[abc]`` one of these; ``[a-c]`` and ``[^abc]`` as elsewhere
``\*``    the byte itself
========  ===========================================================

Pattern and name both come from the wire, and may be long; so a comparison takes time in proportion to one *plus* the
other, and not to their product.  Text between stars is searched for by ``bytes.find``.  Where there are other signs,
all places of the pattern where the name may be are followed at once, each a bit of one number::

    h*l?o      bits    h  l  ?  o  end
    "h"                   x                  behind h; a star stands there, so the bit stays
    "hel"                 x  x
    "hell"                x  x  x
    "hello"               x        x  x      the end is reached

A number has to stay small for that, so between the first sign and the last no more than 256 bytes may be meant.
Regular expressions promise nothing of the kind.

Source: https://redis.io/docs/latest/commands/keys/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .command_registry import CommandError

_ONE: Final = [1 << byte for byte in range(256)]  # a set of bytes is a number with their bits
_ANY: Final = (1 << 256) - 1
_STAR: Final = -1
_BACKSLASH: Final = ord("\\")
_MOST: Final = 256  # bytes that are meant between the first sign and the last, if stars are not the only ones


class KeyPattern:
    r"""A pattern, read once and compared often.  Odd ones mean what the real server makes of them.

    Only ranges beyond ASCII are different: there bytes are signed, and ``[a-\xff]`` runs backwards.

    Raises:
        CommandError: more than 256 bytes are meant from the first of its signs to the last, and not all are stars.
    """

    def __init__(self, pattern: bytes) -> None:
        self.pattern: Final[bytes] = pattern
        parts = list(_parts_of(pattern))
        first, last = 0, len(parts)
        while first < last and _is_one(parts[first]):
            first += 1
        while last > first and _is_one(parts[last - 1]):
            last -= 1
        self._prefix = _text_of(parts[:first])
        self._suffix = _text_of(parts[last:])
        self._pieces: list[bytes] = []  # text between stars; or
        self._sets: list[int] = []  # which bytes may stand there, the last place first
        self._stars = 0  # in front of which places a star stands
        self._has_signs = first < last
        self._read_middle(parts[first:last])

    def __repr__(self) -> str:
        return f"KeyPattern({self.pattern!r})"

    def _read_middle(self, parts: list[int]) -> None:
        """Read what begins and ends with a sign."""
        if all(part == _STAR or _is_one(part) for part in parts):
            begin = 1
            for at in range(1, len(parts)):
                if parts[at] == _STAR:
                    self._pieces.append(_text_of(parts[begin:at]))
                    begin = at + 1
            return
        for part in parts:
            if part == _STAR:
                self._stars |= 1 << len(self._sets)
            elif len(self._sets) == _MOST:
                raise CommandError(f"pattern is too long: more than {_MOST} bytes between its first sign and its last")
            else:
                self._sets.append(part)
        self._sets.reverse()

    def matches(self, name: bytes) -> bool:
        """Whether the pattern means ``name``, from its first byte to its last."""
        prefix, suffix = self._prefix, self._suffix
        at = len(prefix)
        end = len(name) - len(suffix)
        if at > end or not name.startswith(prefix) or not name.endswith(suffix):
            return False
        if not self._has_signs:
            return at == end
        if self._sets:
            return self._follow(name, at, end)
        for piece in self._pieces:
            at = name.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    def _follow(self, name: bytes, at: int, end: int) -> bool:
        sets, stars = self._sets, self._stars
        goal = 1 << len(sets)
        open_end = goal & stars
        places: dict[int, int] = {}  # where each byte may stand
        state = 1
        for here in range(at, end):
            byte = name[here]
            accepting = places.get(byte)
            if accepting is None:
                bit = 1 << byte
                accepting = places[byte] = int("".join(["1" if accepted & bit else "0" for accepted in sets]), 2)
            state = (state & accepting) << 1 | state & stars
            if not state:
                return False
            if state & open_end:
                return True
        return state & goal != 0


def _parts_of(pattern: bytes) -> Iterator[int]:
    """Read the sets of bytes, and the stars."""
    at = 0
    was_star = False
    while at < len(pattern):
        byte = pattern[at]
        at += 1
        is_star = byte == ord("*")
        if is_star:
            if not was_star:
                yield _STAR
        elif byte == ord("?"):
            yield _ANY
        elif byte == ord("["):
            accepted, at = _read_class(pattern, at)
            yield accepted
        else:
            if byte == _BACKSLASH and at < len(pattern):
                byte = pattern[at]
                at += 1
            yield _ONE[byte]
        was_star = is_star


def _read_class(pattern: bytes, at: int) -> tuple[int, int]:
    """Read what follows ``[``, and say where it ends; without a ``]`` it goes on to the end."""
    negated = pattern[at : at + 1] == b"^"
    at += negated
    accepted = 0
    while at < len(pattern):
        first = last = pattern[at]
        at += 1
        if first == _BACKSLASH and at < len(pattern):
            first = last = pattern[at]
            at += 1
        elif first == ord("]"):
            break
        elif at + 1 < len(pattern) and pattern[at] == ord("-"):
            last = pattern[at + 1]
            at += 2
        low, high = min(first, last), max(first, last)
        accepted |= (1 << high + 1) - (1 << low)
    return _ANY ^ accepted if negated else accepted, at


def _is_one(part: int) -> bool:
    return part > 0 and part & (part - 1) == 0


def _text_of(parts: list[int]) -> bytes:
    return bytes([part.bit_length() - 1 for part in parts])
