"""Content codings: bodies that are compressed on their way, and limits for what they may become.

::

    decompression  ContentDecompression: encoded bodies → what they were, on servers and clients
    decoding       one body through its decoders, a bounded step at a time
    decoders       gzip, deflate, br, zstd
"""

from __future__ import annotations

from .decompression import ContentDecompression
from .errors import ContentDecodingError

__all__ = ["ContentDecodingError", "ContentDecompression"]
