"""HttpClientHandler and client_stack(): which response is for which request, and whether another may follow."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from ..._mypyc import i64
from ...context import ChannelHandlerContext
from ...errors import EncodeError
from ...handler import ChannelDuplexHandler
from ...stack import Sendable, Stack, wire
from .encoder import HttpRequestEncoder
from .errors import HttpDecodeError
from .messages import End, FullRequest, Request, RequestPart, Response, ResponsePart
from .options import LIMITS, STRICT, Leniency, Limits
from .response_decoder import HttpResponseDecoder

if TYPE_CHECKING:
    from ...future import ChannelFuture


class HttpClientHandler(ChannelDuplexHandler[ResponsePart, ResponsePart, RequestPart, Sendable]):
    """Pairs responses with the requests they answer, and knows whether the connection may carry another.

    A response that nobody asked for, and a connection that ends before a response does, reach the program as
    ``HttpDecodeError`` through ``exception_caught``; then the channel is closed.  A response always comes after its
    request, whatever its status; interim ones do not count as its answer.

    After a 101, or a 2xx to CONNECT, the stages of HTTP leave the pipeline when the current event is done, and the
    stages that then follow get the ``bytes`` that come, the unread ones first.
    """

    def __init__(self, decoder: HttpResponseDecoder, encoder: HttpRequestEncoder) -> None:
        self._decoder = decoder
        self._encoder = encoder
        self._methods: deque[str] = deque()  # of the requests whose responses have not ended
        self._is_writing = False  # the End of a request has not been written
        self._keeps_alive = True
        self._status: i64 = 0
        self._has_switched = False

    @property
    def unanswered(self) -> int:
        """How many requests have been written whose response has not ended."""
        return len(self._methods)

    @property
    def is_reusable(self) -> bool:
        """Whether another request may be written for which the server is ready: nothing is unanswered or half
        written, and both sides keep the connection.
        """
        return self._keeps_alive and not self._methods and not self._is_writing and not self._has_switched

    # -- requests -----------------------------------------------------------------------------------

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if self._has_switched or not ctx.channel.is_open:
            ctx.write(msg, promise)
            return
        if promise is not None and not promise.take_on():
            return  # cancelled in time: no response will come to it
        try:
            data: Any = self._encoder.encode(msg)
        except EncodeError:
            if self._encoder.is_broken:
                ctx.close()  # the server sees that the body is cut off
            raise
        if isinstance(msg, Request):
            self._methods.append(msg.method)
            self._decoder.expect(msg.method)
            self._is_writing = not isinstance(msg, FullRequest)
            if msg.headers.has_token("connection", "close"):
                self._keeps_alive = False
        elif isinstance(msg, End):
            self._is_writing = False
        if isinstance(data, list):
            ctx.write_all(data, promise)
        else:
            ctx.write(data, promise)

    # -- responses ----------------------------------------------------------------------------------

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if not self._methods:
            # RFC 9112 9.2: "… the client MUST NOT consider that data to be a valid response …"
            self._give_up(ctx, f"{msg!r:.100} answers no request")
            return
        if isinstance(msg, Response):
            self._status = msg.status
            if not msg.keep_alive:
                self._keeps_alive = False
        elif isinstance(msg, End):
            method = self._methods.popleft()
            if self._status == 101 or (self._status < 300 and method == "CONNECT"):
                self._has_switched = True
                self._decoder.is_paused = True  # what follows is not HTTP
                ctx.channel.loop.execute(self._step_aside, ctx)
        ctx.fire_channel_read(msg)

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._keeps_alive = False
        if self._methods and not self._has_switched and ctx.channel.is_open:
            self._give_up(ctx, f"the connection ended before the responses to {len(self._methods)} requests")
        ctx.fire_channel_eof()

    def _give_up(self, ctx: ChannelHandlerContext[Any, Any], why: str) -> None:
        self._keeps_alive = False
        self._methods.clear()
        ctx.fire_exception_caught(HttpDecodeError(502, why))
        ctx.close()

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        if isinstance(exc, HttpDecodeError):
            self._keeps_alive = False
            self._methods.clear()
            ctx.fire_exception_caught(exc)
            ctx.close()
            return
        ctx.fire_exception_caught(exc)

    def _step_aside(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Leave the pipeline to the stages of the other protocol; the decoder hands over what it has not read."""
        if ctx.is_removed or not ctx.channel.is_open:
            return
        pipeline = ctx.pipeline
        pipeline.remove(self)
        if self._decoder in pipeline:
            pipeline.remove(self._decoder)


def client_stack(
    *, host: str | None = None, limits: Limits = LIMITS, leniency: Leniency = STRICT
) -> Stack[bytes, ResponsePart, RequestPart, bytes]:
    """Everything below the program: ``client_stack(host="example.org") >> ResponseAggregator() >> Mine()``.

    Args:
        host: the Host of requests that have none.
        limits: how much one message may be.
        leniency: what is forgiven; nothing by default.
    """
    decoder = HttpResponseDecoder(limits=limits, leniency=leniency)
    return wire() >> decoder >> HttpClientHandler(decoder, HttpRequestEncoder(host=host))
