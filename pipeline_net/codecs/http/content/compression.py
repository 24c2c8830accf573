"""ContentCompression: responses compressed for clients that take it.

Compressing is the dearest thing that a server does to most responses, some ten milliseconds a MiB.  So a turn of the
loop compresses a few slices, and the rest waits for the next one; and no faster than the peer takes it, or a slow one
would have the whole body lie in memory.

What is streamed has to arrive when it is written, and an encoder likes to keep the last few KiB to itself.  It is
flushed when the batch of work ends in which something was written, once for all of it; or at once, if somebody asks
(``flush()``, or a promise).

Source: RFC 9110, sections 8.4 and 12.5.3
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ....errors import ChannelBrokenError, EncodeError
from ....file_region import FileRegion
from ....handler import TransparentHandler
from ....handlers.held_writes import CLOSE, FLUSH, SHUTDOWN, WRITE, Held, HeldWrites
from ..headers import Headers
from ..messages import Data, End, FullRequest, FullResponse, Request, Response
from .compressible import encoded, is_compressible, is_eligible, revalidated, varied
from .encoders import DEFAULT_LEVELS, ENCODERS, LEVELS, ContentEncoder
from .negotiation import IDENTITY, AcceptEncoding

if TYPE_CHECKING:
    from ....context import ChannelHandlerContext
    from ....future import ChannelFuture

_SLICE: Final = 32768  # bytes that are compressed at once: half a millisecond
_A_TURN: Final = 8 * _SLICE  # bytes that are compressed in a turn of the loop


class _Exchange:
    """A request, and the response to it as far as it has come."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.encoder: ContentEncoder | None = None
        self.is_dirty = False  # the encoder may keep something that was written
        self.missing = -1  # bytes that a Content-Length has promised; -1 without one


