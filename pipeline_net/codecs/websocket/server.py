"""UpgradeHandler and server_stack(): from HTTP to WebSocket, at a server.

::

    before   bytes ─▶ HttpRequestDecoder ─▶ HttpServerHandler ─▶ UpgradeHandler ─▶ the rest of HTTP
    after    bytes ─▶ FrameDecoder ─▶ WebSocketHandler ─▶ the application

The 101 is written, and within the same event the stages of WebSocket take the place of this one.  Those of HTTP leave
as soon as the event is over, and hand over what they have read beyond the request: a client may send its first frames
right behind it, and nothing of that is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, TypeAlias, overload

from ...channel import Channel
from ...context import ChannelHandlerContext
from ...errors import PipelineError
from ...future import ChannelFuture
from ...handler import ChannelDuplexHandler, ChannelHandler
from ...pipeline import Stage
from ...server_draining import ServerDraining
from ...stack import Stack
from ..http.events import InputEnded, RequestRefused
from ..http.messages import Data, End, FullRequest, FullResponse, Request, RequestPart, ResponsePart
from ..http.options import Deadlines
from ..http.server import HttpServerHandler
from ..http.server import server_stack as http_stack
from .acceptance import Acceptance, Accepted, MoreHeaders, Origins, Subprotocols
from .handshake import HandshakeError, Offer, is_handshake
from .held_writes import HeldWrites
from .limits import KEEP_ALIVE, LIMITS, KeepAlive, Limits
from .messages import Fragment, OutMessage
from .negotiation import Deflate
from .settings import ProtocolSettings

_logger: Final = logging.getLogger("pipeline_net.websocket")

Verdict: TypeAlias = "FullResponse | None"
OnRequest: TypeAlias = "Callable[[Request], Verdict | ChannelFuture[Verdict]] | None"
Path: TypeAlias = "str | Callable[[str], bool] | None"
Application: TypeAlias = "Callable[[Channel], Stack | Iterable[Stage]]"


def switch(ctx: ChannelHandlerContext[Any, Any], accepted: Accepted, stages: Iterable[Stage]) -> None:
    """Answer 101, and let ``stages`` take the place of the handler whose seat is ``ctx``.

    Handlers of HTTP that sit in front of it leave, too, as far down as the one that pairs requests and responses; that
    one leaves by itself when the event is over.
    """
    pipeline = ctx.pipeline
    ctx.write(accepted.response)
    handlers = list(pipeline)
    here = handlers.index(ctx.handler)
    for handler in reversed(handlers[:here]):
        if isinstance(handler, HttpServerHandler):
            break
        pipeline.remove(handler)
    pipeline.replace(ctx.handler, *stages)


def refuse(ctx: ChannelHandlerContext[Any, Any], request: Request, error: HandshakeError) -> None:
    """Answer what is no proper handshake, or not welcome."""
    _logger.info("%s asked for %s, and was refused: %s", ctx.channel.remote_address, request.target, error)
    response = error.response()
    response.to = request
    ctx.write(response)


def _waits_its_turn(ctx: ChannelHandlerContext[Any, Any]) -> bool:
    """Whether earlier requests are unanswered (``max_pipelined``): then the answer to this one would be held back."""
    return any(isinstance(handler, HttpServerHandler) and handler.unanswered > 1 for handler in ctx.pipeline)


class _ServerHandshake(ChannelDuplexHandler[RequestPart, Any, Any, ResponsePart]):
    """What both kinds of server have in common: a request is considered, perhaps for a while, and answered."""

    def __init__(self, acceptance: Acceptance, protocol: ProtocolSettings, on_request: OnRequest) -> None:
        self._acceptance = acceptance
        self._protocol = protocol
        self._on_request = on_request
        self._request: Request | None = None  # a handshake whose End has not come
        self._is_draining = False

    def is_mine(self, request: Request) -> bool:
        """Whether a request is for us, and not for the stages behind."""
        raise NotImplementedError

    def take_seats(self, ctx: ChannelHandlerContext[Any, Any], accepted: Accepted) -> None:
        """The answer is yes: change the pipeline."""
        raise NotImplementedError

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, Request):
            if not self.is_mine(msg):
                ctx.fire_channel_read(msg)
            elif isinstance(msg, FullRequest):
                self._consider(ctx, msg)
            else:
                self._request = msg
        elif self._request is None:
            ctx.fire_channel_read(msg)
        elif isinstance(msg, End):
            request = self._request
            self._request = None
            self._consider(ctx, request)
        elif not isinstance(msg, Data):  # a handshake with a body is refused when it ends
            ctx.fire_channel_read(msg)

    def _consider(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        try:
            if _waits_its_turn(ctx):
                raise HandshakeError("a handshake cannot follow requests that are unanswered", 400)
            offer = self._acceptance.consider(request)
            verdict = None if self._on_request is None else self._on_request(request)
        except HandshakeError as exc:
            refuse(ctx, request, exc)
            return
        if isinstance(verdict, ChannelFuture):
            _Deliberation(self, ctx, request, offer, verdict).begin()
        else:
            self.decide(ctx, request, offer, verdict)

    def decide(self, ctx: ChannelHandlerContext[Any, Any], request: Request, offer: Offer, verdict: Any) -> None:
        """Answer a proper handshake."""
        if ctx.is_removed or not ctx.channel.is_open:
            return
        try:
            if isinstance(verdict, HandshakeError):
                raise verdict
            if self._is_draining:
                raise HandshakeError("the server is about to end", 503)
            if verdict is not None:
                self._answer_otherwise(ctx, verdict)
                return
            accepted = self._acceptance.accept(request, offer)
        except HandshakeError as exc:
            refuse(ctx, request, exc)
            return
        accepted.response.to = request
        self.take_seats(ctx, accepted)

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        if isinstance(event, ServerDraining):
            self._is_draining = True  # a WebSocket that began now would not hear of it
        ctx.fire_user_event_triggered(event)

    def _answer_otherwise(self, ctx: ChannelHandlerContext[Any, Any], verdict: Any) -> None:
        if not isinstance(verdict, FullResponse) or verdict.status < 200:
            raise PipelineError(f"on_request returns None, or a FullResponse that refuses, not {verdict!r:.200}")
        ctx.write(verdict)  # may be a constant, so nothing is said in it; there is no other request


class _Deliberation:
    """Waits for what ``on_request`` has promised."""

    def __init__(
        self,
        handler: _ServerHandshake,
        ctx: ChannelHandlerContext[Any, Any],
        request: Request,
        offer: Offer,
        verdict: ChannelFuture[Any],
    ) -> None:
        self._handler = handler
        self._ctx = ctx
        self._request = request
        self._offer = offer
        self._verdict = verdict

    def begin(self) -> None:
        self._verdict.add_done_callback(self._deliver)

    def _deliver(self, done: ChannelFuture[Any]) -> None:
        self._ctx.channel.loop.execute(self._decide)  # whichever loop the future was of

    def _decide(self) -> None:
        ctx = self._ctx
        try:
            error = self._verdict.exception()
            if error is not None and not isinstance(error, HandshakeError):
                raise error
            verdict = self._verdict.result() if error is None else error
            self._handler.decide(ctx, self._request, self._offer, verdict)
        except Exception as exc:  # noqa: BLE001 - as if the event had raised it
            ctx.fire_exception_caught(exc)


class UpgradeHandler(_ServerHandshake):
    """Requests for WebSocket under ``path`` → another application; all others go on to the stages behind.

    ``http.server_stack() >> UpgradeHandler(lambda channel: [Chat()], path="/chat") >> RequestAggregator() >> Site()``

    Once a WebSocket is agreed on, everything behind this stage leaves the pipeline, and so do the stages between it and
    ``HttpServerHandler``.  What ``application`` returns gets ``HandshakeComplete`` as a user event, then messages.

    Args:
        application: makes the stages of one WebSocket, as an ``initializer`` does.
        path: where WebSockets are, percent-encoded as on the wire; or a function that says whether a path is one; or
            ``None`` for everywhere.  Under it, requests that are no handshake go on to the stages behind.
        subprotocols: those that are spoken, the best first; or a function of the request and those offered, which
            returns one or ``None``.
        origins: whose pages may connect, such as ``["https://example.org"]``; ``["*"]`` for everybody's; or a function
            of the Origin, which may be ``None``, and the request.  By default pages of the same host, and who is no
            browser (see ``acceptance``).
        deflate: what is compressed; nothing by default, for it costs memory and time.
        headers: more headers for the answer, or a function of the request that makes them.
        on_request: looks at a proper handshake, and refuses it by returning a ``FullResponse``; or returns a
            ``ChannelFuture`` of what it will say.  It may also raise ``HandshakeError(message, status)``.
        limits, keepalive, close_timeout, messages: as for ``protocol_stages``.

    Raises:
        ValueError: a setting that makes no sense.
    """

    def __init__(
        self,
        application: Application,
        *,
        path: Path = None,
        subprotocols: Subprotocols = (),
        origins: Origins = None,
        deflate: Deflate | None = None,
        headers: MoreHeaders = None,
        on_request: OnRequest = None,
        limits: Limits = LIMITS,
        keepalive: KeepAlive | None = KEEP_ALIVE,
        close_timeout: float = 10.0,
        messages: bool = True,
    ) -> None:
        if not callable(application) or isinstance(application, (type, ChannelHandler)):
            raise TypeError(f"application is a function from a channel to its stages, not {application!r}")
        super().__init__(
            Acceptance(subprotocols=subprotocols, origins=origins, deflate=deflate, headers=headers),
            ProtocolSettings(limits=limits, keepalive=keepalive, close_timeout=close_timeout, messages=messages),
            on_request,
        )
        self._application = application
        self._path = _check_path(path)

    def is_mine(self, request: Request) -> bool:
        return is_handshake(request) and _is_under(self._path, request)

    def take_seats(self, ctx: ChannelHandlerContext[Any, Any], accepted: Accepted) -> None:
        application = list(self._application(ctx.channel))
        handlers = list(ctx.pipeline)
        for handler in reversed(handlers[handlers.index(self) + 1 :]):
            ctx.pipeline.remove(handler)
        switch(ctx, accepted, [*self._protocol.stages("server", accepted.deflate), *application])
        ctx.fire_user_event_triggered(accepted.complete)


class ServerHandshakeHandler(_ServerHandshake):
    """Every request is for WebSocket, or refused; the application behind this stage stays, and gets messages.

    What the application writes before the handshake is done is sent when it is.  Arguments as for ``UpgradeHandler``.
    """

    def __init__(self, acceptance: Acceptance, protocol: ProtocolSettings, path: Path, on_request: OnRequest) -> None:
        super().__init__(acceptance, protocol, on_request)
        self._path = _check_path(path)
        self._held = HeldWrites()

    def is_mine(self, request: Request) -> bool:
        return True

    def _consider(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        if _is_under(self._path, request):
            super()._consider(ctx, request)
        else:
            refuse(ctx, request, HandshakeError("there is no WebSocket here", 404))

    def take_seats(self, ctx: ChannelHandlerContext[Any, Any], accepted: Accepted) -> None:
        switch(ctx, accepted, self._protocol.stages("server", accepted.deflate))
        self._held.release(ctx)  # what a seat that was replaced still writes goes through the new ones
        ctx.fire_user_event_triggered(accepted.complete)

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        self._held.hold(ctx, msg, promise)

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        if not isinstance(event, (InputEnded, RequestRefused)):  # HTTP's own
            super().user_event_triggered(ctx, event)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._held.fail(ctx.channel.closed_error())
        ctx.fire_channel_inactive()


def _check_path(path: Path) -> Path:
    if isinstance(path, str) and (not path.startswith("/") or "?" in path):
        raise ValueError(f"a path begins with a slash and has no query, and so cannot be {path!r}")
    return path


def _is_under(path: Path, request: Request) -> bool:
    if path is None:
        return True
    asked = request.path
    return path(asked) if callable(path) else asked == path


@overload
def server_stack(
    *,
    path: Path = None,
    subprotocols: Subprotocols = (),
    origins: Origins = None,
    deflate: Deflate | None = None,
    headers: MoreHeaders = None,
    on_request: OnRequest = None,
    handshake_timeout: float = 10.0,
    limits: Limits = LIMITS,
    keepalive: KeepAlive | None = KEEP_ALIVE,
    close_timeout: float = 10.0,
    messages: Literal[True] = True,
) -> Stack[bytes, str | bytes, OutMessage, bytes]: ...
@overload
def server_stack(
    *,
    path: Path = None,
    subprotocols: Subprotocols = (),
    origins: Origins = None,
    deflate: Deflate | None = None,
    headers: MoreHeaders = None,
    on_request: OnRequest = None,
    handshake_timeout: float = 10.0,
    limits: Limits = LIMITS,
    keepalive: KeepAlive | None = KEEP_ALIVE,
    close_timeout: float = 10.0,
    messages: Literal[False],
) -> Stack[bytes, Fragment, OutMessage, bytes]: ...
def server_stack(
    *,
    path: Path = None,
    subprotocols: Subprotocols = (),
    origins: Origins = None,
    deflate: Deflate | None = None,
    headers: MoreHeaders = None,
    on_request: OnRequest = None,
    handshake_timeout: float = 10.0,
    limits: Limits = LIMITS,
    keepalive: KeepAlive | None = KEEP_ALIVE,
    close_timeout: float = 10.0,
    messages: bool = True,
) -> Stack[bytes, Any, OutMessage, bytes]:
    """Everything below the application of a server that speaks WebSocket only: ``server_stack() >> Chat()``.

    Requests that are no handshake, not for ``path``, or not welcome are refused, and their connections end.  What the
    application writes before the handshake is done, such as in ``channel_active``, is sent when it is.

    Args:
        handshake_timeout: seconds from the connection to the end of the request.

    The others, and what is raised: as for ``UpgradeHandler``, which also works where other paths are ordinary HTTP.
    """
    seconds = handshake_timeout
    deadlines = Deadlines(head=seconds, body=seconds, idle=seconds, half_closed=seconds)
    handshake = ServerHandshakeHandler(
        Acceptance(subprotocols=subprotocols, origins=origins, deflate=deflate, headers=headers),
        ProtocolSettings(limits=limits, keepalive=keepalive, close_timeout=close_timeout, messages=messages),
        path,
        on_request,
    )
    stack: Any = http_stack(deadlines=deadlines)
    whole: Stack[bytes, Any, OutMessage, bytes] = stack >> handshake
    return whole
