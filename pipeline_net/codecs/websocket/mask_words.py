"""mask(): XOR eight bytes at a time; only where it is compiled, and where librt is installed.

librt, of mypy's makers, lets compiled code read and write machine words in bytes.  Compiled code that uses it cannot
even be imported without it, so this module is a library of its own, and ``masking`` does without if it must.

Source: RFC 6455, section 5.3
"""

from __future__ import annotations

from librt.strings import BytesWriter, read_i64_le, write_i64_le

from ..._mypyc import i64


def mask(data: bytes, key: bytes) -> bytes:
    """XOR ``data`` with the four bytes of ``key``, again and again."""
    size: i64 = len(data)
    word = read_i64_le(key + key, 0)
    masked = BytesWriter()
    at: i64 = 0
    while at <= size - 8:
        write_i64_le(masked, read_i64_le(data, at) ^ word)
        at += 8
    while at < size:
        byte: i64 = data[at]
        key_byte: i64 = key[at & 3]
        masked.append(byte ^ key_byte)
        at += 1
    return masked.getvalue()
