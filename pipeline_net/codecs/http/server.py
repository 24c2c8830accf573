"""HttpServerHandler and server_stack(): which response answers which request, and how long the connection lives.

RFC 9112 9.3.2: "A server MAY process a sequence of pipelined requests in parallel if they all have safe methods, but it
MUST send the corresponding responses in the same order that the requests were received."  A response has no name on it:
whatever is sent first is taken for the answer to the first request.  So an application that answers later, from a pool
or an asyncio task, would hand one user's page to another as soon as a client pipelines.  Therefore the application has
one request at a time, unless it says that it can name them (``limits.max_pipelined``).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from ..._mypyc import i64
from ...context import ChannelHandlerContext
from ...errors import EncodeError
from ...handler import ChannelDuplexHandler
from ...server_draining import ServerDraining
from ...stack import Sendable, Stack, wire
from ...unread_message import UnreadMessage
from .deadlines import ANSWER, BODY, FIRST, HEAD, IDLE, DeadlineKeeper, DeadlineWatch
from .early_responses import EarlyResponses
from .encoder import UNCOUNTED, HttpResponseEncoder
from .errors import HttpDecodeError
from .events import InputEnded, RequestRefused
from .messages import (
    HTTP_1_0,
    Data,
    End,
    FullRequest,
    FullResponse,
    InterimResponse,
    Request,
    RequestPart,
    Response,
    ResponsePart,
)
from .options import DEADLINES, LIMITS, STRICT, Deadlines, Leniency, Limits
from .request_decoder import HttpRequestDecoder
from .response_parts import request_of
from .status import reason_phrase
from .unanswered import UnansweredRequests

if TYPE_CHECKING:
    from ...future import ChannelFuture

_logger: Final = logging.getLogger("pipeline_net.http")

_NOBODY: Final = Request("GET", "/")  # what is answered when bytes were no request
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class _Watch(DeadlineKeeper):
    """Passes on to the handler what the watch has to say."""

    def __init__(self, handler: HttpServerHandler) -> None:
        self._handler = handler

    def deadline_passed(self, ctx: ChannelHandlerContext[Any, Any], phase: i64) -> None:
        self._handler.deadline_passed(ctx, phase)


class HttpServerHandler(ChannelDuplexHandler[RequestPart, RequestPart, ResponsePart, Sendable]):
    """Pairs requests with their responses, and keeps or ends the connection.

    * Responses leave in the order of their requests.  By default the application has one request at a time; the next
      one is decoded when the response to it has ended.  With ``limits.max_pipelined`` above 1 it has several, and each
      part that it writes says ``to=request``; what comes early is held back.
    * A response may be written at any time: at once, from a task of the loop, or with ``channel.write`` from any
      thread.
    * The connection ends after a response if the request or the response says so, if the request was HTTP/1.0 without
      keep-alive, and when the server is drained.
    * ``Expect: 100-continue`` is answered with ``100 Continue`` when the head of the request was read and no response
      has begun (``auto_continue``).
    * Bytes that are no request are answered with 400, 413, 414, 417, 431, 501 or 505, after the responses to earlier
      requests; deadlines that pass, with 408.  Then the connection ends.
    * A request that no stage reads, or all pass on without answering, is answered with 404, and is the last one.
    * A channel that is closed with an unanswered request, for instance because a handler raised, answers 500 first.
    * A client that sends no more still gets its response; ``InputEnded`` tells the application.
    * After ``Response(101)``, or a 2xx to CONNECT, the stages of HTTP leave the pipeline when the current event is
      done, and the stages that then follow get the ``bytes`` that come, the unread ones first.
    """

    def __init__(
        self,
        decoder: HttpRequestDecoder,
        encoder: HttpResponseEncoder,
        *,
        limits: Limits = LIMITS,
        deadlines: Deadlines = DEADLINES,
        auto_continue: bool = True,
    ) -> None:
        self._decoder = decoder
        self._encoder = encoder
        self._seat_of_decoder: ChannelHandlerContext[Any, Any] | None = None
        self._max_pipelined: i64 = limits.max_pipelined
        self._auto_continue = auto_continue
        self._watch = DeadlineWatch(deadlines, _Watch(self))
        self._unanswered = UnansweredRequests()
        self._reading: Request | None = None  # whose End has not come
        self._may_be_last = False  # after the request that was read last, perhaps no other one follows
        self._has_begun = False  # the head of the response to the first of the unanswered ones is written
        self._status: i64 = 0  # of the response that has begun
        self._continued = False  # whoever expected 100 Continue has it
        self._in_batch = False
        self._draining = False
        self._input_ended = False
        self._has_switched = False  # another protocol has begun
        self._refusal: HttpDecodeError | None = None  # to be answered after all that came before
        self._refused: Request | None = None  # whose body was the reason
        self._early: EarlyResponses | None = None  # made for the first application that is early
        self._is_releasing = False

    @property
    def unanswered(self) -> int:
        """How many requests the application has whose responses have not ended."""
        return self._unanswered.count

    # -- life ---------------------------------------------------------------------------------------

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._seat_of_decoder = ctx.pipeline.context(self._decoder)
        self._encoder.use_clock_of(ctx)
        if ctx.channel.is_active:
            self._watch.enter(ctx, FIRST)

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._watch.enter(ctx, FIRST)
        ctx.fire_channel_active()

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._watch.stop()

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._watch.stop()
        self._unanswered.clear()
        if self._early is not None:
            self._early.fail(ctx.channel.closed_error())
        ctx.fire_channel_inactive()

    # -- requests -----------------------------------------------------------------------------------

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self._in_batch = True
        request = self._reading
        try:
            if isinstance(msg, Request):
                request = msg
                self._begin(ctx, msg)
            elif isinstance(msg, End):
                self._reading = None
                ctx.fire_channel_read(msg)
                if self._unanswered.count > 0 and request is not None:
                    self._pause_if_full(request)
                elif self._draining and not self._has_switched:
                    ctx.close()  # it was answered before it was complete
            else:
                if isinstance(msg, Data):
                    self._watch.received += len(msg.data)
                ctx.fire_channel_read(msg)
        except KeyboardInterrupt:
            if request is not None:
                ctx.channel.loop.execute(self._close_interrupted, ctx, request)
            raise

    def _begin(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        unanswered = self._unanswered
        unanswered.add(request)
        self._reading = request
        self._continued = False
        if unanswered.count == 1:
            self._encoder.answers(request, request.keep_alive and not self._draining)
        ctx.fire_channel_read(request)
        if request.expects_continue:
            self._watch.enter(ctx, BODY)
            self._continue_if_waited_for(ctx)
        elif request.body_length != 0:
            self._watch.enter(ctx, BODY)

    def _close_interrupted(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        """End a connection whose handler was interrupted: nobody knows whether anybody will answer ``request``."""
        if self._unanswered.holds(request) and ctx.channel.is_open:
            ctx.pipeline.close()

    def _pause_if_full(self, request: Request) -> None:
        """Decode no further request while the application has as many as it may, or nobody knows what follows."""
        # RFC 9112 9.6: "A server that receives a "close" connection option MUST initiate closure of the connection
        # after it sends the final response to the request that contained the "close" connection option … The
        # server MUST NOT process any further requests received on that connection."
        self._may_be_last = not request.keep_alive or request.wants_upgrade or request.method == "CONNECT"
        if self._may_be_last or self._unanswered.count >= self._max_pipelined:
            self._decoder.is_paused = True

    def _continue_if_waited_for(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Let the client send the body that it holds back, if it is the one whose turn it is to be answered."""
        reading = self._reading
        if (
            self._auto_continue
            and reading is not None
            and reading.expects_continue
            and not self._continued
            and not self._has_begun
            and self._unanswered.first is reading
            and ctx.channel.is_open
        ):
            self._continued = True
            ctx.write(_CONTINUE)

    def channel_read_complete(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        ctx.fire_channel_read_complete()
        self._in_batch = False
        self._note_phase(ctx)

    def _note_phase(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Find out whom the connection waits for now."""
        watch = self._watch
        if self._has_switched or not ctx.channel.is_open:
            watch.stop()
        elif self._reading is not None:
            if watch.phase != BODY:
                watch.enter(ctx, BODY)
        elif self._unanswered.count > 0:
            if watch.phase != ANSWER:
                watch.enter(ctx, ANSWER)
        elif not self._decoder.is_between_messages:
            if watch.phase != HEAD:
                watch.enter(ctx, HEAD)
        else:
            watch.enter(ctx, IDLE)

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._unanswered.count == 0 or self._has_switched:
            ctx.fire_channel_eof()
            return
        self._input_ended = True  # the response first; then we close
        ctx.fire_user_event_triggered(InputEnded())

    # -- responses ----------------------------------------------------------------------------------

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        first = self._unanswered.first
        if self._has_switched or not ctx.channel.is_open:
            ctx.write(msg, promise)  # bytes of the other protocol; or a write that the channel refuses
            return
        if promise is not None and not promise.take_on():
            return  # cancelled in time: it must not count as answered, or the next response would be taken for this one
        if first is None:
            raise EncodeError(f"there is no request that {type(msg).__name__} could answer")
        to = request_of(msg)
        if to is None:
            if self._unanswered.count > 1:
                raise EncodeError(f"{self.unanswered} requests are unanswered: say to which this belongs, to=request")
        elif to is not first:
            self._hold_back(ctx, to, msg, promise)
            return
        self._send(ctx, first, msg, promise)

    def _send(
        self, ctx: ChannelHandlerContext[Any, Any], request: Request, msg: Any, promise: ChannelFuture[Any] | None
    ) -> None:
        """Write a part of the response to ``request``, the first of the unanswered ones."""
        encoder = self._encoder
        if isinstance(msg, InterimResponse):
            self._send_interim(ctx, request, msg, promise)
            return
        if request.expects_continue and not self._continued and self._reading is request and not self._has_begun:
            # RFC 9110 10.1.1: the client, which waits for our word, may send the body or not; so we close then.
            encoder.answers(request, False)
        try:
            data = encoder.encode(msg)
        except EncodeError:
            if encoder.is_broken:
                ctx.close()  # the client sees that the body is cut off
            raise
        if isinstance(data, list):
            ctx.write_all(data, promise)
        else:
            ctx.write(data, promise)
        if isinstance(msg, (FullResponse, End)):
            self._response_ended(ctx, request, msg.status if isinstance(msg, FullResponse) else self._status)
        elif isinstance(msg, Response):
            self._has_begun = True
            self._status = msg.status

    def _send_interim(
        self,
        ctx: ChannelHandlerContext[Any, Any],
        request: Request,
        msg: InterimResponse,
        promise: ChannelFuture[Any] | None,
    ) -> None:
        if request.version == HTTP_1_0:
            # RFC 9110 15.2: "a server MUST NOT send a 1xx response to an HTTP/1.0 client."
            ctx.write_all([], promise)
            return
        ctx.write(self._encoder.encode(msg), promise)
        if msg.status == 100:
            self._continued = True

    def _response_ended(self, ctx: ChannelHandlerContext[Any, Any], request: Request, status: i64) -> None:
        unanswered = self._unanswered
        unanswered.drop_first()
        self._has_begun = False
        if status == 101 or (status < 300 and request.method == "CONNECT"):
            self._switch(ctx)
            return
        if self._encoder.ends_connection:
            ctx.close()
            return
        if unanswered.count > 0:
            if self._is_releasing:
                return  # whoever is at it goes on
            self._begin_next(ctx)
            if unanswered.count == 0 or not ctx.channel.is_open:
                return  # all of them are answered, and what that leads to is done
        elif self._refusal is not None:
            self._answer_refusal(ctx, self._refusal)
            return
        elif self._input_ended or (self._draining and self._reading is None):
            ctx.close()
            return
        if self._decoder.is_paused and unanswered.count < (1 if self._may_be_last else self._max_pipelined):
            self._resume()
        if not self._in_batch:
            self._note_phase(ctx)

    def _resume(self) -> None:
        if self._seat_of_decoder is not None:
            self._decoder.resume(self._seat_of_decoder)

    def _begin_next(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """The next request is the one to answer; what was written early goes now."""
        self._is_releasing = True
        request = self._unanswered.first
        while request is not None:
            self._encoder.answers(request, request.keep_alive and not self._draining)
            self._continue_if_waited_for(ctx)
            parts = None if self._early is None else self._early.take(request)
            if parts is None:
                break
            for msg, promise in parts:
                try:
                    self.write(ctx, msg, promise)
                except Exception as exc:  # noqa: BLE001 - as if it were written now
                    ctx.refuse(exc, promise)
            if self._unanswered.first is request:
                break  # there is more of it to come
            request = self._unanswered.first
        self._is_releasing = False

    def _hold_back(
        self, ctx: ChannelHandlerContext[Any, Any], to: Request, msg: Any, promise: ChannelFuture[Any] | None
    ) -> None:
        """Keep what answers a request before its turn."""
        request = to.head if isinstance(to, FullRequest) else to
        if request is not None and request is self._unanswered.first:
            self._send(ctx, request, msg, promise)
            return
        if request is None or not self._unanswered.holds(request):
            raise EncodeError(f"{to!r} is answered already, or was never asked here")
        if self._early is None:
            self._early = EarlyResponses()
        self._early.hold(ctx.channel, request, msg, promise)

    # -- when something is wrong --------------------------------------------------------------------

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        if not isinstance(exc, HttpDecodeError):
            ctx.fire_exception_caught(exc)
            return
        _logger.info("%s was refused: %s", ctx.channel.remote_address, exc)
        self._refuse(ctx, exc)

    def _refuse(self, ctx: ChannelHandlerContext[Any, Any], exc: HttpDecodeError) -> None:
        """Answer bytes that are no request, after all that came before, and close."""
        if not ctx.channel.is_open:
            return
        unanswered = self._unanswered
        if self._reading is not None:
            self._refused = self._reading
            self._reading = None
            if unanswered.count == 0 or (unanswered.count == 1 and self._has_begun):
                ctx.close()  # it has been answered: there is no way to take that back
                return
            unanswered.drop_last()  # its response is the refusal
        if unanswered.count > 0:
            self._refusal = exc
        else:
            self._answer_refusal(ctx, exc)

    def _answer_refusal(self, ctx: ChannelHandlerContext[Any, Any], exc: HttpDecodeError) -> None:
        self._encoder.answers(self._refused or _NOBODY, False)
        ctx.write(self._plain_answer(ctx, exc.status, self._refused))
        ctx.close()

    def _plain_answer(self, ctx: ChannelHandlerContext[Any, Any], status: int, request: Request | None) -> Any:
        ctx.fire_user_event_triggered(RequestRefused(status, request))
        body = f"{status} {reason_phrase(status)}\n".encode("ascii")
        return self._encoder.encode(FullResponse(status, [("content-type", "text/plain")], body))

    def close(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        """Close, leaving no client to guess: 500 to whoever waits, and no half that looks like a whole response."""
        request = self._unanswered.first
        if request is not None and not self._has_begun and not self._has_switched and ctx.channel.is_open:
            self._encoder.answers(request, False)
            self._unanswered.clear()
            ctx.write(self._plain_answer(ctx, 503 if self._draining else 500, request))
        elif self._has_begun and self._encoder.step == UNCOUNTED:
            ctx.channel.abort()
        ctx.close(promise)

    def deadline_passed(self, ctx: ChannelHandlerContext[Any, Any], phase: i64) -> None:
        """The client has taken too long."""
        _logger.info("%s has taken too long (%s)", ctx.channel.remote_address, _PHASES[phase])
        if phase == ANSWER or ctx.channel.pending_write_bytes > 0:
            ctx.channel.abort()  # it does not read: another word would only wait, too
        elif phase in (IDLE, FIRST) and self._decoder.is_between_messages:
            ctx.close()
        else:
            self._refuse(ctx, HttpDecodeError(408, "the request was not complete in time"))

    def _answer_unread(self, ctx: ChannelHandlerContext[Any, Any], unread: Request) -> None:
        """Say that nothing here answers such a request, unless a stage that passed it on has begun to answer it."""
        request = unread.head if isinstance(unread, FullRequest) else unread
        if request is None or not self._unanswered.holds(request):
            return
        has_begun = request is self._unanswered.first and self._has_begun
        if not has_begun and (self._early is None or not self._early.holds(request)):
            # From the end of the pipeline, as an application would: some stages pair requests and responses, too.
            # It ends the connection: who has passed the request on and answers later all the same, without to=, would
            # otherwise answer the next request, which a proxy may have sent for somebody else.
            headers = {"content-type": "text/plain", "connection": "close"}
            ctx.pipeline.write(FullResponse(404, headers, b"404 Not Found\n", to=request))

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        if isinstance(event, UnreadMessage) and isinstance(event.message, Request):
            ctx.channel.loop.execute(self._answer_unread, ctx, event.message)  # whoever passed it on may answer yet
        ctx.fire_user_event_triggered(event)
        if not isinstance(event, ServerDraining) or self._has_switched or self._draining:
            return
        self._draining = True
        first = self._unanswered.first
        if first is not None:
            if not self._has_begun:
                self._encoder.answers(first, False)
        elif self._reading is None and self._decoder.is_between_messages and ctx.channel.is_open:
            ctx.close()

    # -- another protocol ---------------------------------------------------------------------------

    def _switch(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._has_switched = True
        self._decoder.is_paused = True  # what follows is not HTTP
        self._watch.stop()
        ctx.channel.loop.execute(self._step_aside, ctx)

    def _step_aside(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Leave the pipeline to the stages of the other protocol; the decoder hands over what it has not read."""
        if ctx.is_removed or not ctx.channel.is_open:
            return
        ctx.pipeline.remove(self)
        if self._decoder in ctx.pipeline:
            ctx.pipeline.remove(self._decoder)
        if self._input_ended:
            ctx.fire_channel_eof()  # what we have kept to ourselves


_PHASES: Final = ("nothing came", "idle", "head", "body", "a response that is not read", "")


def server_stack(
    *,
    limits: Limits = LIMITS,
    deadlines: Deadlines = DEADLINES,
    leniency: Leniency = STRICT,
    auto_continue: bool = True,
    date: bool = True,
) -> Stack[bytes, RequestPart, ResponsePart, bytes]:
    """Everything below the application: ``server_stack() >> RequestAggregator() >> Hello()`` is a server's pipeline.

    Without an aggregator, the application reads ``Request``, ``Data``, ``End``.

    Args:
        limits: how much one message may be; on by default.
        deadlines: how long a peer may take; on by default.
        leniency: what is forgiven; nothing by default.
        auto_continue: whether ``100 Continue`` is sent as soon as a request that expects it was read and not answered;
            otherwise the application writes ``InterimResponse(100)`` when it wants the body.
        date: whether responses get a Date.
    """
    decoder = HttpRequestDecoder(limits=limits, leniency=leniency)
    handler = HttpServerHandler(
        decoder, HttpResponseEncoder(date=date), limits=limits, deadlines=deadlines, auto_continue=auto_continue
    )
    return wire() >> decoder >> handler
