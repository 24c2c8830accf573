"""Masking: XOR with a key of four bytes that repeats, which a client does to every payload it sends.

Python has no XOR of bytes, and a loop over them costs 50 ns each.  Two detours run in C:

* as one big number: reading, XOR and writing take time in proportion to the length, 1.5 ns a byte;
* each fourth byte goes through a table of 256: 0.9 ns a byte, behind a start of 0.9 µs.

``benchmarks/micro/masking.py`` has both beside what others do.

Source: RFC 6455, section 5.3
"""

from __future__ import annotations

import os
from typing import Final

from ..._mypyc import i64

_STRIDED_FROM: Final = 4096  # bytes; from here on tables are quicker than numbers
_TABLES: Final = [bytes(byte ^ key for byte in range(256)) for key in range(256)]
_POOL: Final = 256  # bytes of randomness that are asked for at once: keys for 64 frames


def apply_mask(data: bytes, key: bytes) -> bytes:
    """XOR ``data`` with the four bytes of ``key``, again and again; doing it twice gives ``data`` back."""
    size: i64 = len(data)
    if size < _STRIDED_FROM:
        words: i64 = (size + 3) >> 2
        number = int.from_bytes(data, "little") ^ int.from_bytes(key * words, "little")
        return number.to_bytes(words << 2, "little")[:size]
    masked = bytearray(data)
    for index in range(4):
        masked[index::4] = data[index::4].translate(_TABLES[key[index]])
    return bytes(masked)


class MaskKeys:
    """Fresh keys, of which nobody can guess the next one; the kernel is asked for many at once.

    RFC 6455 5.3: "The masking key needs to be unpredictable; thus, the masking key MUST be derived from a strong source
    of entropy".
    """

    def __init__(self) -> None:
        self._pool = b""
        self._at: i64 = 0

    def next(self) -> bytes:
        if self._at == len(self._pool):
            self._pool = os.urandom(_POOL)
            self._at = 0
        at: i64 = self._at
        self._at = at + 4
        return self._pool[at : at + 4]
