"""Exchange: one request and its response, on their way between two connections.

::

    client ── Request, Data, End ──▶ Exchange ──▶ origin      the client is not read from while the origin has no room
    client ◀─────────────────────── Exchange ◀── origin       and the other way round

Nothing is kept but what one read of the client has brought while the connection to the origin is made.

What is to be seen at which end when something breaks:

* The origin cannot be reached, or talks before it was asked; it ends, or talks nonsense, before its response has begun:
  502.  It says nothing: 504.
* The same in the middle of a response: the client's connection is aborted, for an end in good order would let half a
  file pass for a whole one.
* The client goes: the connection to the origin is aborted, which is all that HTTP/1.1 has to cancel a request.
* The origin answers before the request has ended: its response goes on.  If it is an error, the client is told that the
  connection ends, so that it need not send the rest.
* A connection that was kept turns out to be closed: the request is sent again, once, on a new one, if it is safe
  (RFC 9110 9.2.2) and has no body, and nothing of a response has come.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from ...codecs.http import (
    END,
    Data,
    End,
    FullResponse,
    HttpDecodeError,
    InterimResponse,
    Request,
    RequestPart,
    Response,
    ResponsePart,
    reason_phrase,
)
from ...complaints import complaints_of
from ...context import ChannelHandlerContext
from ...errors import EncodeError
from .forwarding import interim_headers, response_headers
from .origins import OriginLink
from .tunnel import join

if TYPE_CHECKING:
    from ...channel import Channel
    from ...future import ChannelFuture
    from ...transport.timers import TimerHandle
    from .handler import ReverseProxy

logger: Final = logging.getLogger("pipeline_net.proxy")

_SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))


class Exchange:
    """One request and its response; all calls on the loop of both connections.

    Args:
        head: the request as the origin gets it.
        request: as the client has sent it.
    """

    def __init__(
        self, proxy: ReverseProxy, ctx: ChannelHandlerContext[Any, Any], request: Request, head: Request
    ) -> None:
        self._proxy = proxy
        self._ctx = ctx
        self._request = request
        self._head = head
        self._link: OriginLink | None = None
        self._connecting: ChannelFuture[Any] | None = None
        self._turn = 0
        self._attempts = 0
        self._waiting: list[RequestPart] = []  # until there is a connection
        self._request_ended = False
        self._has_heard = False  # anything of a response
        self._has_begun = False  # to answer
        self._status = 0
        self._is_over = False
        self._holds_client = False
        self._holds_origin = False
        self._moved = ctx.channel.loop.time()  # when the origin last gave a sign of life, or had no reason to
        self._sent = 0
        self._timer: TimerHandle | None = None

    # -- the request --------------------------------------------------------------------------------

    def start(self) -> None:
        """Find a connection to an origin."""
        loop = self._ctx.channel.loop
        self._timer = loop.schedule(self._proxy.options.timeout, self._look)
        link = self._proxy.origins.kept(loop)
        if link is not None:
            self._use(link)
        elif self._proxy.origins.is_settling(loop):
            # Mostly the one of the request before, for a client that pipelines asks on while its End is written.
            self._hold_client()
            loop.execute(self._start_now)
        else:
            self._connect_anew()

    def _start_now(self) -> None:
        """Use what has been given back, if it can be used, and nobody else has it."""
        if self._is_over or not self._ctx.channel.is_open:
            return
        link = self._proxy.origins.kept(self._ctx.channel.loop)
        if link is not None:
            self._use(link)
        else:
            self._connect_anew()

    def _connect_anew(self) -> None:
        self._turn = self._proxy.origins.next_turn()
        self._connect()

    def _connect(self) -> None:
        self._hold_client()
        self._connecting = self._proxy.origins.connect(self._ctx.channel.loop, self._turn, self._connected)

    def _connected(self, outcome: ChannelFuture[Any]) -> None:
        self._connecting = None
        if outcome.cancelled():
            return
        error = outcome.exception()
        if error is None:
            self._ctx.channel.loop.execute(self._use_new, outcome.result())  # first, what it may have said is read
            return
        if self._is_over:
            return
        self._attempts += 1
        if self._attempts < len(self._proxy.origins.addresses):
            self._turn += 1  # nothing was sent yet, so the next one may be asked, whatever the method
            self._connect()
        elif isinstance(error, TimeoutError):
            self._give_up(504, "the origin cannot be reached in time", error)
        else:
            self._give_up(502, "the origin cannot be reached", error)

    def _use_new(self, channel: Channel) -> None:
        link = channel.pipeline.get(OriginLink) if channel.is_active else None
        if self._is_over:
            channel.close()
        elif link is None or not link.is_reusable:
            channel.close()
            self._give_up(502, "the origin has ended the connection, or spoken, before it was asked", None)
        else:
            self._use(link)

    def _use(self, link: OriginLink) -> None:
        self._link = link
        link.lend(self)
        self._moved = self._ctx.channel.loop.time()
        self._sent = link.channel.sent
        parts = [self._head, *self._waiting]
        self._waiting = []
        for part in parts:
            if self._link is link:  # it may fail at any of these
                self._write(link, part)
        if self._link is link:
            self._make_way(link)

    def take_request(self, part: RequestPart) -> None:
        """More of the request has come."""
        if isinstance(part, End):
            self._request_ended = True
        if self._is_over:
            return  # it was answered before it was complete
        link = self._link
        if link is None:
            self._waiting.append(part)
            return
        self._write(link, part)
        if self._link is link:
            self._make_way(link)

    def _write(self, link: OriginLink, part: RequestPart) -> None:
        if isinstance(part, End) and part.trailers is not None:
            part = End(interim_headers(part.trailers))
        link.ctx.write(part)

    def _make_way(self, link: OriginLink) -> None:
        """Read from the client as long as the origin reads from us."""
        if link.channel.is_writable:
            self._release_client()
        else:
            self._hold_client()

    def origin_has_room(self) -> None:
        self._moved = self._ctx.channel.loop.time()
        self._release_client()

    def _hold_client(self) -> None:
        if not self._holds_client:
            self._holds_client = True
            self._ctx.channel.hold_reads()

    def _release_client(self) -> None:
        if self._holds_client:
            self._holds_client = False
            self._ctx.channel.release_reads()

    # -- the response -------------------------------------------------------------------------------

    def take_response(self, msg: ResponsePart) -> None:
        self._moved = self._ctx.channel.loop.time()
        self._has_heard = True
        if isinstance(msg, Data):
            self._ctx.write(msg)
            self._slow_down()
        elif isinstance(msg, End):
            self._finish(msg)
        elif isinstance(msg, InterimResponse):
            self._ctx.write(InterimResponse(msg.status, interim_headers(msg.headers), msg.reason))
        elif msg.status == 101 and not self._may_switch(msg):
            self._give_up(502, "the origin has changed to a protocol that nobody has asked for", None)
        else:
            self._begin(msg)

    def _begin(self, response: Response) -> None:
        self._status = response.status
        headers = response_headers(response, self._proxy.options.name)
        if not self._request_ended and response.status >= 400:
            headers.add("connection", "close")  # nobody reads the rest of the request
        self._ctx.write(Response(response.status, headers, response.reason))
        self._has_begun = True

    def _may_switch(self, response: Response) -> bool:
        asked, given = self._head.headers.get("upgrade"), response.headers.get("upgrade")
        return asked is not None and given is not None and asked.lower() == given.lower()

    def _slow_down(self) -> None:
        """Read from the origin as long as the client reads from us."""
        channel = self._ctx.channel
        if not channel.is_writable and channel.is_open and not self._holds_origin and self._link is not None:
            self._holds_origin = True
            self._link.channel.hold_reads()

    def client_has_room(self) -> None:
        """The client has read what was written to it."""
        if self._holds_origin and self._link is not None:
            self._holds_origin = False
            self._moved = self._ctx.channel.loop.time()
            self._link.channel.release_reads()

    def _finish(self, msg: End) -> None:
        link = self._let_go()
        if link is not None and self._status != 101:
            self._proxy.origins.give_back(link)  # before the End, for the client's next request may begin with that
        self._ctx.write(End(None if msg.trailers is None else interim_headers(msg.trailers)))
        if link is not None and self._status == 101:
            self._switch(link)

    def _switch(self, link: OriginLink) -> None:
        """Put a tunnel in the place of both stages; those of HTTP leave when this event is done."""
        link.borrower = None
        link.stop_guarding()
        near, far = join(self._ctx.channel, link.channel, self._proxy.options.tunnel_timeout)
        self._ctx.pipeline.replace(self._ctx.handler, near)
        link.ctx.pipeline.replace(link, far)

    # -- when something is wrong --------------------------------------------------------------------

    def origin_failed(self, exc: BaseException | None) -> None:
        link = self._link
        if self._is_over or link is None:
            return
        self._link = None
        self._holds_origin = False
        is_nonsense = isinstance(exc, HttpDecodeError) and link.channel.input_open
        if self._has_begun:
            self._give_up(502, "the origin has ended in the middle of its response", exc)
        elif is_nonsense:
            self._give_up(502, "the response of the origin is not HTTP/1.1", exc)
        elif self._may_repeat(link):
            logger.debug("%s is sent again: the origin has closed a connection that was kept", self._named())
            self._waiting = [END] if self._request_ended else []
            self._connect_anew()
        else:
            self._give_up(502, "the origin has ended the connection before its response", exc)

    def _may_repeat(self, link: OriginLink) -> bool:
        return link.was_used and not self._has_heard and self._request.method in _SAFE and not self._request.has_body

    def _give_up(self, status: int, why: str, exc: BaseException | None) -> None:
        """Answer in the place of the origin, or cut the client off."""
        level = complaints_of(self._ctx.channel.loop).level(logger, logging.WARNING, why)
        logger.log(level, "%s: %s%s", self._named(), why, "" if exc is None else f": {exc}")
        link = self._let_go()
        if link is not None:
            link.borrower = None
            link.channel.abort()
        if self._has_begun:
            self._ctx.channel.abort()
        elif self._ctx.channel.is_open:
            self._ctx.write(refusal(status, why, closes=not self._request_ended))

    def _named(self) -> str:
        """Tell which request this is; without its headers, which hold secrets."""
        return f"{self._request.method} {self._request.target:.200}"

    def write_failed(self, exc: EncodeError) -> bool:
        """What the origin has said cannot be said to the client; False if it was not the origin who said it."""
        if self._is_over:
            return False
        self._give_up(502, "the response of the origin contradicts itself", exc)
        return True

    def cancel(self) -> None:
        """The client has gone."""
        connecting = self._connecting
        link = self._let_go()
        if link is not None:
            link.borrower = None
            link.channel.abort()
        if connecting is not None:
            connecting.cancel()

    def _let_go(self) -> OriginLink | None:
        """It is over, one way or the other; return the connection to the origin, with nothing left of us on it."""
        self._is_over = True
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._release_client()
        link = self._link
        self._link = None
        if self._holds_origin and link is not None:
            self._holds_origin = False
            link.channel.release_reads()
        return link

    def _look(self) -> None:
        """See whether the origin has given a sign of life."""
        self._timer = None
        loop = self._ctx.channel.loop
        link = self._link
        if link is not None and self._is_not_the_origins_turn(link):
            self._moved = loop.time()
        due = self._moved + self._proxy.options.timeout - loop.time()
        if due > 0:
            self._timer = loop.schedule(due, self._look)
        else:
            if self._connecting is not None:
                self._connecting.cancel()
            self._give_up(504, "the origin has not answered in time", None)

    def _is_not_the_origins_turn(self, link: OriginLink) -> bool:
        """Whether it waits for us, or for the client; or takes what we send."""
        channel = link.channel
        has_moved = channel.sent > self._sent
        self._sent = channel.sent
        waits_for_request = not self._request_ended and channel.pending_write_bytes == 0
        return has_moved or self._holds_origin or waits_for_request


def refusal(status: int, why: str, *, closes: bool) -> FullResponse:
    """Make the answer of a proxy that has none from its origin."""
    headers = [("content-type", "text/plain")]
    if closes:
        headers.append(("connection", "close"))
    return FullResponse(status, headers, f"{status} {reason_phrase(status)}: {why}\n".encode("ascii"))
