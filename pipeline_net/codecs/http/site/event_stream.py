"""EventStream: server-sent events to one client, for as long as it stays.

::

    GET /clock  ─▶  HTTP/1.1 200 OK
                    content-type: text/event-stream
                    cache-control: no-store             a cache must not keep what never ends
                    x-accel-buffering: no               nginx must not wait for more of it

    send()      ─▶  data: 12:00:00
    send()      ─▶  data: 12:00:01
    a timer     ─▶  :                                   proxies end what is silent; and who has gone, is found out

A browser's ``EventSource`` comes back by itself when the connection ends, and tells the id of the last event that it
has seen.  So a stream may be ended at any time: for a server that restarts, or a client that cannot keep up, that is
the right answer, and not a failure.  Only a 204 tells it to stay away.

Source: WHATWG HTML, section 9.2, "Server-sent events"
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal

from ....complaints import log_failure
from ....context import ChannelHandlerContext
from ....errors import ChannelClosedError
from ....handler import ChannelInboundHandler
from ....server_draining import ServerDraining
from ..events import InputEnded
from ..headers import Headers, HeadersLike, as_headers
from ..messages import Data, End, Request, Response, ResponsePart
from .event_encoding import encode_comment, encode_event, retry_line
from .exchanges import head_of
from .streaming import StreamingResponse

if TYPE_CHECKING:
    from ....loop import Loop
    from ....transport.timers import TimerHandle

_logger: Final = logging.getLogger("pipeline_net.http")

_HEADERS: Final = Headers({"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"})
_HEARTBEAT: Final = encode_comment()
_TASK: Final = 256  # bytes that an event costs besides its own, while it is on its way to the loop
_NEW: Final = 0
_OPEN: Final = 1
_ENDED: Final = 2


class EventStream(StreamingResponse):
    """The response of a handler that goes on telling::

        @router.get("/clock")
        def clock(request):
            return ticks.add(http.EventStream(request))     # ticks is an EventBroadcast

    Without a router: ``stream.begin(ctx, request)``.  What is sent before is kept until then.

    Every method may be called from any thread.  The stream ends when ``close()`` is called, the client leaves, or the
    server is drained; then ``on_end`` is called, once.  A client that sends the end of its input has left: no
    ``EventSource`` does that and goes on listening.

    Args:
        request: what it answers.
        heartbeat: seconds between comments that keep the connection alive, when nothing else was sent; ``None`` for
            none.  Most proxies take a minute of silence for the end.
        max_pending: bytes that may wait for a client that does not read.  What threads have sent and the loop has not
            come to is bounded by the channel's ``write_buffer_limit``, with the same outcome.
        when_slow: what happens to a client that has more waiting: its stream is ended (``"end"``: it comes back, and
            tells what it saw last), or what is sent to it is dropped until it has read (``"skip"``: for events of which
            only the newest counts).
        retry: milliseconds after which a client comes back when the connection is lost; by default its own idea.
        headers: of the response, besides those above.
        on_end: called with the stream when it has ended; on the loop, if it has begun.

    Raises:
        ValueError: a heartbeat or a size that is not above 0; another policy.
        EncodeError: the time to come back is none.
    """

    def __init__(
        self,
        request: Request,
        *,
        heartbeat: float | None = 15.0,
        max_pending: int = 256 * 1024,
        when_slow: Literal["end", "skip"] = "end",
        retry: int | None = None,
        headers: HeadersLike | None = None,
        on_end: Callable[[EventStream], object] | None = None,
    ) -> None:
        if heartbeat is not None and not heartbeat > 0:
            raise ValueError(f"heartbeat must be more than 0 seconds, or None, not {heartbeat!r}")
        if max_pending < 1:
            raise ValueError(f"max_pending must be more than 0 bytes, not {max_pending!r}")
        if when_slow not in ("end", "skip"):
            raise ValueError(f"when_slow is 'end' or 'skip', not {when_slow!r}")
        self.last_event_id: Final = _last_event_id_of(request)
        """The id of the event that the client saw last, if it comes back; ``None`` otherwise."""
        self.skipped = 0
        """Events that this client was too slow for."""
        self._request: Final = head_of(request)
        self._heartbeat: Final = heartbeat
        self._max_pending: Final = max_pending
        self._ends_when_slow: Final = when_slow == "end"
        self._headers: Final = _headers_with(headers)
        self._on_end: list[Callable[[EventStream], object]] = [] if on_end is None else [on_end]
        self._early: deque[bytes] = deque()  # sent before it has begun
        self._early_bytes = 0
        if retry is not None:
            self._early.append((retry_line(retry) + "\n").encode())
        self._lock: Final = threading.Lock()
        self._under_way = 0  # bytes that other threads have sent and the loop has not come to
        self._is_left_behind = False  # there were too many of them
        self._state = _NEW
        self._ctx: ChannelHandlerContext[Any, Any] | None = None
        self._watch = _Watch(self)
        self._timer: TimerHandle | None = None
        self._is_quiet = False  # nothing was sent since the last heartbeat was due

    def __repr__(self) -> str:
        state = ("not begun", "open", "ended")[self._state]
        where = "" if self._ctx is None else f" to {self._ctx.channel.remote_address}"
        return f"<EventStream{where}, {state}>"

    @property
    def is_open(self) -> bool:
        """Whether events reach the client, as far as we know."""
        return self._state == _OPEN

    @property
    def loop(self) -> Loop | None:
        """The loop on which it lives; ``None`` before it has begun."""
        return None if self._ctx is None else self._ctx.channel.loop

    def send(self, data: str, *, event: str | None = None, id: str | None = None, retry: int | None = None) -> None:
        """Send one event; see ``encode_event``.  To a stream that has ended: nothing.

        Raises:
            EncodeError: the event cannot be encoded.
        """
        self.send_encoded(encode_event(data, event=event, id=id, retry=retry))

    def send_encoded(self, event: bytes) -> None:
        """Send what ``encode_event`` has made."""
        if self._state == _NEW:
            self._keep(event)
            if self._state == _OPEN:  # since this very moment, on its loop
                self._on_loop(self._send_early)
        elif self._state == _OPEN:
            loop = self.loop
            if loop is not None and loop.in_loop:
                self.send_on_loop(event)
            elif self.takes_place(event):
                self._on_loop(self.arrive, event)

    def close(self) -> None:
        """End the stream in good order.  The client will come back, unless it is answered with 204 then."""
        if self._state == _NEW:
            self._has_ended()
        elif self._state == _OPEN:
            self._on_loop(self.end)

    def when_ended(self, fn: Callable[[EventStream], object]) -> None:
        """Call ``fn(self)`` when the stream has ended; at once if it has."""
        self._on_end.append(fn)
        if self._state == _ENDED:
            self._tell()

    def _on_loop(self, fn: Callable[..., object], *args: Any) -> None:
        loop = self.loop
        assert loop is not None, "it has begun"
        if loop.in_loop:
            fn(*args)
            return
        try:
            loop.execute(fn, *args)
        except ChannelClosedError:
            _logger.debug("%s has stopped, which has ended %r", loop.name, self)

    def takes_place(self, event: bytes) -> bool:
        """Count an event that is on its way to the loop; false if that has fallen so far behind that it is left out."""
        ctx = self._ctx
        assert ctx is not None, "it has begun"
        with self._lock:
            fits = self._under_way < ctx.channel.options.write_buffer_limit
            if fits:
                self._under_way += len(event) + _TASK
                return True
            self.skipped += 1
            is_first = not self._is_left_behind
            self._is_left_behind = True
        if is_first and self._ends_when_slow:
            self._on_loop(self._give_up)
        return False

    def _keep(self, event: bytes) -> None:
        """Keep an event until the stream begins: as many as may wait for its client later, for it may never begin."""
        self._early_bytes += len(event)
        if self._early_bytes <= self._max_pending:
            self._early.append(event)
            return
        self.skipped += 1
        self._early_bytes -= len(event)
        if self._ends_when_slow:
            self._has_ended()

    # -- on the loop --------------------------------------------------------------------------------

    def begin(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        self._ctx = ctx
        if not ctx.channel.is_open:
            self._has_ended()
            return
        ctx.write(Response(200, self._headers, to=self._request))
        if self._state == _ENDED or request.method == "HEAD":
            ctx.write(End(to=self._request))
            self._has_ended()
            return
        ctx.pipeline.add_after(ctx.name, self._watch)
        self._state = _OPEN
        self._send_early()
        ctx.flush()  # an EventSource is open when its head has come
        if self._heartbeat is not None and self._state == _OPEN:
            self._timer = ctx.channel.loop.schedule_every(self._heartbeat, self._beat)

    def _send_early(self) -> None:
        while self._early and self._state == _OPEN:
            self.send_on_loop(self._early.popleft())

    def arrive(self, event: bytes) -> None:
        """Write one event that ``takes_place`` has counted."""
        with self._lock:
            self._under_way -= len(event) + _TASK
        self.send_on_loop(event)

    def send_on_loop(self, event: bytes) -> None:
        """Write one event, unless the client is too far behind."""
        ctx = self._ctx
        if self._state != _OPEN or ctx is None or not ctx.channel.is_open:
            return
        channel = ctx.channel
        if channel.pending_write_bytes + len(event) > self._max_pending:
            ctx.flush()  # perhaps nobody has tried yet
        if channel.pending_write_bytes + len(event) > self._max_pending:
            self.skipped += 1
            if self._ends_when_slow:
                self._give_up()
            return
        self._is_quiet = False
        ctx.write(Data(event, to=self._request))

    def _give_up(self) -> None:
        """The client is too far behind."""
        ctx = self._ctx
        if self._state == _OPEN and ctx is not None and ctx.channel.is_open:
            _logger.info("%s reads too slowly: its stream of events is ended", ctx.channel.remote_address)
            ctx.channel.abort()  # an orderly end would wait behind all that it does not read

    def _beat(self) -> None:
        if self._is_quiet:
            self.send_on_loop(_HEARTBEAT)
        self._is_quiet = True

    def end(self) -> None:
        """Write the end of the response."""
        ctx = self._ctx
        if self._state != _OPEN or ctx is None:
            return
        self._has_ended()
        if ctx.channel.is_open:
            ctx.write(End(to=self._request))

    def gone(self) -> None:
        """Stop, for there is nobody to send to."""
        if self._state == _OPEN:
            self._has_ended()

    def _has_ended(self) -> None:
        self._state = _ENDED
        self._early.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        ctx = self._ctx
        if ctx is not None and self._watch in ctx.pipeline:
            ctx.pipeline.remove(self._watch)
        self._tell()

    def _tell(self) -> None:
        on_end, self._on_end = self._on_end, []
        for fn in on_end:
            try:
                fn(self)
            except Exception as exc:
                loop = self.loop
                if loop is None:
                    _logger.exception("%r: what was to be called at its end raised", self)
                else:
                    what = "%r: what was to be called at its end raised"
                    log_failure(loop, _logger, exc, "the end of a stream", what, self)


class _Watch(ChannelInboundHandler[Any, Any, ResponsePart]):
    """Sits in the pipeline while a stream is open, and hears when that is over."""

    def __init__(self, stream: EventStream) -> None:
        self._stream: EventStream | None = stream  # until this leaves

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._stream = None  # which refers to us

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        if self._stream is not None and isinstance(event, (ServerDraining, InputEnded)):
            self._stream.end()
        ctx.fire_user_event_triggered(event)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._stream is not None:
            self._stream.gone()
        ctx.fire_channel_inactive()


def _headers_with(more: HeadersLike | None) -> Headers:
    if more is None:
        return _HEADERS
    headers = _HEADERS.copy()
    for name, value in as_headers(more).items():
        headers[name] = value
    return headers


def _last_event_id_of(request: Request) -> str | None:
    """Read Last-Event-ID, which is UTF-8 (WHATWG HTML 9.2.4); the values of headers are shown as Latin-1."""
    value = request.headers.get("last-event-id")
    return None if value is None else value.encode("latin-1").decode("utf-8", "replace")
