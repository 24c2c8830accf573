"""Bodies in every coding."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

_brotli: Any = import_module("brotli")  # it has no types
_zstd: Any = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


def _raw_deflate(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


_ENCODE: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "deflate": zlib.compress,
    "raw deflate": _raw_deflate,
    "br": _brotli.compress,
    "zstd": _zstd.compress,
}


@pytest.fixture
def encoded() -> Callable[..., bytes]:
    """``encoded("gzip", b"…")`` as another program makes it."""

    def encode(coding: str, data: bytes) -> bytes:
        return _ENCODE[coding](data)

    return encode
