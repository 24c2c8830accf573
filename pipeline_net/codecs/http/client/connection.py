"""Connection: a channel to a server that carries one exchange after the other.

::

    wire ─▶ TLS ─▶ IdleGuard ─▶ HttpResponseDecoder ─▶ HttpClientHandler ─▶ stages of the options ─▶ ConnectionStage

Whatever bytes come while nobody waits for an answer end the connection, before a decoder has seen them: an answer that
was sent in advance would be taken for that to the next request, which somebody else may have made.  For the same reason
a connection is given to the next one only after the batch has been read in which the last answer ended; and a new one
is used in the loop's next turn, when what the server may have said already has been read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ....errors import ChannelClosedError
from ....handler import ChannelInboundHandler, TransparentHandler
from ..client_handler import HttpClientHandler
from ..grammar import decimal
from ..messages import Response
from ..response_decoder import HttpResponseDecoder
from .exchange import Exchange, Place
from .proxy import Route

if TYPE_CHECKING:
    from ....channel import Channel
    from ....context import ChannelHandlerContext
    from ....future import ChannelFuture
    from ....transport.timers import TimerHandle

_SAFETY: Final = 1.0  # seconds by which we let go of a connection before the server does


class ConnectionKeeper:
    """Whoever counts connections."""

    def settled(self, connection: Connection) -> None:
        """An answer has ended, and the batch in which it did has been read."""
        raise NotImplementedError

    def ended(self, connection: Connection) -> None:
        """It is of no more use; told once."""
        raise NotImplementedError


class Connection(Place):
    """A connection on one route; on the loop."""

    def __init__(
        self,
        keeper: ConnectionKeeper,
        route: Route,
        channel: Channel,
        decoder: HttpResponseDecoder,
        handler: HttpClientHandler,
    ) -> None:
        self.route = route
        self.exchange: Exchange | None = None
        self.served = 0
        """How many answers have come through it."""
        self.made_at = channel.loop.time()
        self.idle_limit: float | None = None
        """How long the server lets it be idle, if it has said so."""
        self.idle_timer: TimerHandle | None = None  # the pool's
        self._keeper = keeper
        self._channel = channel
        self._decoder = decoder
        self._handler = handler
        self._is_dead = False
        self._holds = False

    def __repr__(self) -> str:
        state = "dead" if self._is_dead else "idle" if self.exchange is None else "in use"
        return f"<Connection to {self.route} {state}, {self.served} served>"

    # -- for the exchange ---------------------------------------------------------------------------

    @property
    def sent(self) -> int:
        """Bytes that the kernel has taken."""
        return self._channel.sent

    @property
    def has_sent_all(self) -> bool:
        return self._channel.sent == self._channel.written

    @property
    def is_writable(self) -> bool:
        return self._channel.is_writable

    def write(self, msg: Any, then: Any = None) -> None:
        """Write a part of a request; ``then`` is told when it has left."""
        promise: ChannelFuture[Any] | None = None
        if then is not None:
            promise = self._channel.new_promise()
            promise.add_done_callback(then)
        self._channel.pipeline.write(msg, promise)

    def hold_reads(self) -> None:
        if not self._holds:
            self._holds = True
            self._channel.hold_reads()

    def release_reads(self) -> None:
        if self._holds:
            self._holds = False
            self._channel.release_reads()

    def start(self, exchange: Exchange) -> None:
        """Let it be used by ``exchange`` only, from now on."""
        assert self.exchange is None, "one at a time"
        self.exchange = exchange
        exchange.on_used_connection = self.served > 0
        exchange.begin(self)

    def answered(self, response: Response | None, may_reuse: bool) -> None:
        """The answer has ended; perhaps somebody else can use the connection."""
        self.exchange = None
        self.served += 1
        if not may_reuse:
            self.abort()
            return
        if not self._handler.is_reusable:
            self.close()  # one of the two has said that this was the last one
            return
        if response is not None:
            self.idle_limit = _announced_patience(response)
        self._channel.loop.execute(self._settle)

    def _settle(self) -> None:
        if not self._is_dead and not self.is_reusable:
            self.close()
        elif not self._is_dead:
            self._keeper.settled(self)

    def give_up(self, exchange: Exchange) -> None:
        """The exchange has ended before its answer did."""
        self.exchange = None
        self.abort()

    # -- for the pool -------------------------------------------------------------------------------

    @property
    def is_reusable(self) -> bool:
        """Whether another request may be sent: the server keeps it open, and has said nothing that nobody asked for."""
        return (
            not self._is_dead
            and self.exchange is None
            and self._channel.is_active
            and self._channel.input_open
            and self._handler.is_reusable
            and self._decoder.unread_bytes == 0
        )

    @property
    def age(self) -> float:
        """Seconds since it was made."""
        return self._channel.loop.time() - self.made_at

    def close(self) -> None:
        """Let it go."""
        self._die()
        self._channel.close()

    def abort(self) -> None:
        """Cut it off: what is still under way is for nobody."""
        self._die()
        self._channel.abort()

    def _die(self) -> None:
        if not self._is_dead:
            self._is_dead = True
            if self.idle_timer is not None:
                self.idle_timer.cancel()
                self.idle_timer = None
            self._keeper.ended(self)

    # -- for its stages -----------------------------------------------------------------------------

    def read(self, msg: Any) -> None:
        if self.exchange is not None:
            self.exchange.read(msg)

    def input_ended(self) -> None:
        """The server will say no more."""
        if self.exchange is None:
            self.close()

    def broke(self, error: BaseException) -> None:
        """Nothing that follows can be trusted, or nothing will follow."""
        exchange = self.exchange
        self.abort()
        if exchange is not None:
            exchange.connection_ended(error)

    def writability_changed(self) -> None:
        """There is room again, perhaps.

        What follows is sent in the loop's next turn: a server that does not want it may have said so by then, and hung
        up, which the next attempt to send would meet before anybody has read the answer.
        """
        if self.exchange is not None and self.is_writable:
            self._channel.loop.execute(self._go_on_sending)

    def _go_on_sending(self) -> None:
        if self.exchange is not None:
            self.exchange.go_on_sending()

    def said_something_unasked(self) -> None:
        """Bytes came, and there was no question."""
        self.abort()


class IdleGuard(TransparentHandler[bytes]):
    """Cuts a connection off when it says something although nobody has asked."""

    def __init__(self) -> None:
        self.connection: Connection | None = None

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        connection = self.connection
        if connection is None or connection.exchange is None:
            if connection is not None:
                connection.said_something_unasked()
            else:
                ctx.channel.abort()
            return
        connection.exchange.was_answered = True
        ctx.fire_channel_read(msg)


class ConnectionStage(ChannelInboundHandler[Any, Any, Any]):
    """The last stage: what happens on the channel, told to the connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self._connection.read(msg)

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._connection.input_ended()
        ctx.fire_channel_eof()

    def channel_writability_changed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._connection.writability_changed()

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self._connection.broke(exc)

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._connection.broke(ChannelClosedError("the connection was closed before the answer was complete"))


def _announced_patience(response: Response) -> float | None:
    """Read ``Keep-Alive: timeout=5``: how long the server keeps a connection that nobody uses."""
    value = response.headers.get_raw(b"keep-alive")
    if value is None:
        return None
    for parameter in value.lower().split(b","):
        name, _, number = parameter.strip().partition(b"=")
        seconds = decimal(number.strip())
        if name.strip() == b"timeout" and seconds >= 0:
            return max(seconds - _SAFETY, 0.0)
    return None
