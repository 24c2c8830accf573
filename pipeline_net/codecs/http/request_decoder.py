r"""HttpRequestDecoder: what clients send to an HTTP/1.1 server.

::

    GET /where?q=now HTTP/1.1\r\n          method SP request-target SP HTTP-version CRLF
    Host: www.example.org\r\n              *( field-name ":" OWS field-value OWS CRLF )
    \r\n                                   CRLF
                                           [ message-body ]

Source: RFC 9112, sections 2 and 3
"""

from __future__ import annotations

from typing import Final

from ..._mypyc import i64
from ...buffer import ReceiveBuffer
from .decoder import HttpDecoder
from .grammar import CR, LF, SLASH, SPACE, TARGET, TOKEN, has_token, is_host
from .messages import CHUNKED, HTTP_1_0, HTTP_1_1, Request, RequestPart
from .options import LIMITS, STRICT, Leniency, Limits
from .tidy import MAX_EMPTY_LINES

_METHODS: Final[dict[bytes, str]] = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE")
}
_VERSION_SIZE: Final = 8  # HTTP/1.1


class HttpRequestDecoder(HttpDecoder[RequestPart]):
    r"""bytes → ``Request``, ``Data``, ``End``, as a strict server reads them::

        +--------------------------------+     +------------------------------+
        | POST /a HTTP/1.1\r\n           |     | Request("POST", "/a", …)     |
        | Host: b\r\n                    | --> | Data(b"hello")               |
        | Content-Length: 5\r\n\r\nhello |     | End()                        |
        +--------------------------------+     +------------------------------+

    Args:
        limits: how much one message may be.
        leniency: what is forgiven; nothing by default.

    Raises:
        HttpDecodeError: the bytes are no request, an ambiguous one, or one above a limit; ``status`` says which.
    """

    def __init__(self, *, limits: Limits = LIMITS, leniency: Leniency = STRICT) -> None:
        super().__init__(limits=limits, leniency=leniency)
        self._forgives_host: bool = leniency.missing_host
        self._empty_lines: i64 = 0
        self._method = "GET"
        self._method_name = b"GET"  # the same as it came; most clients ask as they have asked before
        self._target = b""
        self._is_1_1 = True

    def read_start_line(self, buffer: ReceiveBuffer) -> bool:
        data = buffer.data
        base: i64 = buffer.pos
        end: i64 = base + buffer.left
        if data[base] == CR:
            # RFC 9112 2.2: "a server that is expecting to receive and parse a request-line SHOULD ignore at least one
            # empty line (CRLF) received prior to the request-line."
            return self._skip_empty_line(buffer)
        token = TOKEN
        target = TARGET
        at: i64 = base
        if not token[data[at]]:
            raise self.refusal(400, f"a request begins with its method, not with {data[base : base + 20]!r}")
        while at < end and token[data[at]]:
            at += 1
        first: i64 = at + 1
        last: i64 = first
        while last < end and target[data[last]]:
            last += 1
        stop: i64 = last + 1 + _VERSION_SIZE
        if at < end and data[at] != SPACE:
            return self.line_is_bad(data, base, at, end, "a method is a token, and one space follows")
        if last < end and (data[last] != SPACE or last == first):
            return self.line_is_bad(data, base, last, end, "a target is visible ASCII, and one space follows")
        if stop + 1 >= end:
            # Too short to be complete; but if its LF is here, it is complete, and wrong.
            return self.line_is_bad(data, base, base, end, "a request line is: method, target, version")
        if data[stop] != CR or data[stop + 1] != LF:
            return self.line_is_bad(data, base, last, end, "a request line ends with its version")
        self.check_start_line(stop - base)
        version = data[last + 1 : stop]
        if version == b"HTTP/1.1":
            self._is_1_1 = True
        elif version == b"HTTP/1.0":
            self._is_1_1 = False
        elif version[:5] == b"HTTP/" and version[5:6].isdigit() and version[6:7] == b"." and version[7:].isdigit():
            raise self.refusal(505, f"HTTP/1.1 and HTTP/1.0 are spoken here, not {version!r}")
        else:
            raise self.refusal(400, f"a version is HTTP/1.1, not {version!r}")
        name = data[base:at]
        if name != self._method_name:
            method = _METHODS.get(name)
            self._method = name.decode("ascii") if method is None else method
            self._method_name = name
        self._target = data[first:last]
        self._empty_lines = 0
        self.line_at = stop + 2 - base
        self.fields_at = self.line_at
        return True

    def _skip_empty_line(self, buffer: ReceiveBuffer) -> bool:
        if buffer.left < 2:
            return False
        self._empty_lines += 1
        if buffer.peek(2) != b"\r\n" or self._empty_lines > MAX_EMPTY_LINES:
            raise self.refusal(400, f"a request begins with its method, not with {buffer.peek(20)!r}")
        buffer.skip(2)
        return buffer.left > 0 and self.read_start_line(buffer)

    def finish_head(self, block: bytes) -> Request:
        request = Request(self._method, self._target, None, version=HTTP_1_1 if self._is_1_1 else HTTP_1_0)
        request.set_block(block)
        host = self.host
        if host is None:
            if self._is_1_1 and not self._forgives_host:
                raise self.refusal(400, "an HTTP/1.1 request has a Host")
        elif not is_host(host):
            raise self.refusal(400, f"a Host is a name or an address, and perhaps a port, not {host[:40]!r}")
        if self._target[0] != SLASH or self._method == "CONNECT":
            self._check_target(host)
        if self.connection is not None:
            self._read_connection(request, self.connection)
        elif not self._is_1_1:
            request.keep_alive = False
        coding = self.coding
        if coding is not None:
            if not self._is_1_1:
                # RFC 9112 6.1: "A server or client that receives an HTTP/1.0 message containing a Transfer-Encoding
                # header field MUST treat the message as if the framing is faulty"
                raise self.refusal(400, "HTTP/1.0 has no Transfer-Encoding")
            self.begin_chunks(coding, self.length >= 0)
            request.body_length = CHUNKED
            if self.length >= 0:
                # RFC 9112 6.3: "… the server MUST close the connection after responding to such a request"
                request.keep_alive = False
        elif self.length > 0:
            self.begin_body(self.length)
            request.body_length = self.length
        else:
            self.begin_no_body()
        if self.expectation is not None and self._is_1_1:
            # RFC 9110 10.1.1: "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore
            # that expectation."
            for element in self.expectation.lower().split(b","):
                if element.strip(b" \t") != b"100-continue":
                    raise self.refusal(417, f"nobody here can meet the expectation {self.expectation[:40]!r}")
            request.expects_continue = request.body_length != 0
        self.forget_notes()
        return request

    def _read_connection(self, request: Request, connection: bytes) -> None:
        if self._is_1_1:
            request.keep_alive = not has_token(connection, b"close")
            request.wants_upgrade = self.has_upgrade and has_token(connection, b"upgrade")
        else:
            # RFC 9110 7.8: "A server MUST ignore an Upgrade header field that is received in an HTTP/1.0 request."
            request.keep_alive = has_token(connection, b"keep-alive") and not has_token(connection, b"close")

    def _check_target(self, host: bytes | None) -> None:
        """Check the forms of a target that does not begin with a slash (RFC 9112 3.2)."""
        target = self._target
        if self._method == "CONNECT":
            name, colon, port = target.rpartition(b":")
            if not colon or not name or not port.isdigit() or not is_host(target):
                raise self.refusal(400, f"the target of CONNECT is host:port, not {target[:40]!r}")
            if self.length > 0 or self.coding is not None:
                raise self.refusal(400, "CONNECT has no body")
            return
        if target == b"*" and self._method == "OPTIONS":
            return
        scheme, marks, rest = target.partition(b"://")
        authority = rest.partition(b"/")[0].partition(b"?")[0]
        if not marks or not _is_scheme(scheme) or not authority or not is_host(authority):
            raise self.refusal(400, f"a target is a path or a URL, not {target[:40]!r}")
        # RFC 9112 3.2.2 lets the URL's host win over Host.  Two programs, of which one looks at Host and the other at
        # the URL, would disagree about who is asked.
        if host is not None and host.lower() != authority.lower():
            raise self.refusal(400, f"the target {target[:40]!r} and Host {host[:40]!r} name different hosts")


def _is_scheme(text: bytes) -> bool:
    """Whether ``text`` is what a URL may begin with (RFC 3986 3.1): a letter, then letters, digits, ``+-.``."""
    return text[:1].isalpha() and text.replace(b"+", b"").replace(b"-", b"").replace(b".", b"").isalnum()
