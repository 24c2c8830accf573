"""Encoders of content codings: gzip, deflate, br and zstd, piece by piece, with what was given so far on request.

Source: RFC 9110, section 8.4.1
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from .decoders import load_brotli, load_zstd


class ContentEncoder(ABC):
    """Bytes → encoded bytes."""

    @abstractmethod
    def encode(self, data: bytes | memoryview) -> bytes:
        """Take ``data``, and return what has become ready, which is often nothing."""

    @abstractmethod
    def flush(self) -> bytes:
        """Return what is missing for a decoder to see all that was taken."""

    @abstractmethod
    def finish(self) -> bytes:
        """Return the rest, with the end mark."""


class ZlibEncoder(ContentEncoder):
    """gzip, or deflate in the zlib format."""

    def __init__(self, level: int, wbits: int) -> None:
        self._deflate = zlib.compressobj(level, zlib.DEFLATED, wbits)

    def encode(self, data: bytes | memoryview) -> bytes:
        return self._deflate.compress(data)

    def flush(self) -> bytes:
        return self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._deflate.flush()


class BrotliEncoder(ContentEncoder):
    """br, by the package ``brotli``."""

    def __init__(self, level: int) -> None:
        self._compressor: Any = load_brotli().Compressor(quality=level)

    def encode(self, data: bytes | memoryview) -> bytes:
        output: bytes = self._compressor.process(bytes(data))
        return output

    def flush(self) -> bytes:
        output: bytes = self._compressor.flush()
        return output

    def finish(self) -> bytes:
        output: bytes = self._compressor.finish()
        return output


class ZstdEncoder(ContentEncoder):
    """zstd, by the standard library or ``backports.zstd``."""

    def __init__(self, level: int) -> None:
        self._compressor: Any = load_zstd().ZstdCompressor(level=level)

    def encode(self, data: bytes | memoryview) -> bytes:
        output: bytes = self._compressor.compress(data)
        return output

    def flush(self) -> bytes:
        output: bytes = self._compressor.flush(self._compressor.FLUSH_BLOCK)
        return output

    def finish(self) -> bytes:
        output: bytes = self._compressor.flush()
        return output


ENCODERS: Final[dict[str, Callable[[int], ContentEncoder]]] = {
    "gzip": lambda level: ZlibEncoder(level, 16 + zlib.MAX_WBITS),
    "deflate": lambda level: ZlibEncoder(level, zlib.MAX_WBITS),
    "br": BrotliEncoder,
    "zstd": ZstdEncoder,
}

# The levels that each has, and the one that costs about as much time as 6 does with gzip.  Above 19, zstd takes more
# memory for a connection than a server has to give; br takes seconds for a MiB at 11.
LEVELS: Final[dict[str, range]] = {
    "gzip": range(1, 10),
    "deflate": range(1, 10),
    "br": range(12),
    "zstd": range(1, 20),
}
DEFAULT_LEVELS: Final[dict[str, int]] = {"gzip": 6, "deflate": 6, "br": 4, "zstd": 3}
