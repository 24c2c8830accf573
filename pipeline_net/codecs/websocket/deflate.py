"""Inflater and Deflater: permessage-deflate, a message at a time.

A compressed message is a DEFLATE stream that was flushed to a byte boundary, without the four bytes that such a flush
always ends with.

zlib does not deflate with a window of 8 bits (it does not write its own raw format with that).  With 9 bits it refers
back by 512 - 262 = 250 bytes at most, which a window of 8 bits holds; so that is what it is asked for.

Source: RFC 7692, section 7.2
"""

from __future__ import annotations

import zlib
from typing import Any, Final

from ..._mypyc import i64, with_cause
from .deflate_parameters import DeflateParameters
from .errors import WebSocketDecodeError

_TAIL: Final = b"\x00\x00\xff\xff"
_MAX_ENDS: Final = 16  # streams that may end inside one message: each new one costs more than the bytes that ask for it
_RATIO_FROM: Final = 65536  # bytes; less is never too much
_ANY_RATIO: Final = 2048  # more than DEFLATE can do, which is 1032; and no product of it overflows


class Inflater:
    """Compressed pieces of messages → their bytes, never more than asked for.

    Raises:
        WebSocketDecodeError: 1007 for what is no DEFLATE, 1009 for what grows too much.
    """

    def __init__(self, window_bits: int, no_context_takeover: bool, max_ratio: int) -> None:
        self._window_bits = window_bits
        self._forgets = no_context_takeover
        self._max_ratio: i64 = max_ratio
        self._stream: Any = None
        self._ends: i64 = 0
        self._taken: i64 = 0  # bytes of this message, compressed and not
        self._given: i64 = 0

    def inflate(self, data: bytes, ends: bool, limit: i64) -> bytes:
        """Inflate a piece of a message, its last if it ``ends``; at most ``limit`` bytes come, which must be above 0.

        When so many come, there may have been more: it was the last call for this message.
        """
        self._taken += len(data)
        if ends:
            data += _TAIL
        try:
            inflated = self._run(data, limit)
        except zlib.error as exc:
            error = WebSocketDecodeError(1007, f"a compressed message is no DEFLATE: {exc}")
            raise with_cause(error, exc) from exc
        self._given += len(inflated)
        if self._given > _RATIO_FROM and self._given > self._taken * self._max_ratio:
            raise WebSocketDecodeError(1009, f"a message grows to more than {self._max_ratio} times its bytes")
        if ends:
            self._ends = self._taken = self._given = 0
            if self._forgets:
                self._stream = None
        return inflated

    def _run(self, data: bytes, limit: i64) -> bytes:
        stream = self._stream
        if stream is None:
            stream = self._stream = zlib.decompressobj(-self._window_bits)
        inflated: bytes = stream.decompress(data, limit)
        while stream.eof and len(inflated) < limit:
            # RFC 7692 7.2.3.4 lets a message hold blocks with BFINAL set: zlib takes them for the end of all
            data = stream.unused_data
            self._ends += 1
            if self._ends > _MAX_ENDS:
                raise WebSocketDecodeError(1008, f"a message consists of more than {_MAX_ENDS} DEFLATE streams")
            stream = self._stream = zlib.decompressobj(-self._window_bits)
            inflated += stream.decompress(data, limit - len(inflated))
        return inflated


class Deflater:
    """The bytes of messages → compressed."""

    def __init__(self, window_bits: int, no_context_takeover: bool, level: int, mem_level: int) -> None:
        self._window_bits = max(window_bits, 9)
        self._forgets = no_context_takeover
        self._level = level
        self._mem_level = mem_level
        self._stream: Any = None

    def deflate(self, data: bytes, ends: bool) -> bytes:
        """Compress a part of a message, its last one if it ``ends``."""
        stream = self._stream
        if stream is None:
            stream = self._stream = zlib.compressobj(self._level, zlib.DEFLATED, -self._window_bits, self._mem_level)
        deflated: bytes = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)
        if ends:
            if self._forgets:
                self._stream = None
            deflated = deflated.removesuffix(_TAIL)
        return deflated


def inflater_for(role: str, deflate: DeflateParameters, max_ratio: int | None) -> Inflater:
    """Make the one for what the peer of a ``role`` sends."""
    most = _ANY_RATIO if max_ratio is None else min(max_ratio, _ANY_RATIO)
    if role == "server":
        return Inflater(deflate.client_max_window_bits, deflate.client_no_context_takeover, most)
    return Inflater(deflate.server_max_window_bits, deflate.server_no_context_takeover, most)


def deflater_for(role: str, deflate: DeflateParameters) -> Deflater:
    """Make the one for what a ``role`` sends."""
    if role == "server":
        bits, forgets = deflate.server_max_window_bits, deflate.server_no_context_takeover
    else:
        bits, forgets = deflate.client_max_window_bits, deflate.client_no_context_takeover
    return Deflater(bits, forgets, deflate.level, deflate.mem_level)
