"""HttpRequestDecoder: what clients send to an HTTP/1.1 server."""

from __future__ import annotations

from .decoder import HttpDecoder
from .messages import RequestPart


class HttpRequestDecoder(HttpDecoder[RequestPart]):
    r"""bytes → ``Request``, ``Data``, ``End``, as a strict server reads them.

    Args:
        limits: how much one message may be.
        leniency: what is forgiven; nothing by default.

    Raises:
        HttpDecodeError: the bytes are no request, an ambiguous one, or one above a limit; ``status`` says which.
    """
