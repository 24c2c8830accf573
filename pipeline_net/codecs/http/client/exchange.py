"""Exchange: one request on one connection, and its answer; from the queue of the pool to the last byte.

::

    WAITING ──▶ OPENING ──▶ SENDING ──▶ AWAITING ──▶ READING ──▶ over
    for a       TCP, TLS    the body    the head     the body
    place                   goes out

Sending and reading overlap: a server may answer before it has read everything.  An answer from 300 on that comes early
ends the sending (RFC 9112, section 9.5: "if the client wishes to … it SHOULD cease transmitting the body"); the
connection is of no use to anybody else then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ....errors import EncodeError, PipelineNetError
from ..errors import HttpDecodeError
from ..headers import HAS_LENGTH
from ..messages import END, Data, End, FullRequest, InterimResponse, Request, Response
from .body import BodyReader, BytesBody
from .errors import HttpClientError, RequestTimeoutError, ResponseError, ResponseTooLargeError
from .proxy import Route
from .request import PreparedRequest
from .sinks import Sink, TooMuchError
from .timeouts import PhaseTimer

if TYPE_CHECKING:
    from ....future import ChannelFuture
    from ....loop import Loop
    from .connection import Connection

_AT_ONCE: Final = 65536  # bytes; a body up to this goes out in the same write as its head
_CONTINUE_PATIENCE: Final = 1.0  # seconds; RFC 9110 10.1.1: a client "SHOULD NOT wait for an indefinite period"


class ExchangeOwner:
    """Whoever wants the answer."""

    def got_head(self, exchange: Exchange, response: Response) -> Sink:
        """The final head is here; say where the body goes."""
        raise NotImplementedError

    def got_all(self, exchange: Exchange, end: End) -> None:
        """The body has ended."""
        raise NotImplementedError

    def broke(self, exchange: Exchange, error: BaseException) -> None:
        """It has failed."""
        raise NotImplementedError


class Place:
    """Where an exchange is: in the queue, in an attempt to connect, or on a connection."""

    def give_up(self, exchange: Exchange) -> None:
        """It is of no more interest."""
        raise NotImplementedError


class Exchange:
    """One request and its answer; on the loop."""

    def __init__(self, owner: ExchangeOwner, request: PreparedRequest, head: Request, route: Route, loop: Loop) -> None:
        self.request = request
        self.route = route
        self.number = 0  # in the order in which the pool was asked
        self.place: Place | None = None
        self.timer = PhaseTimer(loop, self._expired)
        self.was_answered = False
        """Whether any byte of an answer has come, sensible or not."""
        self.was_lost = False
        """Whether the connection has ended without one."""
        self.was_sent = False
        """Whether any byte of it may have reached the server."""
        self.on_used_connection = False
        """Whether the connection had served another one before."""
        self._owner = owner
        self._head = head
        self._loop = loop
        self._connection: Connection | None = None
        self._reader: BodyReader | None = None
        self._is_over = False
        self._is_sending = False  # the body
        self._is_asked = False  # for its next piece
        self._is_pumping = False
        self._waits_for_continue = False
        self._promised = head.headers.length if head.headers.facts() & HAS_LENGTH else 0  # bytes still to come
        self._progress = 0  # bytes that had left when the timer looked last
        self._response: Response | None = None
        self._sink: Sink | None = None
        self._is_paused = False

    def __repr__(self) -> str:
        state = "over" if self._is_over else self.timer.phase
        return f"<Exchange {self.request}, {state}>"

    # -- ends ---------------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        return self._is_over

    def fail(self, error: BaseException) -> None:
        """It ends here, whatever place it has."""
        if self._end():
            self._owner.broke(self, error)

    def abandon(self) -> None:
        """Nobody wants the answer any more."""
        self._end()

    def _end(self) -> bool:
        if self._is_over:
            return False
        self._is_over = True
        self.timer.end()
        self._stop_sending()
        place = self.place
        self.place = None
        self._connection = None
        if place is not None:
            place.give_up(self)
        return True

    def _expired(self, phase: str, seconds: float) -> None:
        if self._waits_for_continue:
            self._waits_for_continue = False
            self._begin_body()  # RFC 9110 10.1.1: a client that gets no 100 goes on after a while
            return
        if phase == "send" and self._has_progressed():
            self.timer.begin(phase, seconds)
            return
        self.fail(RequestTimeoutError(str(self.request.url), phase, seconds))

    def _has_progressed(self) -> bool:
        """Whether bytes have left since the last look; or whether the program itself is what we wait for."""
        connection = self._connection
        if connection is None:
            return False
        sent, before = connection.sent, self._progress
        self._progress = sent
        return sent > before or (self._is_asked and connection.has_sent_all)

    # -- sending ------------------------------------------------------------------------------------

    def begin(self, connection: Connection) -> None:
        """There is a connection: send."""
        self.place = self._connection = connection
        self._progress = connection.sent
        self.timer.begin("send", self.request.timeouts.send)
        body = self.request.body
        self.was_sent = True
        head = self._head
        if body is None or (isinstance(body, BytesBody) and len(body.data) <= _AT_ONCE and not self._expects_continue):
            data = b"" if body is None else body.data
            self._write(FullRequest(head.method, head.raw_target, head.headers, data), self._sent)
            return
        self._is_sending = True
        self._write(head)
        if self._is_over:
            return
        if self._expects_continue:
            self._waits_for_continue = True
            self.timer.begin("send", _CONTINUE_PATIENCE)
        else:
            self._begin_body()

    @property
    def _expects_continue(self) -> bool:
        return self._head.headers.has_token("expect", "100-continue")

    def _begin_body(self) -> None:
        self.timer.begin("send", self.request.timeouts.send)
        body = self.request.body
        if body is not None and self._reader is None:
            self._reader = body.open(self._loop)
        self.go_on_sending()

    def go_on_sending(self) -> None:
        """Send as much of the body as the connection takes."""
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            while self._reader is not None and not self._is_asked:
                connection = self._connection
                if connection is None or not connection.is_writable:
                    return
                self._is_asked = True
                self._reader.next(self._got_piece)
        except PipelineNetError as exc:  # the pool of threads has no room
            self.fail(exc)
        finally:
            self._is_pumping = False

    def _got_piece(self, piece: Any, error: BaseException | None) -> None:
        self._is_asked = False
        if self._reader is None:
            return  # it was given up meanwhile
        if error is not None:
            self.fail(error)
        elif piece is None and self._promised > 0:
            self.fail(EncodeError(f"the body ends {self._promised} bytes before its Content-Length"))
        elif piece is None:
            self._reader = None
            self._is_sending = False
            self._write(END, self._sent)
        else:
            self._promised -= piece.nbytes if isinstance(piece, memoryview) else len(piece)
            self._write(Data(piece))
        self.go_on_sending()

    def _write(self, msg: Any, then: Any = None) -> None:
        connection = self._connection
        assert connection is not None, "only an exchange that has a connection writes"
        try:
            connection.write(msg, then)
        except EncodeError as exc:
            self.fail(exc)

    def _sent(self, written: ChannelFuture[Any]) -> None:
        """The last byte has left."""
        if not self._is_over and self._response is None and not written.cancelled() and written.exception() is None:
            self.timer.begin("head", self.request.timeouts.head)

    def _stop_sending(self) -> None:
        self._waits_for_continue = False
        reader = self._reader
        self._reader = None
        if reader is not None:
            reader.close()

    # -- reading ------------------------------------------------------------------------------------

    def read(self, msg: Any) -> None:
        """A part of the answer."""
        if isinstance(msg, Response):
            self._read_head(msg)
        elif isinstance(msg, Data):
            self._read_data(msg)
        elif isinstance(msg, End):
            self._read_end(msg)
        elif isinstance(msg, InterimResponse) and msg.status == 100 and self._waits_for_continue:
            self._waits_for_continue = False
            self._begin_body()

    def _read_head(self, msg: Response) -> None:
        if msg.status == 101:
            self.fail(
                ResponseError(str(self.request.url), "101: the server switches protocols, and nobody has asked it to")
            )
            return
        self._response = msg
        if self._is_sending and (msg.status >= 300 or self._waits_for_continue):
            self._stop_sending()
        self.timer.begin("read", self.request.timeouts.read)
        sink = self._owner.got_head(self, msg)
        if self._is_over:
            return
        self._sink = sink
        try:
            sink.announce(msg.body_length)
        except TooMuchError as exc:
            self._too_much(exc)

    def _read_data(self, msg: Data) -> None:
        if self._sink is None:
            return
        self.timer.touch()
        try:
            wants_more = self._sink.take(msg.as_bytes())
        except TooMuchError as exc:
            self._too_much(exc)
            return
        if not wants_more and not self._is_paused and self._connection is not None:
            self._is_paused = True
            self.timer.stop()
            self._connection.hold_reads()

    def _too_much(self, exc: TooMuchError) -> None:
        self.fail(ResponseTooLargeError(str(self.request.url), str(exc)))

    def resume(self) -> None:
        """The sink has room again."""
        if self._is_paused and self._connection is not None:
            self._is_paused = False
            self.timer.begin("read", self.request.timeouts.read)
            self._connection.release_reads()

    def _read_end(self, msg: End) -> None:
        connection = self._connection
        if self._is_over or connection is None:
            return
        if self._is_paused:
            self._is_paused = False
            connection.release_reads()
        may_reuse = not self._is_sending
        self._is_over = True
        self.timer.end()
        self._stop_sending()
        self.place = self._connection = None
        connection.answered(self._response, may_reuse)
        self._owner.got_all(self, msg)

    def connection_ended(self, error: BaseException) -> None:
        """The connection has gone, or its bytes made no sense."""
        if self._is_over:
            return
        self.was_lost = not self.was_answered
        if not isinstance(error, HttpClientError | EncodeError):
            what = "the answer is no HTTP" if isinstance(error, HttpDecodeError) else "there is no whole answer"
            wrapped = ResponseError(str(self.request.url), f"{what}: {error}")
            wrapped.__cause__ = error
            error = wrapped
        self.fail(error)
