"""Origins: connections to the servers behind a proxy, and those that are kept for later requests.

A connection belongs to the loop of the client for whom it was opened, and so do those that are kept: nothing here is
shared between loops but the turn of who is asked next.

::

    wire ─▶ TLS ─▶ UnaskedGuard ─▶ HttpResponseDecoder ─▶ HttpClientHandler ─▶ OriginLink

Whatever bytes come while nobody waits for a response end the connection, before a decoder has seen them: what was sent
in advance would be taken for the response to the next request, which another client may have made.  Nobody waits for
one before the first byte of the request has left.  For the same reason a connection is kept only after the batch has
been read in which its response ended, and if nothing of it is left; and one that is new is used in the loop's next
turn, when what the origin may have said already has been read.

A connection that was kept may have been closed by the origin at the very moment at which it is used again.  Whoever
uses it must be ready for that (``OriginLink.was_used``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Never, Protocol

from ...bootstrap import Bootstrap
from ...codecs.http import HttpClientHandler, HttpResponseDecoder, RequestPart, ResponsePart, client_stack
from ...context import ChannelHandlerContext
from ...errors import ChannelClosedError
from ...handler import ChannelInboundHandler, TransparentHandler
from ...options import ChannelOptions
from ...stack import wire
from ...transport.address import parse_address

if TYPE_CHECKING:
    from ...channel import Channel
    from ...future import ChannelFuture
    from ...transport.timers import TimerHandle
    from .options import ProxyOptions


class Borrower(Protocol):
    """Whoever uses a connection to an origin."""

    def take_response(self, msg: ResponsePart) -> None:
        """Some of the response has come."""

    def origin_failed(self, exc: BaseException | None) -> None:
        """The connection has ended, and the response had not."""

    def origin_has_room(self) -> None:
        """The origin has read what was written to it."""


class OriginLink(ChannelInboundHandler[ResponsePart, Never, RequestPart]):
    """One connection to an origin: ``Response``, ``Data``, ``End`` → whoever has borrowed it."""

    def __init__(self, origins: Origins) -> None:
        self._origins = origins
        self.borrower: Borrower | None = None
        self._sent_before = 0  # bytes that had left when it was lent
        self.was_used = False
        """Whether it has served a request before: then the origin may just be closing it."""
        self.idle_timer: TimerHandle | None = None
        self.ctx: ChannelHandlerContext[Never, RequestPart]

    def handler_added(self, ctx: ChannelHandlerContext[Never, RequestPart]) -> None:
        self.ctx = ctx

    @property
    def channel(self) -> Channel:
        return self.ctx.channel

    def lend(self, borrower: Borrower) -> None:
        """Let ``borrower``, and nobody else, use it from now on."""
        self.borrower = borrower
        self._sent_before = self.channel.sent

    @property
    def is_asked(self) -> bool:
        """Whether somebody waits for a response: at least the first byte of the request has left."""
        return self.borrower is not None and self.channel.sent > self._sent_before

    @property
    def is_reusable(self) -> bool:
        """Whether another request may be sent: the origin keeps it open, and has said nothing that nobody asked for."""
        channel = self.ctx.channel
        return (
            channel.is_active
            and channel.input_open
            and channel.pipeline.get(HttpClientHandler).is_reusable
            and channel.pipeline.get(HttpResponseDecoder).is_between_messages
        )

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: ResponsePart) -> None:
        if self.borrower is not None:
            self.borrower.take_response(msg)

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self.borrower is not None and ctx.channel.is_writable:
            self.borrower.origin_has_room()

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._leave(None)
        ctx.close()

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self._leave(exc)
        ctx.channel.abort()

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._leave(None)

    def drop(self) -> None:
        """Cut it off: nothing that follows can be trusted."""
        self._leave(None)
        self.channel.abort()

    def stop_guarding(self) -> None:
        """What comes from now on is not HTTP, and need not be asked for."""
        self.channel.pipeline.remove(self.channel.pipeline.get(UnaskedGuard))

    def _leave(self, exc: BaseException | None) -> None:
        self._origins.forget(self)
        borrower = self.borrower
        if borrower is not None:
            self.borrower = None
            borrower.origin_failed(exc)


class UnaskedGuard(TransparentHandler[bytes]):
    """Cuts a connection to an origin off when it says something although nobody has asked."""

    def __init__(self, link: OriginLink) -> None:
        self._link = link

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if self._link.is_asked:
            ctx.fire_channel_read(msg)
        else:
            self._link.drop()


class Origins:
    """The servers behind a proxy; each gets its turn.

    Raises:
        AddressError: an address does not say where.
        ValueError: there is none.
    """

    def __init__(self, addresses: tuple[str, ...], options: ProxyOptions, *, tls: Any, channel: ChannelOptions) -> None:
        if not addresses:
            raise ValueError("a proxy needs the address of an origin")
        self.addresses: Final = addresses
        self._hosts = [_host_of(address) for address in addresses]
        self._turns = count()
        self._options = options
        self._tls = tls
        self._channel_options = channel
        self._idle: dict[Any, list[OriginLink]] = {}  # by loop; each loop touches its own list only
        self._settling: dict[Any, int] = {}  # by loop: how many were given back of which nobody knows yet what is left
        self._bootstraps: dict[tuple[Any, int], Bootstrap] = {}  # by loop and turn; they keep what TLS has loaded

    def next_turn(self) -> int:
        return next(self._turns) % len(self.addresses)

    def host(self, turn: int) -> str:
        """The Host of requests that have none."""
        return self._hosts[turn % len(self._hosts)]

    def kept(self, loop: Any) -> OriginLink | None:
        """Take a connection that has served before, the latest one; ``None`` if there is none."""
        while loop in self._idle:
            link = self._idle[loop][-1]
            self.forget(link)
            if link.is_reusable:
                return link
            link.channel.close()
        return None

    def is_settling(self, loop: Any) -> bool:
        """Whether a connection may be kept when the tasks that the loop has now are done."""
        return self._settling.get(loop, 0) > 0

    def connect(self, loop: Any, turn: int, then: Callable[[ChannelFuture[Channel]], object]) -> ChannelFuture[Channel]:
        """Open a connection to the origin whose turn it is; ``then`` gets the outcome, on the loop."""
        turn %= len(self.addresses)
        bootstrap = self._bootstraps.get((loop, turn))
        if bootstrap is None:
            for known in list(self._bootstraps):
                if known[0].is_stopping:
                    self._bootstraps.pop(known, None)
            bootstrap = self._bootstraps[loop, turn] = self._bootstrap(loop, turn)
        outcome = bootstrap.connect(self.addresses[turn])
        outcome.add_done_callback(then)
        return outcome

    def _bootstrap(self, loop: Any, turn: int) -> Bootstrap:
        is_tls = parse_address(self.addresses[turn]).is_tls
        stages = partial(self._stages, self.host(turn))
        return Bootstrap(loop, stages, tls=self._tls if is_tls else None, options=self._channel_options)

    def _stages(self, host: str, channel: Channel) -> Any:
        link = OriginLink(self)
        return wire() >> UnaskedGuard(link) >> client_stack(host=host, limits=self._options.response_limits) >> link

    def give_back(self, link: OriginLink) -> None:
        """Keep a connection whose response has ended, if it may serve again when what came with the end is read."""
        link.borrower = None
        link.was_used = True
        loop = link.channel.loop
        self._settling[loop] = self._settling.get(loop, 0) + 1
        loop.execute(self._settle, link)

    def _settle(self, link: OriginLink) -> None:
        loop = link.channel.loop
        if self._settling[loop] > 1:
            self._settling[loop] -= 1
        else:
            del self._settling[loop]
        if not link.is_reusable or len(self._idle.get(loop, ())) >= self._options.max_idle:
            link.channel.close()
            return
        link.idle_timer = loop.schedule(self._options.idle_timeout, link.channel.close)
        self._idle.setdefault(loop, []).append(link)

    def close_idle(self) -> None:
        """Close the connections that are kept; from any thread."""
        for loop in {loop for loop, _ in list(self._bootstraps)}:  # where one may be about to be given back
            try:
                loop.execute(self._close_idle_of, loop)
            except ChannelClosedError:
                continue  # a loop that has stopped has closed them

    def _close_idle_of(self, loop: Any) -> None:
        for link in list(self._idle.get(loop, ())):
            link.channel.close()

    def forget(self, link: OriginLink) -> None:
        """Keep it no more: it has ended, or is about to be used."""
        if link.idle_timer is not None:
            link.idle_timer.cancel()
            link.idle_timer = None
        links = self._idle.get(link.channel.loop)
        if links is not None and link in links:
            links.remove(link)
            if not links:
                del self._idle[link.channel.loop]


def _host_of(address: str) -> str:
    parsed = parse_address(address)
    if parsed.form != "inet":
        return "localhost"
    host = f"[{parsed.host}]" if ":" in parsed.host else parsed.host
    return f"{host}:{parsed.port}"
