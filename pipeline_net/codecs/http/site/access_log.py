"""AccessLog: a line about every request of a connection, also about those that were refused or given up.

It stands directly behind ``server_stack()``, so that it sees what all other stages answer.  What ``HttpServerHandler``
answers itself (400, 408, 500 …) it is told by ``RequestRefused``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ....complaints import log_failure
from ....context import ChannelHandlerContext
from ....handler import TransparentHandler
from ..events import RequestRefused
from ..messages import Data, End, FullResponse, Request, RequestPart, Response
from ..proxies import TrustedProxies
from .access_record import AccessRecord, Format, combined_format
from .exchanges import Exchanges

if TYPE_CHECKING:
    from ....future import ChannelFuture
    from ....loop import Loop
    from .access_log_file import AccessLogFile

_logger: Final = logging.getLogger("pipeline_net.http")

_NOBODY: Final = TrustedProxies()
_CLIENT_LEFT: Final = 499  # nginx's number for it; nobody is ever sent it


class AccessLog(TransparentHandler[RequestPart]):
    """Requests and responses → the same, and one line each::

        log = http.AccessLogFile("access.log")          # one for all connections
        http.server_stack() >> http.AccessLog(log) >> …

    Lines of a connection come in the order of its requests.  A request that was refused before it had come has the
    status that was sent (400 and its like, 408, 500); one whose client left before the response began, 499.

    Args:
        to: an ``AccessLogFile``, which never blocks the loop; or a ``logging.Logger``, with whose handlers that is your
            affair (level INFO, the record as ``extra={"access": …}``); or a function that gets each line.
        format: makes the line; ``combined_format``, ``common_format``, ``timed_format`` or a function of yours.
        proxies: peers whose X-Forwarded-For tells who the client is.
    """

    def __init__(
        self,
        to: AccessLogFile | logging.Logger | Callable[[str], object],
        *,
        format: Format = combined_format,
        proxies: TrustedProxies = _NOBODY,
    ) -> None:
        self._logger = to if isinstance(to, logging.Logger) else None
        self._take: Callable[[str], object] | None = None if isinstance(to, logging.Logger) else to
        self._format: Final = format
        self._proxies: Final = proxies
        self._peer: tuple[str, int] | None = None
        self._host = "-"
        self._believes_peer = False
        self._exchanges: Exchanges[AccessRecord] = Exchanges()
        self._unwritten: list[AccessRecord] = []  # in the order of the requests; some wait for those before them

    # -- requests -----------------------------------------------------------------------------------

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if ctx.channel.is_active:
            self._meet(ctx.channel.remote_address)

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._meet(ctx.channel.remote_address)
        ctx.fire_channel_active()

    def _meet(self, address: Any) -> None:
        if isinstance(address, tuple) and len(address) >= 2:
            self._peer = str(address[0]), int(address[1])
            self._host = self._peer[0]
        if not self._proxies.is_empty:
            self._believes_peer = self._proxies.trusts(None if self._peer is None else self._peer[0])

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, Request):
            record = self._begin(ctx, msg)
            self._exchanges.begin(msg, record)
        ctx.fire_channel_read(msg)

    def _begin(self, ctx: ChannelHandlerContext[Any, Any], request: Request | None) -> AccessRecord:
        record = AccessRecord(request, self._client_of(request), time.time(), ctx.channel.loop.time())
        self._unwritten.append(record)
        return record

    def _client_of(self, request: Request | None) -> str:
        if not self._believes_peer or request is None:
            return self._host
        client = self._proxies.client_of(self._peer, request.headers.get("x-forwarded-for") or "")
        return self._host if client is None else client[0]

    # -- responses ----------------------------------------------------------------------------------

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if promise is not None and not promise.take_on():
            return  # cancelled in time: it answers nothing
        ctx.write(msg, promise)
        if isinstance(msg, Response):
            record = self._exchanges.note_of(msg.to)
            if record is not None:
                record.status = msg.status
                if isinstance(msg, FullResponse):
                    self._count(record, len(msg.body))
                    self._end(ctx, msg.to)
        elif isinstance(msg, Data):
            record = self._exchanges.note_of(msg.to)
            if record is not None:
                self._count(record, msg.data.nbytes if isinstance(msg.data, memoryview) else len(msg.data))
        elif isinstance(msg, End):
            self._end(ctx, msg.to)

    def _count(self, record: AccessRecord, size: int) -> None:
        if record.request is None or record.request.method != "HEAD":
            record.bytes_sent += size

    def _end(self, ctx: ChannelHandlerContext[Any, Any], to: Request | None) -> None:
        record = self._exchanges.end(to)
        if record is not None:
            record.is_complete = True
            self._finish(ctx, record)

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        if isinstance(event, RequestRefused):
            record = None if event.request is None else self._exchanges.end(event.request)
            if record is None:
                record = self._begin(ctx, None)
            record.status = event.status
            self._finish(ctx, record)
        ctx.fire_user_event_triggered(event)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        ctx.fire_channel_inactive()
        for record in self._exchanges.take_all():
            record.status = record.status or _CLIENT_LEFT
            self._finish(ctx, record)

    def _finish(self, ctx: ChannelHandlerContext[Any, Any], record: AccessRecord) -> None:
        """A request is over: write its line, and those that waited for it."""
        record.duration = max(ctx.channel.loop.time() - record.began, 0.0)
        unwritten = self._unwritten
        while unwritten and unwritten[0].duration >= 0:
            self._write_line(ctx.channel.loop, unwritten.pop(0))

    def _write_line(self, loop: Loop, record: AccessRecord) -> None:
        try:
            line = self._format(record)
            if self._take is not None:
                self._take(line)
            elif self._logger is not None:
                self._logger.info("%s", line, extra={"access": record})
        except Exception as exc:  # noqa: BLE001 - no reason to answer nobody
            log_failure(loop, _logger, exc, "the access log", "%r could not be logged", record)
