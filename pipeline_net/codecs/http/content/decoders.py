"""Decoders of content codings: gzip, deflate, br and zstd, a slice of output at a time.

All decoders of libraries have the same trap: by default they return everything that the input makes, and 64 KiB of it
may make 64 MiB with gzip, and some terabytes with zstd.  So each is called with a limit, and keeps the input that it
has not used; whoever calls comes again before giving it more.

Source: RFC 9110, section 8.4.1; RFC 1950 to 1952 (zlib, deflate, gzip), RFC 7932 (br), RFC 8878 and RFC 9659 (zstd)
"""

from __future__ import annotations

import importlib
import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from .errors import ContentDecodingError

_GZIP: Final = 16 + zlib.MAX_WBITS
_ZLIB: Final = zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS
_ZSTD_WINDOW: Final = 23  # RFC 9659: "decoders … MUST support Window_Size values up to … 8 MB"; senders keep to it


class ContentDecoder(ABC):
    """Encoded bytes → decoded bytes, never more than was asked for at once (br: than about twice that)."""

    def __init__(self) -> None:
        self.needs_input = True
        """Whether it has given all that it can make of what it was given."""

    @abstractmethod
    def decode(self, data: bytes | memoryview, max_length: int) -> bytes:
        """Return some of the output, at most ``max_length`` bytes.

        ``data`` is only looked at if ``needs_input``; otherwise the call goes on with what was given before.

        Raises:
            ContentDecodingError: it is no such coding, or something follows its end.
        """

    @property
    @abstractmethod
    def is_complete(self) -> bool:
        """Whether the input may end here: nothing has come, or an end mark was the last of it."""


class GzipDecoder(ContentDecoder):
    """gzip: one member or several, one after the other (RFC 1952 2.2)."""

    def __init__(self) -> None:
        super().__init__()
        self._inflate: Any = None  # of the member that has begun
        self._rest = b""

    def decode(self, data: bytes | memoryview, max_length: int) -> bytes:
        if self._inflate is None:
            self._inflate = zlib.decompressobj(_GZIP)
        inflate = self._inflate
        output = _inflated("gzip", inflate, data if self.needs_input else self._rest, max_length)
        if inflate.eof:
            self._inflate = None
            self._rest = inflate.unused_data
            self.needs_input = not self._rest
        else:
            self._rest = inflate.unconsumed_tail
            self.needs_input = not self._rest and len(output) < max_length
        return output

    @property
    def is_complete(self) -> bool:
        return self._inflate is None


class DeflateDecoder(ContentDecoder):
    """deflate: the zlib format; also without its wrapper, as RFC 9110 8.4.1.2 says that some send it."""

    def __init__(self) -> None:
        super().__init__()
        self._inflate: Any = None
        self._rest = b""
        self._is_over = False

    def decode(self, data: bytes | memoryview, max_length: int) -> bytes:
        if self._is_over:
            raise ContentDecodingError(400, f"{len(data)} bytes follow the end of the deflate body")
        if self._inflate is None:
            data = self._rest + data
            if len(data) < 2:
                self._rest = bytes(data)
                return b""
            self._inflate = zlib.decompressobj(_ZLIB if _has_zlib_header(data) else _RAW)
        inflate = self._inflate
        output = _inflated("deflate", inflate, data if self.needs_input else self._rest, max_length)
        self._rest = inflate.unconsumed_tail
        self._is_over = inflate.eof
        if inflate.unused_data:
            raise ContentDecodingError(400, f"{len(inflate.unused_data)} bytes follow the end of the deflate body")
        self.needs_input = not self._rest and (self._is_over or len(output) < max_length)
        return output

    @property
    def is_complete(self) -> bool:
        return self._is_over or (self._inflate is None and not self._rest)


def _has_zlib_header(data: bytes | memoryview) -> bool:
    """RFC 1950 2.2: CM is 8, and CMF and FLG, as a 16-bit number, are a multiple of 31."""
    return data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0


def _inflated(name: str, inflate: Any, data: bytes | memoryview, max_length: int) -> bytes:
    try:
        output: bytes = inflate.decompress(data, max_length)
    except zlib.error as exc:
        raise ContentDecodingError(400, f"the {name} body is corrupted: {exc}") from exc
    return output


class BrotliDecoder(ContentDecoder):
    """br, by the package ``brotli``.  Its window may take up to 16 MiB of memory."""

    def __init__(self) -> None:
        super().__init__()
        self._brotli = load_brotli()
        self._decompressor = self._brotli.Decompressor()
        self._has_begun = False

    def decode(self, data: bytes | memoryview, max_length: int) -> bytes:
        given = bytes(data) if self.needs_input else b""
        self._has_begun = True
        try:
            output: bytes = self._decompressor.process(given, output_buffer_limit=max_length)
        except self._brotli.error as exc:
            raise ContentDecodingError(400, f"the br body is corrupted, or something follows its end: {exc}") from exc
        # It accepts more as soon as it has no input left, though it may still have output.
        has_room = len(output) < max_length and self._decompressor.can_accept_more_data()
        self.needs_input = has_room or self._decompressor.is_finished()
        return output

    @property
    def is_complete(self) -> bool:
        return not self._has_begun or bool(self._decompressor.is_finished())


class ZstdDecoder(ContentDecoder):
    """zstd: one frame or several, by the standard library or ``backports.zstd``; a window of 8 MiB at most."""

    def __init__(self) -> None:
        super().__init__()
        self._zstd = load_zstd()
        self._decompressor: Any = None  # of the frame that has begun
        self._rest = b""

    def decode(self, data: bytes | memoryview, max_length: int) -> bytes:
        given = data if self.needs_input else self._rest
        if self._decompressor is None:
            options = {self._zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW}
            self._decompressor = self._zstd.ZstdDecompressor(options=options)
        decompressor = self._decompressor
        try:
            output: bytes = decompressor.decompress(given, max_length=max_length)
        except self._zstd.ZstdError as exc:
            raise ContentDecodingError(400, f"the zstd body is corrupted: {exc}") from exc
        self._rest = b""
        if decompressor.eof:
            self._decompressor = None
            self._rest = decompressor.unused_data
            self.needs_input = not self._rest
        else:
            self.needs_input = decompressor.needs_input
        return output

    @property
    def is_complete(self) -> bool:
        return self._decompressor is None


def load_brotli() -> Any:
    """Import ``brotli``, which is not part of the default install.

    Raises:
        ImportError: it is not there, or too old to limit its output.
    """
    try:
        brotli: Any = importlib.import_module("brotli")
    except ImportError as exc:
        raise ImportError("the content coding br needs: pip install 'pipeline_net[brotli]'") from exc
    if not hasattr(brotli.Decompressor, "can_accept_more_data"):
        raise ImportError(f"the content coding br needs brotli 1.2 or newer, and this is {brotli.__version__}")
    return brotli


def load_zstd() -> Any:
    """Import the standard library's zstd (Python 3.14), or ``backports.zstd``, which is the same for older ones.

    Raises:
        ImportError: it is not there.
    """
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    try:
        return importlib.import_module(name)
    except ImportError as exc:
        raise ImportError("the content coding zstd needs: pip install 'pipeline_net[zstd]'") from exc


DECODERS: Final[dict[str, Callable[[], ContentDecoder]]] = {
    "gzip": GzipDecoder,
    "deflate": DeflateDecoder,
    "br": BrotliDecoder,
    "zstd": ZstdDecoder,
}
