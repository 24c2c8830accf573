"""Opening: from a route to a connection: TCP, perhaps CONNECT, perhaps TLS.

::

    direct, http     [guard, decoder, pairing, …]                     there when TCP is
    direct, https    [tls, guard, decoder, pairing, …]                there when the handshake is done
    tunnel           [decoder, pairing]   CONNECT, 2xx   ──▶ [tls, guard, decoder, pairing, …]

    a proxy by https has a stage of TLS of its own in front of all of these, which stays: TLS inside TLS

The stages that have spoken to the proxy leave before those come that speak to the server, so nothing that the proxy has
said can be taken for the server's word.  Bytes that a proxy sends behind its 2xx before we have said anything are no
TLS handshake, and end the attempt.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from ....bootstrap import Bootstrap
from ....errors import ChannelClosedError, PipelineNetError
from ....handler import ChannelInboundHandler
from ..client_handler import HttpClientHandler
from ..content import ContentDecompression
from ..encoder import HttpRequestEncoder
from ..messages import End, FullRequest, Response
from ..options import Limits
from ..response_decoder import HttpResponseDecoder
from .connection import Connection, ConnectionKeeper, ConnectionStage, IdleGuard
from .errors import ConnectError, HttpClientError, ProxyError
from .exchange import Exchange, Place
from .options import ClientOptions
from .proxy import Route

if TYPE_CHECKING:
    from ....channel import Channel
    from ....context import ChannelHandlerContext
    from ....future import ChannelFuture
    from ....handlers.tls_context import ClientTls, ClientTlsLike
    from ....pipeline import Stage
    from ....transport.event_loop import EventLoop

_ALPN: Final = "http/1.1"


class Connector:
    """What all connections of a client have in common, and how they are made.

    Args:
        address: where to connect, whatever host a URL names; ``None`` for the host of the URL.
        tls: how to speak with ``https``; ``None`` trusts whom the system trusts.
    """

    def __init__(self, loop: EventLoop, options: ClientOptions, address: str | None, tls: ClientTlsLike | None) -> None:
        self.loop = loop
        self.options = options
        self.address = address
        self._tls_given = tls
        self._tls: ClientTls | None = None
        if tls is not None:
            self._make_tls()  # a mistake shows here
        limits = options
        self._limits = Limits(
            max_start_line=min(8192, limits.max_head),
            max_head=limits.max_head,
            max_headers=limits.max_headers,
            max_body=sys.maxsize,  # sinks count, behind what decompresses
        )

    def _make_tls(self) -> ClientTls:
        from ....handlers.tls_context import ClientTls, as_client_tls  # only whoever speaks TLS pays for ssl

        if self._tls is None:
            given = self._tls_given
            # The time is kept by the exchange, whose request may have a limit of its own.
            self._tls = ClientTls(alpn=[_ALPN], handshake_timeout=1e6) if given is None else as_client_tls(given)
        return self._tls

    def tls_stage(self, host: str) -> Stage:
        """Make the TLS stage for a connection to ``host``, whose certificate must be for that name."""
        return self._make_tls().handler(host)

    def new_stages(self) -> HttpStages:
        """Make the stages of HTTP for one connection."""
        return HttpStages(self._limits, self.options)

    def check_alpn(self, chosen: str | None) -> str | None:
        """Say what is wrong with the protocol that a server has chosen; ``None`` if nothing is."""
        if chosen in (None, _ALPN):
            return None
        return f"the server has chosen {chosen!r}, and {_ALPN} is spoken here"


class HttpStages:
    """The stages of HTTP of one connection."""

    def __init__(self, limits: Limits, options: ClientOptions) -> None:
        self.guard = IdleGuard()
        self.decoder = HttpResponseDecoder(limits=limits, leniency=options.leniency)
        self.handler = HttpClientHandler(self.decoder, HttpRequestEncoder())
        # Sinks count what comes out, so there is no other limit; the ratio's holds for bodies in parts, too.
        codings = options.codings
        self.upper: list[Stage] = [ContentDecompression(codings, max_size=None)] if codings else []
        self.upper += options.stages()

    def in_order(self) -> list[Stage]:
        """All of them, from the wire up."""
        return [self.guard, self.decoder, self.handler, *self.upper]


class OpeningKeeper(ConnectionKeeper):
    """Whoever counts attempts to connect, too."""

    def opened(self, opening: Opening, connection: Connection) -> None:
        """The connection is there."""
        raise NotImplementedError

    def not_opened(self, opening: Opening) -> None:
        """There will be none."""
        raise NotImplementedError


class Opening(Place):
    """One attempt to connect, for one exchange; on the loop."""

    def __init__(self, keeper: OpeningKeeper, connector: Connector, exchange: Exchange) -> None:
        self.exchange = exchange
        self.route: Route = exchange.route
        self._keeper = keeper
        self._connector = connector
        self._stages = connector.new_stages()
        self._stage = _OpeningStage(self)
        self._channel: Channel | None = None
        self._connecting: ChannelFuture[Channel] | None = None
        self._status = 0  # what the proxy has answered to CONNECT
        self._alpn: str | None = None
        self._has_tunnel = False
        self._is_over = False

    def __repr__(self) -> str:
        return f"<Opening a connection to {self.route}>"

    def start(self) -> None:
        """Begin; the outcome is told to the keeper, or to the exchange."""
        exchange, connector = self.exchange, self._connector
        exchange.place = self
        exchange.timer.begin("connect", exchange.request.timeouts.connect)
        peer = self.route.peer
        host = f"[{peer.host}]" if ":" in peer.host else peer.host
        bootstrap = Bootstrap(connector.loop, self._first_stages, options=connector.options.channel)
        try:
            self._connecting = bootstrap.connect(connector.address or f"tcp://{host}:{peer.port}")
        except PipelineNetError as exc:
            self.fail(exc)
        else:
            self._connecting.add_done_callback(self._connected)

    def give_up(self, exchange: Exchange) -> None:
        self._end()

    def fail(self, error: BaseException) -> None:
        """There will be no connection, and the exchange has to know."""
        if self._is_over:
            return
        exchange = self.exchange
        exchange.place = None
        self._end()
        exchange.fail(self._explained(error))

    def _end(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._channel is not None:
            self._channel.abort()
        self._keeper.not_opened(self)

    def _explained(self, error: BaseException) -> BaseException:
        if isinstance(error, HttpClientError):
            return error
        url, proxy = str(self.exchange.request.url), self.route.proxy
        explained: HttpClientError
        if proxy is not None and self._status == 0:
            explained = ProxyError(url, f"no way through the proxy {proxy}: {error}")
        else:
            explained = ConnectError(url, f"no connection: {error}")
        explained.__cause__ = error
        return explained

    # -- stages -------------------------------------------------------------------------------------

    def _first_stages(self, channel: Channel) -> list[Stage]:
        self._channel = channel
        first = [self._connector.tls_stage(self.route.peer.host)] if self._begins_with_tls else []
        if self.route.needs_tunnel:
            return [*first, self._stages.decoder, self._stages.handler, self._stage]
        return [*first, *self._stages.in_order(), self._stage]

    @property
    def _begins_with_tls(self) -> bool:
        proxy = self.route.proxy
        return self.route.is_tls if proxy is None else proxy.is_tls

    # -- what happens -------------------------------------------------------------------------------

    def tcp_is_there(self) -> None:
        """The connection stands; TLS begins, if there is to be any."""
        if self.route.is_tls or self._begins_with_tls:
            self.exchange.timer.begin("tls", self.exchange.request.timeouts.tls)

    def _connected(self, connecting: ChannelFuture[Channel]) -> None:
        if self._is_over or connecting.cancelled():
            return
        error = connecting.exception()
        if error is not None:
            self.fail(error)
        elif self.route.needs_tunnel:
            self._ask_for_tunnel()
        else:
            self._connector.loop.execute(self._open)  # first, what the server may have said unasked is read

    def _ask_for_tunnel(self) -> None:
        channel, proxy = self._channel, self.route.proxy
        assert channel is not None, "it is connected"
        assert proxy is not None, "tunnels go through one"
        # RFC 9110 9.3.6: "A client sending a CONNECT request MUST send the authority form of request-target"
        headers = [("host", self.route.authority)]
        if proxy.authorization is not None:
            headers.append(("proxy-authorization", proxy.authorization))
        channel.pipeline.write(FullRequest("CONNECT", self.route.authority, headers))

    def read(self, msg: Any) -> None:
        """What the proxy says."""
        if isinstance(msg, Response):
            self._status = msg.status
            if not 200 <= msg.status <= 299:
                rule = f"the proxy {self.route.proxy} answered {msg.status} {msg.phrase} to CONNECT"
                self.fail(ProxyError(str(self.exchange.request.url), rule, msg.status))
        elif isinstance(msg, bytes):
            rule = f"the proxy {self.route.proxy} sends bytes although nothing was said to the server"
            self.fail(ProxyError(str(self.exchange.request.url), rule, self._status))
        elif isinstance(msg, End) and self._channel is not None:
            self._channel.loop.execute(self._tunnelled)  # once the stages for the proxy have left

    def _tunnelled(self) -> None:
        channel = self._channel
        if self._is_over or channel is None:
            return
        self._stages = self._connector.new_stages()
        self._has_tunnel = True
        channel.pipeline.add_before(self._stage, *self._stages.in_order())
        channel.pipeline.add_before(self._stages.guard, self._connector.tls_stage(self.route.host))

    def handshake_done(self, alpn: str | None) -> None:
        self._alpn = alpn
        if self._has_tunnel:
            self._connector.loop.execute(self._open)  # without a tunnel the promise of the connection is kept next

    def _open(self) -> None:
        channel = self._channel
        if self._is_over or channel is None:
            return
        wrong = self._connector.check_alpn(self._alpn)
        if wrong is not None:
            self.fail(ConnectError(str(self.exchange.request.url), wrong))
            return
        if not channel.is_active:
            self.fail(channel.closed_error())
            return
        self._is_over = True
        stages = self._stages
        connection = Connection(self._keeper, self.route, channel, stages.decoder, stages.handler)
        stages.guard.connection = connection
        channel.pipeline.replace(self._stage, ConnectionStage(connection))
        self._keeper.opened(self, connection)


class _OpeningStage(ChannelInboundHandler[Any, Any, Any]):
    """The last stage while a connection is being made."""

    def __init__(self, opening: Opening) -> None:
        self._opening: Any = opening  # until this leaves

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._opening = None  # which refers to us

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._opening.tcp_is_there()
        ctx.fire_channel_active()

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self._opening.read(msg)

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        if type(event).__name__ == "TlsHandshakeDone":
            self._opening.handshake_done(event.alpn)
        ctx.fire_user_event_triggered(event)

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self._opening.fail(exc)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._opening.fail(ChannelClosedError("the connection was closed before it was of any use"))
