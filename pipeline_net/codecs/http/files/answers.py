"""Answer: status, headers and pieces of a response with a file, from what it is and what was asked for.

Source: RFC 9110, sections 8.8, 13.2, 14.4, 14.6, 15.3.7, 15.4.5 and 15.5.17
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

import attrs

from ..date import http_date
from ..headers import Headers
from .conditions import FAILED, NOT_MODIFIED, allows_range, answer_to
from .ranges import Span, spans_of
from .sending import Piece

_TOO_LITTLE: Final = b"416 Range Not Satisfiable\n"
_FAILED: Final = b"412 Precondition Failed\n"
_NS: Final = 1_000_000_000


@attrs.frozen(kw_only=True)
class Representation:
    """What is known of a file that is to be sent."""

    size: int
    """Bytes."""
    modified_ns: int
    """Nanoseconds since 1970."""
    media_type: str
    coding: str | None = None
    """The content coding that it is in."""
    varies: bool = False
    """Whether who takes other codings might get another file."""
    cache_control: str | None = None

    @property
    def modified(self) -> int:
        """Whole seconds since 1970."""
        return self.modified_ns // _NS

    @property
    def etag(self) -> str:
        """A strong validator: two codings of the same have different ones."""
        coding = "" if self.coding is None else f"-{self.coding}"
        return f'"{self.modified_ns:x}-{self.size:x}{coding}"'


class Answer:
    """What a GET or a HEAD for a file is answered.

    Args:
        now: seconds since 1970.
    """

    def __init__(self, method: str, request: Headers, file: Representation, now: float, max_ranges: int) -> None:
        self.status = 200
        self.pieces: Sequence[Piece] = ()
        """What the body is made of: bytes, and spans of the file."""
        self.length: int | None = 0
        """Bytes of the body; ``None`` if there is none to be counted."""
        self.headers = _headers_of(file, now)
        self._file = file
        self.status = answer_to(request, file.etag, file.modified)
        if self.status == FAILED:
            self.headers = Headers({"content-type": "text/plain", "x-content-type-options": "nosniff"})
            self._is_just(_FAILED)
        elif self.status == NOT_MODIFIED:
            self.length = None
        else:
            self._send_content(method, request, now, max_ranges)

    def _send_content(self, method: str, request: Headers, now: float, max_ranges: int) -> None:
        file, headers = self._file, self.headers
        spans: list[Span] | None = None
        wanted = request.get("range")
        # RFC 9110 14.2: "A server MUST ignore a Range header field received with a request method that is unrecognized
        # or for which range handling is not defined.  For this specification, GET is the only method".
        if wanted is not None and method == "GET" and allows_range(request, file.etag, file.modified, now):
            spans = spans_of(wanted, file.size, max_ranges)
        if spans is None:
            self._is_all([(0, file.size)], file.media_type)
        elif not spans:
            self.status = 416
            self.headers = Headers(
                {
                    "content-type": "text/plain",
                    "content-range": f"bytes */{file.size}",
                    "x-content-type-options": "nosniff",
                }
            )
            self._is_just(_TOO_LITTLE)
        elif len(spans) == 1:
            self.status = 206
            headers.add("content-range", _content_range(spans[0], file.size))
            self._is_all(spans, file.media_type)
        else:
            self.status = 206
            boundary = secrets.token_hex(16)
            self._is_all(_multipart(spans, file, boundary), f"multipart/byteranges; boundary={boundary}")

    def _is_just(self, text: bytes) -> None:
        self.pieces = (text,)
        self.length = len(text)

    def _is_all(self, pieces: Sequence[Piece], media_type: str) -> None:
        self.headers.add("content-type", media_type)
        self.pieces = [piece for piece in pieces if _length_of(piece)]
        self.length = sum(_length_of(piece) for piece in pieces)

    def whole(self, content: bytes) -> bytes:
        """Put the body together out of the content of the file."""
        return b"".join(piece if isinstance(piece, bytes) else content[piece[0] : piece[1]] for piece in self.pieces)


def _headers_of(file: Representation, now: float) -> Headers:
    headers = Headers()
    # RFC 9110 8.8.2.1: "An origin server with a clock … MUST NOT generate a Last-Modified date that is later than the
    # server's time of message origination".
    headers.add("last-modified", http_date(min(file.modified, now)))
    headers.add("etag", file.etag)
    headers.add("accept-ranges", "bytes")
    if file.coding is not None:
        headers.add("content-encoding", file.coding)
    if file.varies:
        headers.add("vary", "accept-encoding")
    if file.cache_control is not None:
        headers.add("cache-control", file.cache_control)
    headers.add("x-content-type-options", "nosniff")
    return headers


def _content_range(span: Span, size: int) -> str:
    return f"bytes {span[0]}-{span[1] - 1}/{size}"


def _multipart(spans: Sequence[Span], file: Representation, boundary: str) -> list[Piece]:
    r"""Put each span behind a head of its own::

    --boundary CRLF content-type: … CRLF content-range: bytes 0-9/100 CRLF CRLF … CRLF --boundary … --boundary--
    """
    pieces: list[Piece] = []
    start = ""
    for span in spans:
        head = (
            f"{start}--{boundary}\r\ncontent-type: {file.media_type}\r\n"
            f"content-range: {_content_range(span, file.size)}\r\n\r\n"
        )
        pieces += [head.encode("latin-1"), span]
        start = "\r\n"
    pieces.append(f"\r\n--{boundary}--\r\n".encode("ascii"))
    return pieces


def _length_of(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
