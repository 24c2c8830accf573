"""mask() and unmask(): XOR eight bytes at a time; only where it is compiled, and where librt is installed.

librt, of mypy's makers, lets compiled code read and write machine words in bytes.  Compiled code that uses it cannot
even be imported without it, so this module is a library of its own, and ``masking`` does without if it must.

Source: RFC 6455, section 5.3
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter, read_i32_le, read_i64_le, write_i64_le

from ..._mypyc import i64

# Memory that has grown once stays; callers mask at most 64 KiB at once.  Nothing here lets another thread in, so that
# nobody else finds it half filled.
_MASKED: Final = BytesWriter()


def mask(data: bytes, key: bytes) -> bytes:
    """XOR ``data`` with the four bytes of ``key``, again and again."""
    return _xor(data, 0, len(data), i64(read_i32_le(key, 0)))


def unmask(data: bytes, at: i64, size: i64) -> bytes:
    """XOR the ``size`` bytes behind their key, which lies at ``at`` in ``data``: nothing is cut out before."""
    start: i64 = at + 4
    return _xor(data, start, start + size, i64(read_i32_le(data, at)))


def _xor(data: bytes, start: i64, end: i64, key: i64) -> bytes:
    word: i64 = key << 32 | key & 0xFFFFFFFF
    masked = _MASKED
    masked.truncate(0)
    at: i64 = start
    last: i64 = end - 8
    while at <= last - 24:  # four at a time, read before the first is written: each write may change what was looked up
        first = read_i64_le(data, at) ^ word
        second = read_i64_le(data, at + 8) ^ word
        third = read_i64_le(data, at + 16) ^ word
        fourth = read_i64_le(data, at + 24) ^ word
        write_i64_le(masked, first)
        write_i64_le(masked, second)
        write_i64_le(masked, third)
        write_i64_le(masked, fourth)
        at += 32
    while at <= last:
        write_i64_le(masked, read_i64_le(data, at) ^ word)
        at += 8
    if end < 8:
        while at < end:
            byte: i64 = data[at]
            masked.append(byte ^ word >> (at - start) * 8 & 0xFF)
            at += 1
    elif at < end:  # the last word that there is, without what of it has been masked already
        write_i64_le(masked, read_i64_le(data, last) >> (8 - (end - at)) * 8 ^ word)
        masked.truncate(end - start)
    return masked.getvalue()
