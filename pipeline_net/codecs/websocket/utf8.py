"""Utf8Decoder: text that arrives in pieces which may end inside a character.

A byte that cannot go on is found when it comes, not when its character ends: CPython's decoder looks at an unfinished
sequence, too, and takes it only if some bytes could complete it.  One case it leaves for later, so that those who want
surrogates can have them: the first two bytes of half a surrogate pair.

Source: RFC 3629; RFC 6455, section 8.1
"""

from __future__ import annotations

from codecs import utf_8_decode
from typing import Final

_SURROGATE: Final = 0xED  # U+D800 to U+DFFF begin with this byte, and go on with one from this on
_SURROGATE_FROM: Final = 0xA0


class Utf8Decoder:
    """bytes → str; keeps at most the three first bytes of a character for the next call."""

    def __init__(self) -> None:
        self._begun = b""

    def decode(self, data: bytes, final: bool) -> str:
        """Decode ``data``, which continues what came before; ``final`` for the last piece, behind which it is new.

        Raises:
            UnicodeDecodeError: this is no UTF-8; at the end, also a character that is not complete.
        """
        if self._begun:
            data = self._begun + data
            self._begun = b""
        text, used = utf_8_decode(data, "strict", final)
        if used < len(data):
            begun = self._begun = data[used:]
            if len(begun) == 2 and begun[0] == _SURROGATE and begun[1] >= _SURROGATE_FROM:
                utf_8_decode(begun, "strict", True)  # which raises
        return text
