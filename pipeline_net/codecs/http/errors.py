"""HttpDecodeError: what a peer's bytes did wrong, and with which status a server says so."""

from __future__ import annotations

from typing import Any

from ...errors import DecodeError
from .status import reason_phrase


class HttpDecodeError(DecodeError):
    """The peer's bytes are no HTTP message, or one above a limit; nothing after them can be trusted.

    Args:
        status: what a server answers: 400, or 408, 413, 414, 417, 431, 501, 505 where that says it better.

    ``reply`` is that answer as bytes, for those who have no encoder.
    """

    def __init__(self, status: int, message: str) -> None:
        phrase = reason_phrase(status)
        body = f"{status} {phrase}\n".encode("latin-1")
        reply = (
            f"HTTP/1.1 {status} {phrase}\r\nconnection: close\r\ncontent-type: text/plain\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        super().__init__(message, reply=reply.encode("latin-1") + body)
        self.status = status

    def __reduce__(self) -> tuple[type[HttpDecodeError], tuple[int, str], dict[str, Any]]:
        return type(self), (self.status, str(self)), self.__dict__
