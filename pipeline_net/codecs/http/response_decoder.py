r"""HttpResponseDecoder: what servers answer to an HTTP/1.1 client.

::

    HTTP/1.1 200 OK\r\n                    HTTP-version SP status-code SP [ reason-phrase ] CRLF
    Content-Length: 5\r\n                  *( field-name ":" OWS field-value OWS CRLF )
    \r\n                                   CRLF
    hello                                  [ message-body ]

Where a body ends depends on what was asked, so the decoder is told of each request (``expect``).

Source: RFC 9112, sections 4 and 6.3
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ..._mypyc import i64
from ...buffer import ReceiveBuffer
from .decoder import START_LINE, TO_THE_END, HttpDecoder
from .errors import HttpDecodeError
from .grammar import CR, FIELD, LF, NINE, SPACE, ZERO, has_token
from .headers import from_block
from .messages import CHUNKED, END, HTTP_1_0, HTTP_1_1, UNTIL_CLOSE, InterimResponse, Response, ResponsePart
from .options import LIMITS, STRICT, Leniency, Limits

if TYPE_CHECKING:
    from ...context import ChannelHandlerContext

_STATUS_AT: Final = 9  # where the status begins: behind "HTTP/1.1 "
_PHRASE_AT: Final = 12
_BAD_GATEWAY: Final = 502  # what a proxy answers whose own server does not keep to the rules


class HttpResponseDecoder(HttpDecoder[ResponsePart]):
    r"""bytes → ``InterimResponse``, ``Response``, ``Data``, ``End``, as a strict client reads them::

        +------------------------------+     +---------------------+
        | HTTP/1.1 200 OK\r\n          |     | Response(200, …)    |
        | Transfer-Encoding: chunked\r\n --> | Data(b"hello")      |
        | \r\n5\r\nhello\r\n0\r\n\r\n  |     | End()               |
        +------------------------------+     +---------------------+

    A space behind the status may be missing when the phrase is: many servers leave it out, and nothing else begins
    there.

    Args:
        limits: how much one message may be.
        leniency: what is forgiven; nothing by default.

    Raises:
        HttpDecodeError: the bytes are no response, an ambiguous one, or one above a limit; ``status`` is 502, which is
            what a proxy then answers.
    """

    def __init__(self, *, limits: Limits = LIMITS, leniency: Leniency = STRICT) -> None:
        super().__init__(limits=limits, leniency=leniency)
        self._max_interim: i64 = limits.max_interim
        self._interim: i64 = 0
        self._methods: deque[str] = deque()
        self._status: i64 = 0
        self._phrase = b""
        self._is_1_1 = True

    def expect(self, method: str) -> None:
        """Say that a request was sent: responses to HEAD have no body, whatever their headers say, and so on.

        Responses are read in the order of these calls; without any, they are taken for responses to GET.
        """
        self._methods.append(method)

    def refusal(self, status: int, message: str) -> HttpDecodeError:
        return HttpDecodeError(_BAD_GATEWAY, message)

    def read_start_line(self, buffer: ReceiveBuffer) -> bool:
        data = buffer.data
        base: i64 = buffer.pos
        end: i64 = base + buffer.left
        if data[base] != 72:  # H
            raise self.refusal(400, f"a response begins with its version, not with {data[base : base + 20]!r}")
        at: i64 = base + _STATUS_AT
        behind: i64 = base + _PHRASE_AT
        if behind + 1 >= end:
            return self.line_is_bad(data, base, base, end, "a status line is: version, status, phrase")
        status: i64 = 0
        while at < behind:
            if not ZERO <= data[at] <= NINE:
                return self.line_is_bad(data, base, base, end, "a status has three digits")
            status = status * 10 + data[at] - ZERO
            at += 1
        last: i64 = behind
        if data[last] == SPACE:
            field = FIELD
            while last < end and field[data[last]]:
                last += 1
        if last + 1 >= end:
            return self.line_is_unfinished(end - base)
        if data[last] != CR or data[last + 1] != LF:
            return self.line_is_bad(data, base, base, end, "a phrase has no control characters")
        self.check_start_line(last - base)
        version = data[base : base + _STATUS_AT]
        if version not in (b"HTTP/1.1 ", b"HTTP/1.0 "):
            raise self.refusal(505, f"HTTP/1.1 and HTTP/1.0 are spoken here, not {version!r}")
        if status < 100:
            raise self.refusal(400, f"a status is from 100 to 999, not {status}")
        self._is_1_1 = version == b"HTTP/1.1 "
        self._status = status
        self._phrase = data[behind + 1 : last] if last > behind else b""
        self.line_at = last + 2 - base
        self.fields_at = self.line_at
        return True

    def finish_head(self, block: bytes) -> ResponsePart:
        status: i64 = self._status
        phrase = self._phrase.decode("latin-1")
        if status < 200 and status != 101:
            return self._finish_interim(block, phrase)
        self._interim = 0
        method = self._methods.popleft() if self._methods else "GET"
        response = Response(status, None, phrase, version=HTTP_1_1 if self._is_1_1 else HTTP_1_0)
        response.set_block(block)
        connection = self.connection
        if connection is None:
            response.keep_alive = self._is_1_1
        elif self._is_1_1:
            response.keep_alive = not has_token(connection, b"close")
        else:
            response.keep_alive = has_token(connection, b"keep-alive") and not has_token(connection, b"close")
        coding = self.coding
        if method == "HEAD" or status in (101, 204, 304) or (method == "CONNECT" and status < 300):
            # RFC 9112 6.3: such a response "is always terminated by the first empty line after the header fields,
            # regardless of the header fields present in the message"
            self.begin_no_body()
        elif coding is not None:
            if not self._is_1_1:
                raise self.refusal(400, "HTTP/1.0 has no Transfer-Encoding")
            self.begin_chunks(coding, self.length >= 0)
            response.body_length = CHUNKED
            if self.length >= 0:
                response.keep_alive = False
        elif self.length >= 0:
            self.begin_body(self.length)
            response.body_length = self.length
        else:
            # RFC 9112 6.3: "Otherwise, this is a response message without a declared message body length, so the
            # message body length is determined by the number of octets received prior to the server closing the
            # connection."
            self.begin_to_the_end()
            response.body_length = UNTIL_CLOSE
            response.keep_alive = False
        self.forget_notes()
        return response

    def _finish_interim(self, block: bytes, phrase: str) -> InterimResponse:
        self._interim += 1
        if self._interim > self._max_interim:
            raise self.refusal(400, f"there are more than {self._max_interim} interim responses")
        self.forget_notes()
        self.step = START_LINE
        return InterimResponse(self._status, from_block(block), phrase)

    # -- bodies that end with the connection --------------------------------------------------------

    def decode_last(self, buffer: ReceiveBuffer) -> ResponsePart | None:
        if self.step == TO_THE_END and buffer.left == 0:
            self.step = START_LINE
            self.owes_message = False
            return END
        return self.decode(buffer)

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self.step == TO_THE_END:
            self.owes_message = True  # the end of the body is a message, though no byte says so
        super().channel_eof(ctx)

    def finish(self) -> list[Any]:
        if self.step == TO_THE_END:
            self.owes_message = True
        return super().finish()
