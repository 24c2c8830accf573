"""ContentDecompression: bodies as they were before somebody compressed them.

A small body may decode into a very large one.  So there are limits, and two kinds of memory to care for: what is made
at once (a slice of 64 KiB), and what is made faster than the application takes it.  A piece of a body that has come is
decoded only as far as the application goes along: it stops while something above holds reads, while nobody has asked
(``auto_read`` off), and while the channel is not writable, for the answer may be as large as the body.  What arrives
meanwhile waits, and reading from the peer is held.  After a few slices other channels have their turn.

Source: RFC 9110, sections 8.4, 12.5.3 and 15.5.16
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from ....errors import PipelineError
from ....handler import TransparentHandler
from ...base import ByteToMessageDecoder
from ..messages import CHUNKED, Data, End, FullRequest, FullResponse, Request, Response
from ..status import reason_phrase
from .decoders import DECODERS
from .decoding import Decoding
from .errors import ContentDecodingError

if TYPE_CHECKING:
    from ....context import ChannelHandlerContext
    from ....future import ChannelFuture

_logger: Final = logging.getLogger("pipeline_net.http")

_STEPS: Final = 16  # steps a turn of the loop: a MiB or so, which takes some milliseconds
_MAX_CODINGS: Final = 3  # in one Content-Encoding; nobody needs two
_MAX_SIZE: Final = 64 * 1024 * 1024  # bytes
_MAX_RATIO: Final = 200  # deflate makes at most 1032 bytes of one; a page of a program makes 10, a log file perhaps 50
_ALIASES: Final = {"x-gzip": "gzip"}  # RFC 9110 8.4.1.3: "A recipient SHOULD consider "x-gzip" to be equivalent"


class _Caught:
    """An error that waits for its turn; ``None`` stands for the end of input."""

    def __init__(self, exc: BaseException | None) -> None:
        self.exc = exc


class ContentDecompression(TransparentHandler[Any]):  # parts stay parts, and whole messages whole ones
    """Parts of messages whose body is encoded → the same with the body as it was; other messages → the same.

    ::

        Request(…, content-encoding: gzip)  Data(b"\\x1f\\x8b…")  End()  -->  Request(…)  Data(b"hello")  End()

    It sits below the aggregator, on either side::

        http.server_stack() >> http.ContentDecompression() >> http.RequestAggregator() >> Mine()
        http.client_stack() >> http.ContentDecompression() >> http.ResponseAggregator() >> Mine()

    What is passed on has no Content-Encoding and no Content-Length, and ``body_length`` is ``CHUNKED`` where it was a
    number.  It is the same object as before, so that ``to=request`` goes on to work.  Every ``Data`` has at most 64 KiB
    (with br, about twice that).

    A server answers what it cannot decode, and the application hears no more of that request: an unknown coding, or
    more than three, with 415 and an Accept-Encoding that says what is read here; a body that is corrupted, cut off, or
    followed by something with 400; one that is too much with 413.  If the application has answered already, the
    connection ends.

    On a client, a response with an unknown coding is passed on as it is, as are parts of a representation (206).  One
    that cannot be decoded reaches the program as ``ContentDecodingError`` through ``exception_caught``, and the
    connection ends.  Requests that have neither Accept-Encoding nor Range get ``accept-encoding: gzip, deflate``
    (``accept_encoding``), unless ``asks`` is false.

    Args:
        codings: what is decoded, of ``gzip``, ``deflate``, ``br`` (needs ``pipeline_net[brotli]``) and ``zstd`` (needs
            ``pipeline_net[zstd]``), the preferred one first.
        max_size: bytes that a body may have when it is decoded; ``None`` for any number.  An aggregator above has a
            limit of its own.
        max_ratio: how many times as large a body above 1 MiB may become; ``None`` for any.
        asks: whether requests that are written get an Accept-Encoding.

    Raises:
        ValueError: a coding that nobody knows, none at all, or a limit below 1.
        ImportError: a coding needs a package that is not installed.
        PipelineError: to all stages: it was taken out in the middle of a body, and the channel is aborted; or whole
            messages came, because it sits above the aggregator.
    """

    def __init__(
        self,
        codings: Iterable[str] = ("gzip", "deflate"),
        *,
        max_size: int | None = _MAX_SIZE,
        max_ratio: int | None = _MAX_RATIO,
        asks: bool = True,
    ) -> None:
        self._codings = tuple(codings)
        for coding in self._codings:
            if coding not in DECODERS:
                raise ValueError(f"a coding is one of {', '.join(DECODERS)}, not {coding!r}")
            DECODERS[coding]()  # what it needs is there, or it says so now
        if not self._codings:
            raise ValueError("without a coding there is nothing to decode")
        for name, limit in (("max_size", max_size), ("max_ratio", max_ratio)):
            if limit is not None and limit < 1:
                raise ValueError(f"{name} must be at least 1, or None for no limit, not {limit!r}")
        self._max_size = max_size
        self._max_ratio = max_ratio
        self._asks = asks
        self._head: Request | Response | None = None  # of the message whose body is being decoded
        self._decoding: Decoding | None = None
        self._has_input = False  # the decoding may have something to do
        self._is_answered = False  # the response to the request in _head has begun
        self._dropping = False  # the rest of a message that was refused
        self._waiting: deque[Any] = deque()  # what came after the piece of a body that is being decoded
        self._delivering = False
        self._is_asked = False  # by read(), with auto_read off
        self._is_holding = False  # reads
        self._goes_on_soon = False  # a task or a callback will go on
        self._owes_complete = False

    @property
    def accept_encoding(self) -> str:
        """The value of an Accept-Encoding that says what is decoded here: ``"gzip, deflate"``."""
        return ", ".join(self._codings)

    # -- inbound ------------------------------------------------------------------------------------

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self._waiting.append(msg)
        if not self._delivering:
            self._deliver(ctx)

    def channel_read_complete(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._owes_complete = False
        ctx.fire_channel_read_complete()

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.channel_read(ctx, _Caught(None))

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        if self._is_busy and ctx.channel.is_open:
            self._waiting.append(_Caught(exc))  # what came before an error is delivered before it
        else:
            ctx.fire_exception_caught(exc)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        waiting = self._forget()
        for event in waiting:
            if isinstance(event, _Caught) and event.exc is not None:
                ctx.fire_exception_caught(event.exc)
        ctx.fire_channel_inactive()

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._is_busy and ctx.channel.is_open:
            ctx.channel.abort(PipelineError("ContentDecompression was taken out in the middle of a body"))
        self._forget()
        self._hold(ctx, False)

    def _forget(self) -> deque[Any]:
        waiting = self._waiting
        self._waiting = deque()
        self._decoding = None
        self._has_input = False
        return waiting

    @property
    def _is_busy(self) -> bool:
        return self._has_input or len(self._waiting) > 0

    def read(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._is_asked = True
        if self._delivering:
            return  # who delivers will see it
        if self._is_busy:
            self._deliver(ctx)
        else:
            ctx.read()

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        ctx.fire_channel_writability_changed()
        if self._is_busy and not self._delivering and ctx.channel.is_writable:
            self._deliver(ctx)

    # -- what is delivered, and when ----------------------------------------------------------------

    def _deliver(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Pass on what may be passed on now; see to it that the rest follows."""
        self._delivering = True
        steps = _STEPS
        try:
            while ctx.channel.is_open and not ctx.is_removed:
                if not self._has_input:
                    if not self._waiting:
                        break
                    self._take(ctx, self._waiting.popleft())
                elif steps > 0 and self._may_go_on(ctx):
                    steps -= 1
                    self._step(ctx)
                else:
                    break
        finally:
            self._delivering = False
        if not ctx.channel.is_open or ctx.is_removed:
            return
        self._hold(ctx, self._is_busy)
        if self._is_busy and self._is_asked_for(ctx):
            self._go_on_later(ctx)
        elif not self._is_busy and self._is_asked and not ctx.channel.auto_read:
            ctx.read()  # nothing came of what has come

    def _go_on_later(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Go on when others have had their turn, and when who holds us up lets go."""
        if self._goes_on_soon:
            return
        if self._is_held_up(ctx):
            self._goes_on_soon = True
            ctx.channel.when_released(lambda: self._go_on(ctx))
        elif _has_room(ctx):  # otherwise we hear of it
            self._goes_on_soon = True
            ctx.loop.execute(self._go_on, ctx)

    def _go_on(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._goes_on_soon = False
        if ctx.is_removed or not ctx.channel.is_open or self._delivering or not self._is_busy:
            return
        self._owes_complete = True
        self._deliver(ctx)
        if ctx.channel.is_open:
            self._complete(ctx)

    def _complete(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._owes_complete:
            self._owes_complete = False
            ctx.fire_channel_read_complete()

    def _may_go_on(self, ctx: ChannelHandlerContext[Any, Any]) -> bool:
        return self._is_asked_for(ctx) and _has_room(ctx) and not self._is_held_up(ctx)

    def _is_asked_for(self, ctx: ChannelHandlerContext[Any, Any]) -> bool:
        return ctx.channel.auto_read or self._is_asked

    def _is_held_up(self, ctx: ChannelHandlerContext[Any, Any]) -> bool:
        """Whether somebody holds reads besides us, and besides the decoder of HTTP, which does so when the next
        request is here already: that one waits for us.
        """
        holds = ctx.channel.read_holds - self._is_holding
        if holds > 0:
            holds -= sum(stage.holds_reads for stage in ctx.pipeline if isinstance(stage, ByteToMessageDecoder))
        return holds > 0

    def _hold(self, ctx: ChannelHandlerContext[Any, Any], value: bool) -> None:
        if value is not self._is_holding:
            self._is_holding = value
            if value:
                ctx.channel.hold_reads()
            else:
                ctx.channel.release_reads()

    # -- one message, or a step of it ---------------------------------------------------------------

    def _take(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, Data):
            if self._decoding is not None:
                self._decoding.feed(msg.as_bytes())
                self._has_input = True
            elif not self._dropping:
                self._fire(ctx, msg)
        elif isinstance(msg, End):
            self._end(ctx, msg)
        elif isinstance(msg, Request | Response):
            self._begin(ctx, msg)
        elif isinstance(msg, _Caught):
            if msg.exc is not None:
                ctx.fire_exception_caught(msg.exc)
            else:
                self._complete(ctx)
                ctx.fire_channel_eof()
        else:
            self._fire(ctx, msg)

    def _begin(self, ctx: ChannelHandlerContext[Any, Any], msg: Request | Response) -> None:
        self._dropping = False
        self._is_answered = False
        self._head = msg
        encoding = msg.headers.get("content-encoding")
        if encoding is None or msg.body_length == 0 or (isinstance(msg, Response) and msg.status == 206):
            self._fire(ctx, msg)
            return
        if isinstance(msg, FullRequest | FullResponse):
            raise PipelineError("ContentDecompression reads messages in parts: it belongs below the aggregator")
        codings = _codings_of(encoding)
        unknown = [coding for coding in codings if coding not in self._codings]
        if isinstance(msg, Request):
            if unknown:
                self._refuse(ctx, ContentDecodingError(415, f"nobody here decodes {unknown[0]!r}"))
                return
            if len(codings) > _MAX_CODINGS:
                self._refuse(ctx, ContentDecodingError(415, f"{len(codings)} codings are more than {_MAX_CODINGS}"))
                return
        if codings and not unknown and len(codings) <= _MAX_CODINGS:
            decoders = [DECODERS[coding]() for coding in reversed(codings)]
            self._decoding = Decoding(decoders, self._max_size, self._max_ratio)
            msg.headers.discard("content-encoding")
            msg.headers.discard("content-length")
            if msg.body_length > 0:
                msg.body_length = CHUNKED
        self._fire(ctx, msg)

    def _step(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        decoding = self._decoding
        assert decoding is not None, "there is input for it"
        try:
            output = decoding.step()
        except ContentDecodingError as exc:
            self._refuse(ctx, exc)
            return
        if output is None:
            self._has_input = False
        elif output:
            self._fire(ctx, Data(output))

    def _fire(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self._is_asked = False
        ctx.fire_channel_read(msg)

    def _end(self, ctx: ChannelHandlerContext[Any, Any], msg: End) -> None:
        if self._dropping:
            self._dropping = False
            return
        decoding = self._decoding
        self._decoding = None
        if decoding is not None:
            try:
                decoding.finish()
            except ContentDecodingError as exc:
                self._refuse(ctx, exc)
                self._dropping = False  # this was the last of it
                return
        self._fire(ctx, msg)

    def _refuse(self, ctx: ChannelHandlerContext[Any, Any], error: ContentDecodingError) -> None:
        """Say what is wrong with the message, and drop what is left of it."""
        self._decoding = None
        self._has_input = False
        self._dropping = True
        head = self._head
        if not isinstance(head, Request):
            ctx.fire_exception_caught(error)
            ctx.close()
            return
        _logger.info("%s was refused: %s", ctx.channel.remote_address, error)
        if self._is_answered:
            ctx.close()
            return
        headers = {"content-type": "text/plain"}
        if error.status == 415:
            headers["accept-encoding"] = self.accept_encoding
        else:
            headers["connection"] = "close"
        body = f"{error.status} {reason_phrase(error.status)}: {error}\n".encode("latin-1", "replace")
        ctx.write(FullResponse(error.status, headers, body, to=head))

    # -- outbound -----------------------------------------------------------------------------------

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if promise is not None and not promise.take_on():
            return  # cancelled in time: it answers nothing
        if isinstance(msg, Response):
            to = msg.to
            if to is None or to is self._head or (isinstance(to, FullRequest) and to.head is self._head):
                self._is_answered = True
        elif isinstance(msg, Request) and self._asks:
            msg = _asking(msg, self.accept_encoding)
        ctx.write(msg, promise)


def _has_room(ctx: ChannelHandlerContext[Any, Any]) -> bool:
    return ctx.channel.is_writable or not ctx.channel.pauses_when_unwritable


def _codings_of(encoding: str) -> list[str]:
    """Take a Content-Encoding apart; ``identity`` should not be in there, and means nothing."""
    names = [name.strip(" \t").lower() for name in encoding.split(",")]
    return [_ALIASES.get(name, name) for name in names if name not in ("", "identity")]


def _asking(msg: Request, value: str) -> Request:
    """Return the request with an Accept-Encoding, unless it has its own, or wants a part: of what, it may not change.

    It is another object, for the headers may be a constant.
    """
    if "accept-encoding" in msg.headers or "range" in msg.headers:
        return msg
    headers = msg.headers.copy()
    headers.add("accept-encoding", value)
    if isinstance(msg, FullRequest):
        return FullRequest(msg.method, msg.raw_target, headers, msg.body, msg.trailers, version=msg.version)
    return Request(msg.method, msg.raw_target, headers, version=msg.version)
