r"""HttpResponseEncoder and HttpRequestEncoder: messages of HTTP/1.1 as bytes.

What an application says is checked before it travels: a CR, LF or NUL in a name, a value, a method or a target would
let whoever chose that text write headers, or a whole second message, in our name.  ``Headers`` and heads refuse such
text when they are made; here it is made sure that the body is what the headers say.

A small message leaves as one piece of bytes; a large body is not copied.

Source: RFC 9112, sections 6 and 7; RFC 9110, sections 6.6.1 and 8.6
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..._mypyc import i64, mypyc_attr
from ...errors import EncodeError
from ...file_region import FileRegion
from ..base import MessageToByteEncoder
from .date import DateClock, clock_of
from .headers import (
    HAS_CODING,
    HAS_CONNECTION,
    HAS_DATE,
    HAS_HOST,
    HAS_LENGTH,
    IS_CHUNKED,
    SAYS_CLOSE,
    Headers,
)
from .messages import (
    HTTP_1_0,
    HTTP_1_1,
    Data,
    End,
    FullRequest,
    FullResponse,
    InterimResponse,
    Request,
    Response,
    phrase_in_bytes,
)
from .status import PHRASES

if TYPE_CHECKING:
    from ...context import ChannelHandlerContext

_STATUS_LINES: Final = [f"HTTP/1.1 {status} {PHRASES.get(status, '')}\r\n".encode() for status in range(1000)]
_COPIED: Final = 32768  # bytes; a larger body is a piece of its own, because copying it costs more than that
_LENGTHS: Final = [b"content-length: %d\r\n" % length for length in range(1024)]
_EMPTY: Final = Headers()

# What may follow.
HEAD: Final = 0
COUNTED: Final = 1  # Data, up to a Content-Length
CHUNKS: Final = 2
UNCOUNTED: Final = 3  # Data, until the connection ends
NOTHING: Final = 4  # End; Data is left out, because the response is one without a body


@mypyc_attr(allow_interpreted_subclasses=True)
class BodyEncoder(MessageToByteEncoder[Any]):
    """``Data`` and ``End`` → bytes, in the framing that the head has chosen."""

    def __init__(self) -> None:
        self.step: i64 = HEAD
        self._missing: i64 = 0  # bytes that Content-Length has promised
        self.is_broken = False
        """Whether a message was left half written that cannot be completed: the connection has to end."""

    def encode_part(self, msg: Any) -> bytes | list[Any]:
        """Encode what follows a head."""
        if self.step == HEAD:
            raise EncodeError(f"{_named(msg)} belongs behind a head, and there is none")
        if isinstance(msg, Data):
            return self._encode_data(msg.data)
        if isinstance(msg, End):
            return self._encode_end(msg)
        raise EncodeError(f"{_named(msg)} came before the End of the message before it")

    def _encode_data(self, data: bytes | bytearray | memoryview | FileRegion) -> bytes | list[Any]:
        size: i64 = data.nbytes if isinstance(data, memoryview) else len(data)
        step = self.step
        if size == 0 or step == NOTHING:
            return b""  # RFC 9112 7.1: an empty chunk would end the body
        if step == COUNTED:
            if size > self._missing:
                raise EncodeError(f"{size} bytes of body follow where Content-Length leaves {self._missing}")
            self._missing -= size
            return data if isinstance(data, bytes) else [data]
        if step == UNCOUNTED:
            return data if isinstance(data, bytes) else [data]
        if isinstance(data, bytes) and size <= _COPIED:
            return b"%x\r\n%b\r\n" % (size, data)
        return [b"%x\r\n" % size, data, b"\r\n"]

    def _encode_end(self, msg: End) -> bytes:
        step = self.step
        if step == COUNTED and self._missing > 0:
            self.is_broken = True
            raise EncodeError(f"the message ends {self._missing} bytes before its Content-Length")
        self.step = HEAD
        if step != CHUNKS:
            return b""  # nothing carries trailers without chunks; RFC 9110 6.5.1 lets them be dropped
        if msg.trailers is None:
            return b"0\r\n\r\n"
        return b"0\r\n" + _checked_trailers(msg.trailers) + b"\r\n"


def _checked_trailers(trailers: Headers) -> bytes:
    if trailers.facts() & (HAS_LENGTH | HAS_CODING | HAS_HOST):
        raise EncodeError("Content-Length, Transfer-Encoding and Host must not be trailers")
    return trailers.block


class HttpResponseEncoder(BodyEncoder):
    r"""``Response``, ``Data``, ``End``, or ``FullResponse`` → bytes::

        +----------------------------+     +------------------------------------+
        | FullResponse(200,          |     | HTTP/1.1 200 OK\r\n                |
        |   {"content-type": "t/p"}, | --> | content-type: t/p\r\n              |
        |   b"hello")                |     | content-length: 5\r\n              |
        |                            |     | date: Sun, 06 Nov 1994 …\r\n       |
        |                            |     | \r\nhello                          |
        +----------------------------+     +------------------------------------+

    Content-Length, Transfer-Encoding, Date and Connection are added where they are missing: a ``FullResponse`` gets its
    length, a ``Response`` without one is sent in chunks, or to an HTTP/1.0 client until the connection ends.

    Args:
        date: whether a Date is added.

    Raises:
        EncodeError: a body that has another length than its Content-Length says, parts in the wrong order.
    """

    def __init__(self, *, date: bool = True) -> None:
        super().__init__()
        self._clock: DateClock | None = DateClock() if date else None
        self._method = "GET"
        self._is_1_1 = True
        self._keep_alive = True
        self.ends_connection = False
        """Whether the response that was begun last says that the connection ends after it."""

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.use_clock_of(ctx)

    def use_clock_of(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Share the clock of the loop, so that a Date is written once a second, not once a connection."""
        if self._clock is not None:
            self._clock = clock_of(ctx.channel.loop)

    def answers(self, request: Request, keep_alive: bool) -> None:
        """Say what is answered next: a HEAD has a response without a body, HTTP/1.0 knows no chunks.

        ``keep_alive`` says whether another request may follow.
        """
        self._method = request.method
        self._is_1_1 = request.version != HTTP_1_0
        self._keep_alive = keep_alive

    def encode(self, msg: Any) -> bytes | list[Any]:
        if isinstance(msg, Response):
            if self.step != HEAD:
                raise EncodeError(f"{_named(msg)} came before the End of the response before it")
            if isinstance(msg, FullResponse):
                return self._encode_full(msg)
            return self._encode_head(msg)
        if isinstance(msg, InterimResponse):
            return self._encode_interim(msg)
        return self.encode_part(msg)

    def _encode_full(self, msg: FullResponse) -> bytes | list[Any]:
        headers = msg.given_headers
        if headers is None:
            headers = _EMPTY
        facts: i64 = headers.facts()
        body = msg.body
        size: i64 = len(body)
        status: i64 = msg.status
        if msg.trailers is not None or facts & HAS_CODING or status < 200 or status == 205:
            return self._encode_in_parts(msg)
        framing = b""
        if status in (204, 304) or (status < 300 and self._method == "CONNECT"):
            if size > 0 or (facts & HAS_LENGTH and status != 304):
                raise EncodeError(f"a response with status {status} to {self._method} has no body and no length")
        elif facts & HAS_LENGTH:
            if headers.length != size and (size > 0 or self._method != "HEAD"):
                raise EncodeError(f"Content-Length says {headers.length}, and the body has {size} bytes")
        elif size > 0 or self._method != "HEAD":
            # RFC 9110 8.6: of a response to HEAD, the length is that of the content which a GET would have got; an
            # application that has left the content out has not said how long that is.
            framing = _LENGTHS[size] if size < 1024 else b"content-length: %d\r\n" % size
        line = self._first_line(msg)
        added = self._added(facts)
        if size == 0 or self._method == "HEAD":
            return b"%b%b%b%b" % (line, headers.block, framing, added)  # one piece of memory; sums make one for each +
        if size <= _COPIED:
            return b"%b%b%b%b%b" % (line, headers.block, framing, added, body)
        return [b"%b%b%b%b" % (line, headers.block, framing, added), body]

    def _encode_in_parts(self, msg: FullResponse) -> list[Any]:
        """Encode what is not an everyday response as if it had come in parts; all of it, or nothing."""
        pieces: list[Any] = []
        try:
            _put(pieces, self._encode_head(msg))
            if msg.body:
                _put(pieces, self._encode_data(msg.body))
            _put(pieces, self._encode_end(End(msg.trailers)))
        except EncodeError:
            self.step = HEAD
            self.is_broken = False
            raise
        return pieces

    def _encode_head(self, msg: Response) -> bytes:
        headers = msg.given_headers
        if headers is None:
            headers = _EMPTY
        facts: i64 = headers.facts()
        status: i64 = msg.status
        framing = b""
        step: i64 = NOTHING
        if status == 101 or status == 204 or (self._method == "CONNECT" and status < 300):
            # RFC 9110 8.6: "A server MUST NOT send a Content-Length header field in any response with a status code of
            # 1xx (Informational) or 204 (No Content).  A server MUST NOT send a Content-Length header field in any 2xx
            # (Successful) response to a CONNECT request"; RFC 9112 6.1 says the same of Transfer-Encoding.
            if facts & (HAS_LENGTH | HAS_CODING):
                raise EncodeError(f"a response with status {status} has no Content-Length and no Transfer-Encoding")
        elif facts & HAS_CODING:
            if facts & HAS_LENGTH or not facts & IS_CHUNKED or not self._is_1_1:
                raise EncodeError("Transfer-Encoding is chunked, without Content-Length, and not for HTTP/1.0")
            step = CHUNKS
        elif facts & HAS_LENGTH:
            step = COUNTED
        elif status == 205:
            framing = b"content-length: 0\r\n"  # RFC 9110 15.3.6: "a server MUST NOT generate content in a 205"
        elif status == 304:
            pass
        elif self._is_1_1:
            framing = b"transfer-encoding: chunked\r\n"
            step = CHUNKS
        else:
            # RFC 9112 6.1: "A server MUST NOT send a response containing Transfer-Encoding unless the corresponding
            # request indicates HTTP/1.1 (or later minor revisions)."
            step = UNCOUNTED
            self._keep_alive = False
        head = b"%b%b%b%b" % (self._first_line(msg), headers.block, framing, self._added(facts))
        self._missing = headers.length
        self.step = NOTHING if self._method == "HEAD" or status == 304 else step
        return head

    def _encode_interim(self, msg: InterimResponse) -> bytes:
        if self.step != HEAD:
            raise EncodeError(f"{_named(msg)} came before the End of the response before it")
        if msg.headers.facts() & (HAS_LENGTH | HAS_CODING):
            raise EncodeError("an interim response has no Content-Length and no Transfer-Encoding")
        return b"HTTP/1.1 %d %b\r\n%b\r\n" % (msg.status, phrase_in_bytes(msg.phrase), msg.headers.block)

    def _encode_data(self, data: bytes | bytearray | memoryview | FileRegion) -> bytes | list[Any]:
        if self.step == NOTHING and self._method != "HEAD" and len(data) > 0:
            raise EncodeError("this response has no body")
        return super()._encode_data(data)

    def _first_line(self, msg: Response) -> bytes:
        status: i64 = msg.status
        if msg.reason is None and 0 <= status < 1000:
            return _STATUS_LINES[status]
        return b"HTTP/1.1 %d %b\r\n" % (msg.status, phrase_in_bytes(msg.phrase))

    def _added(self, facts: i64) -> bytes:
        """Make the headers that an application need not think of, and the empty line."""
        clock = self._clock
        tail = b"\r\n" if clock is None or facts & HAS_DATE else clock.line_and_end()
        keep_alive = self._keep_alive
        if facts & HAS_CONNECTION:
            self.ends_connection = not keep_alive or facts & SAYS_CLOSE != 0
            if not keep_alive and not facts & SAYS_CLOSE:
                return b"connection: close\r\n" + tail
            return tail
        self.ends_connection = not keep_alive
        if not keep_alive:
            return b"connection: close\r\n" + tail
        if not self._is_1_1:
            return b"connection: keep-alive\r\n" + tail
        return tail


