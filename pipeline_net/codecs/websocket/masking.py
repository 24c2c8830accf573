"""Masking: XOR with a key of four bytes that repeats, which a client does to every payload it sends.

Python has no XOR of bytes, and a loop over them costs 15 ns each, compiled or not.  What 1 KiB costs, and 64 KiB:

==================================================================  =======  ======
eight bytes at a time, compiled, with librt (see ``mask_words``)     0.1 µs    6 µs
as one big number: reading, XOR and writing run in C                 1.8 µs   77 µs
each fourth byte through a table of 256, which runs in C, too        2.2 µs   59 µs
(for comparison, the C extension of ``websockets``)                  0.1 µs    1 µs
==================================================================  =======  ======

``benchmarks/micro/masking.py`` measures them.

Source: RFC 6455, section 5.3
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final, TypeAlias

from ..._mypyc import i64

_STRIDED_FROM: Final = 4096  # bytes; from here on tables are quicker than numbers
_AT_ONCE: Final = 65536  # bytes; longer ones are masked in parts, which stay in the processor's cache
_TABLES: Final = [bytes(byte ^ key for byte in range(256)) for key in range(256)]
_POOL: Final = 256  # bytes of randomness that are asked for at once: keys for 64 frames


Mask: TypeAlias = Callable[[bytes, bytes], bytes]
Unmask: TypeAlias = Callable[[bytes, int, int], bytes]


def compiled_ways() -> tuple[Mask, Unmask] | tuple[None, None]:
    """Find the quickest ways; ``None`` where they are not compiled, where librt is missing, or is another than then."""
    try:
        from . import mask_words
    except (ImportError, ValueError):  # the latter from librt, for a version that does not fit
        return None, None
    mask: Any = mask_words.mask
    unmask: Any = mask_words.unmask
    return (None, None) if isinstance(mask, FunctionType) else (mask, unmask)


_MASK: Final[Any] = compiled_ways()[0]
_UNMASK: Final[Any] = compiled_ways()[1]


def unmask(data: bytes, at: i64, size: i64) -> bytes:
    """XOR the ``size`` bytes behind their key, which lies at ``at`` in ``data``."""
    compiled = _UNMASK
    if compiled is None or size > _AT_ONCE:
        return apply_mask(data[at + 4 : at + 4 + size], data[at : at + 4])
    found: bytes = compiled(data, at, size)
    return found


def apply_mask(data: bytes, key: bytes) -> bytes:
    """XOR ``data`` with the four bytes of ``key``, again and again; doing it twice gives ``data`` back."""
    compiled = _MASK
    if compiled is None:
        return as_number(data, key) if len(data) < _STRIDED_FROM else through_tables(data, key)
    if len(data) <= _AT_ONCE:
        found: bytes = compiled(data, key)
        return found
    return b"".join([compiled(data[at : at + _AT_ONCE], key) for at in range(0, len(data), _AT_ONCE)])


def as_number(data: bytes, key: bytes) -> bytes:
    """Mask short data; time is in proportion to its length."""
    size: i64 = len(data)
    words: i64 = (size + 3) >> 2
    number = int.from_bytes(data, "little") ^ int.from_bytes(key * words, "little")
    return number.to_bytes(words << 2, "little")[:size]


def through_tables(data: bytes, key: bytes) -> bytes:
    """Mask long data: what each of the four bytes of the key makes of a byte is looked up."""
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
