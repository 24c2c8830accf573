"""AsgiExchange: one request and its response, between the parts of HTTP and the messages of ASGI.

::

    Request ─▶ scope
    Data    ─▶ {"type": "http.request", "body": …, "more_body": True}          receive()
    End     ─▶ {"type": "http.request", "body": …, "more_body": False}
    gone    ─▶ {"type": "http.disconnect"}

    Response          ◀─ {"type": "http.response.start", …}                    send()
    Data, End         ◀─ {"type": "http.response.body", …}
    a file, End       ◀─ {"type": "http.response.pathsend", "path": …}

The head of the response is kept until the first part of its body is here: a response that comes in one piece leaves as
one, with its length.  All here is synchronous, and never waits; ``asgi_call`` has the part that awaits.  That part is
no subclass: of an object whose class is interpreted, compiled code looks up each method by name, also those that it
calls on itself.

What an application says of the body's framing is set right rather than refused, where frameworks are known to be
careless: Transfer-Encoding is the server's own affair, and a 204 has neither a body nor a length.

Source: ASGI 3.0, HTTP & WebSocket message format 2.5
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final, final

from .._mypyc import i64, mypyc_attr
from ..codecs.http.headers import HAS_LENGTH, Headers
from ..codecs.http.messages import Data, End, FullResponse, InterimResponse, Request, Response
from ..context import ChannelHandlerContext
from ..errors import EncodeError, PipelineError
from ..file_region import FileRegion
from .errors import ClientDisconnectedError
from .response_head import BODYLESS, tidy_head

if TYPE_CHECKING:
    from ..loop import Loop

READ_AHEAD: Final = 65536  # bytes of a body that wait for the application; then the peer is not read from

_START: Final = "http.response.start"
_BODY: Final = "http.response.body"
_TRAILERS: Final = "http.response.trailers"
_PATHSEND: Final = "http.response.pathsend"

# Where the response is.
IDLE: Final = 0  # nothing was sent
STARTED: Final = 1  # http.response.start is kept back
STREAMING: Final = 2  # the head has gone
BODY_DONE: Final = 3  # trailers are to come
OVER: Final = 4


@mypyc_attr(allow_interpreted_subclasses=True)
class AsgiExchange:
    """One request, as an application sees it; all calls on the loop of the channel."""

    def __init__(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        self._ctx = ctx
        self.request = request
        self.step: i64 = IDLE
        self.is_gone = False
        """Whether the client has gone."""
        self.has_raised = False
        """Whether the application has ended with an exception."""
        self._knows_it_is_gone = False  # the application does
        self._pieces: list[bytes] = []
        self._waiting: i64 = 0  # bytes of them
        self._is_complete = request.body_length == 0  # all of the body has come
        self._is_delivered = False  # all of it has been given to the application
        self._holds_reads = False
        self._owes_continue: bool = request.expects_continue
        self._status = 0
        self._headers: Headers | None = None
        self._has_trailers = False
        self._trailers: list[Any] | None = None
        self._is_writing = False
        self._write_error: BaseException | None = None
        self._readers: list[Any] | None = None
        self._writers: list[Any] | None = None
        if self._owes_continue:
            self._hold_reads()  # until the application wants the body

    @property
    def loop(self) -> Loop:
        """Where the connection lives."""
        return self._ctx.channel.loop

    # -- from the wire ------------------------------------------------------------------------------

    def take_data(self, data: bytes) -> None:
        """Some of the body came."""
        if self.step == OVER:
            return  # the application did not want to know
        self._pieces.append(data)
        self._waiting += len(data)
        if self._waiting >= READ_AHEAD:
            self._hold_reads()
        self.news()

    def take_end(self) -> None:
        """The body is complete."""
        self._is_complete = True
        if self.step != OVER:
            self.news()

    def take_disconnect(self) -> None:
        """The client has gone; or it has shut its side, and nobody can tell whether it still listens."""
        self.is_gone = True
        self.news()
        if not self._ctx.channel.is_open:
            self.room()

    def take_write_error(self, error: BaseException) -> bool:
        """Keep what went wrong with a write for the application that made it; False if there was none."""
        if self._is_writing:
            self._write_error = error
        return self._is_writing

    # -- for the application ------------------------------------------------------------------------

    def next_message(self) -> Any:
        """Return the next message for the application; ``None`` for "not yet"."""
        if not self._is_delivered and self.step != OVER:
            if self._pieces or self._is_complete:
                return self._request_message()
            if not self.is_gone:
                self._ask_for_more()
                return None
        elif not self.is_gone and self.step != OVER:
            return None
        # "Sent to the application if receive is called after a response has been sent or after the HTTP connection has
        # been closed."
        self._knows_it_is_gone = self.is_gone
        return {"type": "http.disconnect"}

    @final
    def _request_message(self) -> dict[str, Any]:
        pieces = self._pieces
        body = b""
        if pieces:
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self._pieces = []
            self._waiting = 0
        more = not self._is_complete
        if more:
            self._release_reads()
        else:
            self._is_delivered = True
        return {"type": "http.request", "body": body, "more_body": more}

    @final
    def _ask_for_more(self) -> None:
        if self._owes_continue:
            self._owes_continue = False
            if self.step <= STARTED:
                self._ctx.write(InterimResponse(100))
        self._release_reads()

    def respond(self, message: Any) -> bool:
        """Take a message of the application; False when it had better wait for ``room()`` before the next one.

        Raises:
            ClientDisconnectedError: nobody will read it.
            EncodeError: it cannot be written.
            PipelineError: it comes out of turn, or nobody knows it.
        """
        step = self.step
        if step == OVER:
            return True  # "… and any further messages on the channel will be ignored"
        if not self._ctx.channel.is_open:
            raise self._nobody_reads()
        if not isinstance(message, dict):
            message = dict(message)
        return self._respond(step, message)

    @final
    def _respond(self, step: i64, message: dict[str, Any]) -> bool:
        kind = message["type"]
        if not isinstance(kind, str):  # compiled, text is compared quicker than what may be anything
            raise self._unexpected(kind)
        if kind == _BODY and step != IDLE and step != BODY_DONE:
            body: Any = message.get("body", b"")
            if not isinstance(body, bytes):
                body = _as_bytes(body)
            return self._send_body(body, bool(message.get("more_body", False)))
        if kind == _START and step == IDLE:
            self._take_start(message)
            return True
        if kind == _PATHSEND and step == STARTED:
            return self._send_file(message["path"])
        if kind == _TRAILERS and step == BODY_DONE:
            self._take_trailers(message)
            return True
        if kind == "http.response.early_hint" and step == IDLE:
            links = [(b"link", link) for link in message.get("links", [])]
            self._write(InterimResponse(103, links))
            return True
        raise self._unexpected(kind)

    @final
    def _unexpected(self, kind: object) -> PipelineError:
        return PipelineError(f"the application sent {kind!r}, and {_EXPECTED[self.step]} was expected")

    @final
    def _take_start(self, message: dict[str, Any]) -> None:
        status = message["status"]
        headers = tidy_head(status, message.get("headers", ()))  # which looks at the status, too
        self._headers = headers
        self._status = status
        self._has_trailers = bool(message.get("trailers", False))
        self.step = STARTED

    @final
    def _send_body(self, body: bytes, more: bool) -> bool:
        if self.step == STARTED:
            if self._status in BODYLESS:
                body = b""
            if not more and not self._has_trailers:
                self._write_over(FullResponse(self._status, self._headers, body))
                return True
            self._write(Response(self._status, self._headers))
            self.step = STREAMING
        elif self._status in BODYLESS:
            body = b""
        if body:
            self._write(Data(body))
        if more:
            return self._ctx.channel.is_writable
        if self._has_trailers:
            self.step = BODY_DONE
        else:
            self._write_over(End())
        return True

    @final
    def _send_file(self, path: Any) -> bool:
        """Let the kernel send a file as the whole body; ``OSError`` when it cannot be opened."""
        headers = self._headers
        assert headers is not None, "http.response.start was here"
        if self._status in BODYLESS:
            return self._send_body(b"", False)
        if self.request.method == "HEAD":
            if not headers.facts() & HAS_LENGTH and not self._has_trailers:
                headers["content-length"] = str(os.stat(path).st_size)
            return self._send_body(b"", False)
        file = open(path, "rb")  # noqa: SIM115 - the last byte of it is sent long after this returns
        promise = self._ctx.new_promise()
        promise.add_done_callback(partial(_close, file))
        try:
            region = FileRegion(file)
            if not headers.facts() & HAS_LENGTH and not self._has_trailers:
                headers["content-length"] = str(len(region))
            elif 0 <= headers.length < len(region):
                region = FileRegion(file, 0, headers.length)
            self._write(Response(self._status, headers))
        except BaseException:
            file.close()
            raise
        self.step = STREAMING
        self._is_writing = True
        self._ctx.write(Data(region), promise)
        self._is_writing = False
        return self._send_body(b"", False)

    @final
    def _take_trailers(self, message: dict[str, Any]) -> None:
        if self._trailers is None:
            self._trailers = []
        self._trailers.extend(message.get("headers", ()))
        if not message.get("more_trailers", False):
            self._write_over(End(self._trailers))

    def has_room(self) -> bool:
        """Whether more of the response may be sent.

        Raises:
            ClientDisconnectedError: nobody will read it.
        """
        channel = self._ctx.channel
        if not channel.is_open and self.step != OVER:
            raise self._nobody_reads()
        return channel.is_writable

    @final
    def _nobody_reads(self) -> ClientDisconnectedError:
        # "If send() is called on a closed connection the server should raise a server-specific subclass of OSError."
        return ClientDisconnectedError(f"{self.request!r}: the client has gone, and nobody reads the response")

    @final
    def _write(self, part: Any) -> None:
        self._is_writing = True
        self._ctx.write(part)
        self._is_writing = False
        error = self._write_error
        if error is not None:
            self._write_error = None
            raise error

    @final
    def _write_over(self, part: Any) -> None:
        """Write the last part.  What follows on this connection may begin before this returns."""
        before = self.step
        self.step = OVER
        try:
            self._write(part)
        except EncodeError:
            self.step = before
            raise
        if self._pieces:
            self._pieces = []
            self._waiting = 0
        self._release_reads()
        if self._readers:
            self.news()

    # -- when the application is done ---------------------------------------------------------------

    def app_ended(self) -> bool:
        """The application has returned, or raised; False when it owes the response, or a part of it.

        Whoever waits for more is told as well as HTTP allows: with a 500, or by a connection that breaks off.  An
        application that was told that the client has gone owes it nothing.
        """
        step = self.step
        if step == OVER or not self._ctx.channel.is_open:
            return True
        self.step = OVER
        self._pieces = []
        channel = self._ctx.channel
        if step <= STARTED:
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
            self._ctx.write(FullResponse(500, headers, b"Internal Server Error"))
        elif self.request.version == "1.0":
            channel.abort()  # a body without a length ends with the connection: it must not look complete
        else:
            self._ctx.close()
        self._release_reads()
        self.news()
        return self._knows_it_is_gone

    @final
    def _hold_reads(self) -> None:
        if not self._holds_reads:
            self._holds_reads = True
            self._ctx.channel.hold_reads()

    @final
    def _release_reads(self) -> None:
        if self._holds_reads:
            self._holds_reads = False
            self._ctx.channel.release_reads()

    # -- those who wait -----------------------------------------------------------------------------

    @property
    def readers(self) -> list[Any]:
        """Futures of those who wait for ``next_message()``."""
        if self._readers is None:
            self._readers = []
        return self._readers

    @property
    def writers(self) -> list[Any]:
        """Futures of those who wait for ``has_room()``."""
        if self._writers is None:
            self._writers = []
        return self._writers

    def news(self) -> None:
        """``next_message()`` may have something now."""
        if self._readers:
            _tell(self._readers)

    def room(self) -> None:
        """There is room for more of the response; or nobody who wants it."""
        if self._writers:
            _tell(self._writers)


_EXPECTED: Final = (_START, _BODY, _BODY, _TRAILERS, "nothing")


def _tell(waiters: list[Any]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
    waiters.clear()


def _close(file: Any, _: object) -> None:
    file.close()


def _as_bytes(body: Any) -> bytes:
    if isinstance(body, (bytearray, memoryview)):
        return bytes(body)
    raise EncodeError(f"the body of a response is bytes, not {body!r:.100}")