class ContentCompression(TransparentHandler[Any]):  # parts stay parts, and whole messages whole ones
    """Responses → the same, compressed where that is worth it and the client takes it.

    ::

        Response(200, {"content-type": "text/html"})  -->  Response(200, {…, "content-encoding": "gzip",
        Data(b"<html>…")  End()                                          "vary": "accept-encoding"})
                                                           Data(b"\\x1f\\x8b…")  End()

        http.server_stack() >> http.ContentCompression() >> http.RequestAggregator() >> Mine()

    The client's Accept-Encoding is obeyed, with its weights, ``identity`` and ``*``.  If it takes nothing that can be
    had, the response is sent as it is.

    A compressed response has no Content-Length and no Accept-Ranges, and a weak ETag; a whole one of up to 32 KiB gets
    the right Content-Length.  Vary is added to every response that is compressed for some clients.  Parts that are
    streamed leave when the batch of work ends in which they were written, so server-sent events arrive at once.

    A response to HEAD has the headers that GET would get, without a Content-Length where only compressing the body
    would tell it.  A 304 gets the Vary, and to a client that names the weak ETag, that one.

    Left as they are: 204, 205, 206 and whatever has a Content-Range; those with a Content-Encoding, or with
    ``Cache-Control: no-transform``; bodies below ``min_size``, as far as their length is known; media types that are
    compressed already.

    A body that reflects what its reader sends, beside something secret, can be guessed byte by byte from its length
    when it is compressed (BREACH): give such responses ``no-transform``.

    Args:
        codings: what is offered, of ``gzip``, ``deflate``, ``br`` (needs ``pipeline_net[brotli]``) and ``zstd`` (needs
            ``pipeline_net[zstd]``), the preferred one first.
        min_size: bytes; smaller bodies hardly become smaller.
        levels: how hard to try, for each coding: ``{"gzip": 9}``.  gzip and deflate know 1 to 9 (default: 6), br 0 to
            11 (4), zstd 1 to 19 (3).
        compresses: whether a media type, such as ``"text/html"``, is worth it.

    Raises:
        ValueError: a coding that nobody knows, none at all, a level out of range, a negative ``min_size``.
        ImportError: a coding needs a package that is not installed.
        EncodeError: to who writes: a body has another length than its Content-Length said.
    """

    def __init__(
        self,
        codings: Iterable[str] = ("gzip", "deflate"),
        *,
        min_size: int = 1024,
        levels: Mapping[str, int] | None = None,
        compresses: Callable[[str], bool] = is_compressible,
    ) -> None:
        self._codings = tuple(codings)
        self._levels = {**DEFAULT_LEVELS, **(levels or {})}
        for coding in (*self._codings, *self._levels):
            if coding not in ENCODERS:
                raise ValueError(f"a coding is one of {', '.join(ENCODERS)}, not {coding!r}")
            level = self._levels[coding]
            if level not in LEVELS[coding]:
                known = LEVELS[coding]
                raise ValueError(f"the levels of {coding} are {known[0]} to {known[-1]}, and {level!r} is none of them")
        for coding in self._codings:
            if coding in ("br", "zstd"):
                ENCODERS[coding](self._levels[coding])  # what it needs is there, or it says so now
        if not self._codings:
            raise ValueError("without a coding there is nothing to compress with")
        if min_size < 0:
            raise ValueError(f"min_size must not be negative, but is {min_size!r}")
        self._min_size = min_size
        self._compresses = compresses
        self._exchanges: dict[int, _Exchange] = {}  # by id of the request's head, which they keep alive
        self._held = HeldWrites()
        self._ctx: ChannelHandlerContext[Any, Any] | None = None
        self._offset = 0  # bytes of the first Data of the oldest response in the queue that are compressed
        self._under_way = 0  # slices of it that were written and are not sent
        self._spent = 0  # bytes compressed in this turn
        self._turn_ends_soon = False  # a task is scheduled
        self._is_pumping = False

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._ctx = ctx

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if any(exchange.encoder is not None for exchange in self._exchanges.values()) and ctx.channel.is_open:
            ctx.channel.abort(EncodeError("ContentCompression was taken out in the middle of a body"))
        self._ctx = None
        self._exchanges.clear()
        self._held.drop(ctx)

    # -- requests -----------------------------------------------------------------------------------

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, Request):
            self._exchanges[id(_head_of(msg))] = _Exchange(msg)
        ctx.fire_channel_read(msg)

    def _exchange_of(self, to: Request | None) -> _Exchange | None:
        """Find what a part of a response belongs to; ``None`` if that is not clear, as the stage below will say."""
        if to is not None:
            return self._exchanges.get(id(_head_of(to)))
        return next(iter(self._exchanges.values())) if len(self._exchanges) == 1 else None

    # -- responses ----------------------------------------------------------------------------------

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if promise is not None and not promise.take_on():
            return  # cancelled in time: it answers nothing
        if not self._held.queue and len(self._exchanges) <= 1:
            self._write_now(ctx, msg, promise)
        elif self._must_wait(msg):
            self._held.hold(ctx, WRITE, msg, promise, _weight_of(msg))
        else:
            self._write_now(ctx, msg, promise)
            self._pump(ctx)  # it may have been the end of a response for which others wait

    def _must_wait(self, msg: Any) -> bool:
        """Whether something goes first: an earlier part of the same response, or the responses to earlier requests.

        The stage below would keep those that are early, and what is not sent does not make room for more.
        """
        queue = self._held.queue
        if queue and queue[-1].operation in (SHUTDOWN, CLOSE):
            return True  # and be refused
        exchange = self._exchange_of(msg.to) if isinstance(msg, Response | Data | End) else None
        return exchange is not None and (exchange is not self._oldest or self._has_held(exchange))

    @property
    def _oldest(self) -> _Exchange | None:
        return next(iter(self._exchanges.values()), None)

    def _has_held(self, exchange: _Exchange) -> bool:
        return any(held.operation == WRITE and self._exchange_of(held.msg.to) is exchange for held in self._held.queue)

    def _write_now(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if isinstance(msg, Response):
            self._begin(ctx, msg, promise)
        elif isinstance(msg, Data):
            exchange = self._exchange_of(msg.to)
            if exchange is None or exchange.encoder is None:
                ctx.write(msg, promise)
                return
            if _is_small(msg.data) and self._spent < _A_TURN:
                self._count(exchange, _weight_of(msg))
                self._encode_small(ctx, exchange, msg.as_bytes(), promise)
            else:
                self._held.hold(ctx, WRITE, msg, promise, _weight_of(msg))
                self._pump(ctx)
        elif isinstance(msg, End):
            self._end(ctx, msg, promise)
        else:
            ctx.write(msg, promise)

    def _begin(self, ctx: ChannelHandlerContext[Any, Any], msg: Response, promise: ChannelFuture[Any] | None) -> None:
        exchange = self._exchange_of(msg.to)
        if exchange is None:
            ctx.write(msg, promise)
            return
        if isinstance(msg, FullResponse):
            self._begin_whole(ctx, exchange, msg, promise)
            return
        headers, coding = self._plan(exchange, msg, None)
        if coding != IDENTITY:
            headers.facts()
            exchange.missing = headers.length
            headers = encoded(headers, coding)
            if exchange.request.method != "HEAD":
                exchange.encoder = ENCODERS[coding](self._levels[coding])
        ctx.write(Response(msg.status, headers, msg.reason, to=exchange.request, version=msg.version), promise)

    def _begin_whole(
        self,
        ctx: ChannelHandlerContext[Any, Any],
        exchange: _Exchange,
        msg: FullResponse,
        promise: ChannelFuture[Any] | None,
    ) -> None:
        headers, coding = self._plan(exchange, msg, len(msg.body))
        request = exchange.request
        body = msg.body
        if coding != IDENTITY and request.method == "HEAD" and not 0 < len(body) <= _SLICE:
            # RFC 9110 8.6: a HEAD's Content-Length is the one that GET would have sent, or is left out
            del self._exchanges[id(_head_of(request))]
            ctx.write(Response(msg.status, encoded(headers, coding), msg.reason, to=request, version=msg.version))
            ctx.write(End(msg.trailers, to=request), promise)
            return
        if coding != IDENTITY:
            encoder = ENCODERS[coding](self._levels[coding])
            if len(body) > _SLICE:
                exchange.encoder = encoder
                ctx.write(Response(msg.status, encoded(headers, coding), msg.reason, to=request, version=msg.version))
                self._held.hold_first(ctx, End(msg.trailers, to=request), promise)
                self._held.hold_first(ctx, Data(body, to=request), None, len(body))
                self._pump(ctx)
                return
            smaller = encoder.encode(body) + encoder.finish()
            self._spend(ctx, len(body))
            if len(smaller) < len(body) or not AcceptEncoding(_asked_for(request)).takes_identity:
                headers = encoded(headers, coding)
                body = smaller
        del self._exchanges[id(_head_of(request))]
        ctx.write(
            FullResponse(msg.status, headers, body, msg.trailers, reason=msg.reason, to=request, version=msg.version),
            promise,
        )

    def _plan(self, exchange: _Exchange, msg: Response, size: int | None) -> tuple[Headers, str]:
        """Decide about a response of ``size`` bytes, if that is known: the headers to begin with, and the coding."""
        headers = msg.given_headers or Headers()
        method = exchange.request.method
        if not is_eligible(msg, headers, method, self._compresses):
            return headers, IDENTITY
        headers = varied(headers)
        accepted = AcceptEncoding(_asked_for(exchange.request))
        coding = accepted.choose(self._codings)
        if coding == IDENTITY:
            return headers, IDENTITY
        if msg.status == 304:
            return revalidated(headers, exchange.request.headers.get("if-none-match")), IDENTITY
        if size is None or (size == 0 and method == "HEAD"):  # whoever answers HEAD may leave out the body
            headers.facts()
            size = headers.length  # -1 if nobody knows
        if 0 <= size < self._min_size and (size == 0 or accepted.takes_identity):
            return headers, IDENTITY
        return headers, coding

    def _end(self, ctx: ChannelHandlerContext[Any, Any], msg: End, promise: ChannelFuture[Any] | None) -> None:
        exchange = self._exchange_of(msg.to)
        if exchange is None:
            ctx.write(msg, promise)
            return
        request = exchange.request
        del self._exchanges[id(_head_of(request))]
        if exchange.encoder is not None:
            if exchange.missing > 0:
                ctx.close()  # the client sees that the body is cut off
                raise EncodeError(f"the message ends {exchange.missing} bytes before its Content-Length")
            ctx.write(Data(exchange.encoder.finish(), to=request))
        ctx.write(End(msg.trailers, to=request), promise)

    def _count(self, exchange: _Exchange, size: int) -> None:
        if exchange.missing < 0:
            return
        if size > exchange.missing:
            raise EncodeError(f"{size} bytes of body follow where Content-Length leaves {exchange.missing}")
        exchange.missing -= size

    def _encode_small(
        self, ctx: ChannelHandlerContext[Any, Any], exchange: _Exchange, data: bytes, promise: ChannelFuture[Any] | None
    ) -> None:
        encoder = exchange.encoder
        assert encoder is not None, "it was asked for"
        output = encoder.encode(data)
        exchange.is_dirty = promise is None
        if promise is not None:
            output += encoder.flush()
        self._spend(ctx, len(data))
        if output or promise is not None:
            ctx.write(Data(output, to=exchange.request), promise)

    # -- turns of the loop --------------------------------------------------------------------------

    def _spend(self, ctx: ChannelHandlerContext[Any, Any], size: int) -> None:
        self._spent += size
        if not self._turn_ends_soon:
            self._turn_ends_soon = True
            ctx.loop.execute(self._turn_ends)

    def _turn_ends(self) -> None:
        """Others have had their turn: go on with what waits, and let out what the encoders have kept."""
        self._turn_ends_soon = False
        self._spent = 0
        ctx = self._ctx
        if ctx is not None and ctx.channel.is_open:
            self._pump(ctx)
            self._flush_encoders(ctx)

    def _flush_encoders(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        for exchange in list(self._exchanges.values()):
            if exchange.is_dirty and exchange.encoder is not None and not self._has_held(exchange):
                exchange.is_dirty = False
                ctx.write(Data(exchange.encoder.flush(), to=exchange.request))

    def flush(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._held.queue:
            self._held.hold(ctx, FLUSH, None, None)
        else:
            self._flush_encoders(ctx)
        ctx.flush()

    def shutdown_output(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        if self._held.queue:
            self._held.hold(ctx, SHUTDOWN, None, promise)
            self._pump(ctx)
        else:
            ctx.shutdown_output(promise)

    def close(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        if self._held.queue and ctx.channel.is_active:
            self._held.hold(ctx, CLOSE, None, promise)
            self._pump(ctx)
        else:
            self._flush_encoders(ctx)
            ctx.close(promise)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._exchanges.clear()
        self._held.drop(ctx)
        ctx.fire_channel_inactive()

    # -- bodies that take several turns -------------------------------------------------------------

    def _pump(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        """Pass on what waits, as far as this turn and the peer allow."""
        if self._is_pumping:
            return
        self._is_pumping = True
        held = self._held
        try:
            while held.queue and ctx.channel.is_open:
                index = self._next_index()
                if index < 0:
                    if held.queue[-1].operation not in (SHUTDOWN, CLOSE):
                        break
                    held.refuse_writes(ctx)  # their turn will not come
                    continue
                first = held.queue[index]
                if first.operation != WRITE:
                    held.let_out(ctx)
                    continue
                exchange = self._exchange_of(first.msg.to) if isinstance(first.msg, Data) else None
                if exchange is None or exchange.encoder is None:
                    self._let_out(ctx, index, first)
                elif self._spent >= _A_TURN or (self._under_way > 0 and not ctx.channel.is_writable):
                    break
                else:
                    self._encode_slice(ctx, exchange, exchange.encoder, index, first)
        finally:
            self._is_pumping = False

    def _next_index(self) -> int:
        """Find what goes next: the first thing of the oldest response; -1 if nothing of that is here."""
        oldest = self._oldest
        for index, held in enumerate(self._held.queue):
            if held.operation != WRITE:
                if index == 0:
                    return index
            elif self._exchange_of(held.msg.to) in (None, oldest):
                return index
        return -1

    def _let_out(self, ctx: ChannelHandlerContext[Any, Any], index: int, first: Held) -> None:
        """Write what is not a body to compress: a head, an end, or what belongs to no response."""
        del self._held.queue[index]
        self._held.release(ctx, first.size)
        try:
            self._write_now(ctx, first.msg, first.promise)
        except EncodeError as exc:
            ctx.refuse(exc, first.promise)

    def _encode_slice(
        self,
        ctx: ChannelHandlerContext[Any, Any],
        exchange: _Exchange,
        encoder: ContentEncoder,
        index: int,
        first: Held,
    ) -> None:
        promise = first.promise
        data = first.msg.data
        size = _weight_of(first.msg)
        try:
            if self._offset == 0:
                self._count(exchange, size)
            piece = _piece(data, self._offset)
        except EncodeError as exc:
            del self._held.queue[index]
            self._held.release(ctx, first.size)
            ctx.refuse(exc, promise)
            return
        except (OSError, ValueError) as exc:  # the file has become shorter, or somebody has closed it
            ctx.channel.abort(ChannelBrokenError(str(exc)))  # the peer must not take the half for the whole
            return
        self._offset += len(piece)
        is_last = self._offset >= size
        output = encoder.encode(piece)
        if is_last:
            self._offset = 0
            del self._held.queue[index]
            self._held.release(ctx, first.size)
            if promise is not None:
                output += encoder.flush()
        exchange.is_dirty = not is_last or promise is None
        self._spend(ctx, len(piece))
        if output or is_last:
            sent: ChannelFuture[Any] = promise if is_last and promise is not None else ctx.new_promise()
            self._under_way += 1
            sent.add_done_callback(self._slice_is_sent)
            ctx.write(Data(output, to=exchange.request), sent)

    def _slice_is_sent(self, sent: ChannelFuture[Any]) -> None:
        self._under_way -= 1
        ctx = self._ctx
        if ctx is not None and ctx.channel.is_open:
            self._pump(ctx)


def _head_of(request: Request) -> Request:
    """The head by which ``to`` knows a request: it may name either."""
    if isinstance(request, FullRequest) and request.head is not None:
        return request.head
    return request


def _asked_for(request: Request) -> str | None:
    return request.headers.get("accept-encoding")


def _is_small(data: bytes | bytearray | memoryview | FileRegion) -> bool:
    return not isinstance(data, FileRegion) and memoryview(data).nbytes <= _SLICE


def _weight_of(msg: Any) -> int:
    """Count what a part of a response weighs while it is held back."""
    if isinstance(msg, Data):
        return len(msg.data) if isinstance(msg.data, FileRegion) else memoryview(msg.data).nbytes
    return len(msg.body) if isinstance(msg, FullResponse) else 0


def _piece(data: bytes | bytearray | memoryview | FileRegion, offset: int) -> bytes | memoryview:
    """Return the next slice of a body.

    Raises:
        OSError: the file has become shorter.
        ValueError: it is closed.
    """
    if not isinstance(data, FileRegion):
        return memoryview(data).cast("B")[offset : offset + _SLICE]
    wanted = min(_SLICE, len(data) - offset)
    piece = os.pread(data.file.fileno(), wanted, data.offset + offset)
    if wanted and not piece:
        raise OSError(f"{data!r}: the file has become shorter than it was")
    return piece
