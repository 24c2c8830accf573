"""Content codings: bodies that are compressed on their way, and limits for what they may become.

::

    compression    ContentCompression: responses compressed for clients that take it
    compressible   which responses, and what their headers become
    negotiation    Accept-Encoding
    encoders       gzip, deflate, br, zstd
    decompression  ContentDecompression: encoded bodies → what they were, on servers and clients
    decoding       one body through its decoders, a bounded step at a time
    decoders       gzip, deflate, br, zstd
"""

from __future__ import annotations

from .compression import ContentCompression
from .decompression import ContentDecompression
from .errors import ContentDecodingError

__all__ = ["ContentCompression", "ContentDecodingError", "ContentDecompression"]