class HttpRequestEncoder(BodyEncoder):
    r"""``Request``, ``Data``, ``End``, or ``FullRequest`` → bytes::

        +------------------------------+     +--------------------------------+
        | FullRequest("POST", "/a",    |     | POST /a HTTP/1.1\r\n           |
        |   {"host": "b"}, b"hello")   | --> | host: b\r\n                    |
        |                              |     | content-length: 5\r\n\r\nhello |
        +------------------------------+     +--------------------------------+

    A ``Request`` whose headers say nothing of a body has none, and only ``End`` may follow; with
    ``transfer-encoding: chunked`` or a Content-Length it has.

    Args:
        host: the Host of requests that have none.

    Raises:
        EncodeError: no Host, a body that has another length than its Content-Length says, parts in the wrong order.
    """

    def __init__(self, *, host: str | None = None) -> None:
        super().__init__()
        self._host: bytes | None = None if host is None else Headers([("host", host)]).block

    def encode(self, msg: Any) -> bytes | list[Any]:
        if not isinstance(msg, Request):
            return self.encode_part(msg)
        if self.step != HEAD:
            raise EncodeError(f"{_named(msg)} came before the End of the request before it")
        headers = msg.headers
        facts: i64 = headers.facts()
        if facts & HAS_CODING and (facts & HAS_LENGTH or not facts & IS_CHUNKED or msg.version == HTTP_1_0):
            raise EncodeError("Transfer-Encoding is chunked, without Content-Length, and not for HTTP/1.0")
        head = self._head(msg, facts, headers)
        if isinstance(msg, FullRequest):
            return self._encode_full(msg, head, facts, headers)
        self.step = NOTHING
        if facts & HAS_LENGTH:
            self._missing = headers.length
            self.step = COUNTED
        elif facts & HAS_CODING:
            self.step = CHUNKS
        return head + b"\r\n"

    def _encode_data(self, data: bytes | bytearray | memoryview | FileRegion) -> bytes | list[Any]:
        if self.step == NOTHING and len(data) > 0:
            raise EncodeError("a request whose headers have no Content-Length and no Transfer-Encoding has no body")
        return super()._encode_data(data)

    def _head(self, msg: Request, facts: i64, headers: Headers) -> bytes:
        host = b""
        if not facts & HAS_HOST:
            if self._host is not None:
                host = self._host
            elif msg.version != HTTP_1_0:
                # RFC 9112 3.2: "A client MUST send a Host header field … in all HTTP/1.1 request messages."
                raise EncodeError(f"{msg!r} has no Host")
        method = msg.checked_method()
        if msg.version not in (HTTP_1_0, HTTP_1_1):
            raise EncodeError(f"the version of a request is 1.1 or 1.0, not {msg.version!r}")
        return b"%b %b HTTP/%b\r\n%b%b" % (method, msg.raw_target, msg.version.encode(), host, headers.block)

    def _encode_full(self, msg: FullRequest, head: bytes, facts: i64, headers: Headers) -> bytes | list[Any]:
        body = msg.body
        size: i64 = len(body)
        if facts & HAS_CODING or msg.trailers is not None:
            framing = b"" if facts & HAS_CODING else b"transfer-encoding: chunked\r\n"
            if facts & HAS_LENGTH or msg.version == HTTP_1_0:
                raise EncodeError("trailers need chunks, without Content-Length, and not for HTTP/1.0")
            trailers = b"" if msg.trailers is None else _checked_trailers(msg.trailers)
            chunk = b"%x\r\n%b\r\n" % (size, body) if size > 0 else b""
            return head + framing + b"\r\n" + chunk + b"0\r\n" + trailers + b"\r\n"
        if facts & HAS_LENGTH:
            if headers.length != size:
                raise EncodeError(f"Content-Length says {headers.length}, and the body has {size} bytes")
            head += b"\r\n"
        elif size > 0 or msg.method in ("POST", "PUT", "PATCH"):
            # RFC 9110 8.6: "a user agent SHOULD send Content-Length in a request when the method defines a meaning for
            # enclosed content and it is not sending Transfer-Encoding."
            head += b"content-length: %d\r\n\r\n" % size
        else:
            return head + b"\r\n"
        return head + body if size <= _COPIED else [head, body]


def _put(pieces: list[Any], encoded: bytes | list[Any]) -> None:
    if isinstance(encoded, list):
        pieces.extend(encoded)
    elif encoded:
        pieces.append(encoded)


def _named(msg: Any) -> str:
    return type(msg).__name__
