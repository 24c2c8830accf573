r"""KeyPattern: which keys somebody means who writes ``user:*``, as KEYS of a Redis server understands it.

========  ===========================================================
``*``     any number of any bytes
``?``     any byte
``[abc]`` one of these; ``[a-c]`` and ``[^abc]`` as elsewhere
``\*``    the byte itself
========  ===========================================================

A pattern comes from the wire, so it must not be able to cost much: a comparison takes at most as many steps as the
pattern has parts, times the bytes of the name.  Regular expressions cannot promise that.

Source: https://redis.io/docs/latest/commands/keys/
"""

from __future__ import annotations

from typing import Final

_ANY: Final = frozenset(range(256))
_NONE: Final[frozenset[int]] = frozenset()
_ONE: Final = [frozenset((byte,)) for byte in range(256)]  # shared: a pattern takes no more than a place for each byte
_BACKSLASH: Final = ord("\\")


class KeyPattern:
    r"""A pattern, read once and compared often.  Odd ones mean what the real server makes of them.

    Only ranges beyond ASCII are different: there bytes are signed, and ``[a-\xff]`` runs backwards.
    """

    def __init__(self, pattern: bytes) -> None:
        self.pattern: Final[bytes] = pattern
        self._parts: list[frozenset[int] | None] = []  # which bytes may stand there; None for any number of any
        at = 0
        while at < len(pattern):
            at = self._read_part(at)

    def __repr__(self) -> str:
        return f"KeyPattern({self.pattern!r})"

    def _read_part(self, at: int) -> int:
        """Read the part that begins at ``at``; where the next one does."""
        pattern, parts = self.pattern, self._parts
        byte = pattern[at]
        at += 1
        if byte == ord("*"):
            if not parts or parts[-1] is not None:
                parts.append(None)
        elif byte == ord("?"):
            parts.append(_ANY)
        elif byte == ord("["):
            return self._read_class(at)
        else:
            if byte == _BACKSLASH and at < len(pattern):
                byte = pattern[at]
                at += 1
            parts.append(_ONE[byte])
        return at

    def _read_class(self, at: int) -> int:
        """Read what follows ``[``; without a ``]`` it goes on to the end."""
        pattern = self.pattern
        negated = pattern[at : at + 1] == b"^"
        at += negated
        accepted: set[int] = set()
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
            accepted.update(range(min(first, last), max(first, last) + 1))
        self._parts.append(_ANY - accepted if negated else frozenset(accepted))
        return at

    def matches(self, name: bytes) -> bool:
        """Whether the pattern means ``name``, from its first byte to its last."""
        parts = self._parts
        here = at = 0
        star, mark = -1, 0  # only the last * is ever tried again, with one byte more
        while at < len(name):
            part = parts[here] if here < len(parts) else _NONE
            if part is None:
                star, mark = here, at
                here += 1
                if here == len(parts):
                    return True
            elif name[at] in part:
                here += 1
                at += 1
            elif star >= 0:
                here = star + 1
                mark += 1
                at = mark
            else:
                return False
        return all(part is None for part in parts[here:])
