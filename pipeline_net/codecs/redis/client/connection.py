"""Connection: a connection to one server that is made, greeted, and made again when it is lost.

``connection_life`` has the table.  Here is what is done on the way: a channel with its stages, the greeting, pauses
that grow, and the end.  What the connection is good for, calls or subscriptions, is a subclass's business.

Everything here happens on one loop.  When that loop stops, the connection ends, so that nobody waits for ever.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ...._mypyc import mypyc_attr
from ....bootstrap import Bootstrap
from ....channel import Channel
from ....errors import AddressError, ChannelBrokenError, ChannelClosedError, ConnectTimeoutError
from ....future import ChannelFuture
from ....loop import Listener
from ....pipeline import Stage
from ....transport.address import parse_address
from ....transport.event_loop import EventLoop
from ..command_encoder import RedisCommandEncoder
from ..messages import Push, Request
from ..reply_decoder import RedisReplyDecoder
from .backoff import Backoff
from .calls import AskedCall, Call
from .connection_life import (
    CLOSE,
    CLOSED,
    CONNECTED,
    CONNECTING,
    END,
    GREETED,
    IDLE,
    LOST,
    OPEN,
    REFUSED,
    RETRY,
    STATE_NAMES,
    next_state,
)
from .errors import ReplyError
from .greeting import Greeting, is_passing
from .options import ClientOptions
from .reply_matcher import MatcherOwner, ReplyMatcher

if TYPE_CHECKING:
    from ....transport.timers import TimerHandle

_logger: Final = logging.getLogger("pipeline_net.redis")


def check_address(address: str | tuple[Any, ...], options: ClientOptions) -> None:
    """Find mistakes in an address where it is given, and not when it is needed.

    Raises:
        AddressError: it does not say where, or ``options.tls`` is for nothing.
    """
    parsed = parse_address(address)
    if options.tls is not None and not parsed.is_tls:
        raise AddressError(f"bad address {str(parsed)!r}: tls= is given, and only tls://… is encrypted")


def joined(encoder: RedisCommandEncoder, requests: list[Request]) -> bytes:
    """Encode several requests as one piece.

    Raises:
        EncodeError: one of them is none.
    """
    pieces: list[bytes] = []
    for request in requests:
        encoded = encoder.encode(request)
        if isinstance(encoded, list):
            pieces += encoded
        else:
            pieces.append(encoded)
    return b"".join(pieces)


@mypyc_attr(allow_interpreted_subclasses=True)
class Connection(MatcherOwner):
    """Keeps a greeted channel to ``address``; on ``loop`` only, ``state`` and its siblings aside.

    Subclasses say what to do when it ``became_ready``, was ``lost``, or has ``ended``.
    """

    def __init__(self, loop: EventLoop, address: str | tuple[Any, ...], options: ClientOptions) -> None:
        self.loop = loop
        self.address = address
        self.options = options
        self.state: int = IDLE
        self.matcher: ReplyMatcher | None = None  # of the channel that is there, or being made
        self.last_error: BaseException | None = None  # why there is none; None while nothing has gone wrong
        self.protocol = 0  # 2 or 3, once a server has been greeted
        self.server: dict[Any, Any] = {}
        self.encoder = RedisCommandEncoder()
        self._bootstrap = Bootstrap(loop, self.make_stages, tls=options.tls, options=options.channel)
        self._reconnects = options.reconnect
        self._backoff = Backoff(options.backoff, options.backoff_limit)
        self._ready_at = math.inf  # on the loop's clock: when the last channel became ready
        self._timer: TimerHandle | None = None  # of the greeting, or of the pause
        self._greeting: Greeting | None = None
        self._asked: AskedCall | None = None
        self._connecting: ChannelFuture[Channel] | None = None
        self._stop_listener: Listener | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} to {self.address} {STATE_NAMES[self.state].lower()}>"

    # -- what a subclass fills in -------------------------------------------------------------------

    def make_greeting(self) -> Greeting:
        """Say what a new connection begins with."""
        return Greeting(self.options)

    def more_stages(self) -> list[Stage]:
        """Make the stages between the decoder and the matcher, for one channel."""
        return []

    def became_ready(self) -> None:
        """A greeted channel is there."""
        raise NotImplementedError

    def lost(self, error: BaseException) -> None:
        """The channel is gone, or could not be made; another one will be."""
        raise NotImplementedError

    def ended(self, error: BaseException) -> None:
        """There is no channel, and there will be none unless somebody opens it anew."""
        raise NotImplementedError

    def answered(self, call: Call) -> None:
        """A call of the subclass has got its last reply."""

    def drop_calls(self, calls: list[Call], error: BaseException) -> None:
        """These were sent, and will get no reply."""

    # -- its life -----------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect, if nobody has done so yet."""
        if self.state == IDLE:
            self.state = next_state(self.state, OPEN)
            if self._stop_listener is None:
                self._stop_listener = EndWithLoop(self.loop, self.loop_stopped)
                self.loop.adopt_listener(self._stop_listener)
            self._attempt()

    def close(self) -> None:
        """Let the channel go, after what was written, and make no other; again is allowed."""
        if self.state == CLOSED:
            return
        self.state = next_state(self.state, CLOSE)
        self._let_go(ChannelClosedError(f"the client of {self.address} has been closed"))

    def loop_stopped(self) -> None:
        """The loop is about to end."""
        if self.state != CLOSED:
            self.state = next_state(self.state, END)
            self._let_go(ChannelClosedError(f"{self.loop.name} has been stopped"))

    def end(self, error: BaseException) -> None:
        """Let the channel go, for that reason, as if it had been lost."""
        matcher = self.matcher
        if matcher is not None and self.state != CLOSED:
            matcher.give_up(error)

    def _let_go(self, error: BaseException) -> None:
        """Be closed, for good."""
        self.last_error = error
        self._cancel_timer()
        matcher = self.matcher
        self.matcher = None
        connecting = self._connecting
        self._connecting = None
        if matcher is not None:
            self.drop_calls(matcher.release(error), error)
        if connecting is not None:
            connecting.cancel()
        if self._stop_listener is not None:
            self.loop.forget_listener(self._stop_listener)
            self._stop_listener = None
        self.ended(error)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _attempt(self) -> None:
        """Begin to connect."""
        self.matcher = matcher = ReplyMatcher(self)
        self._connecting = connecting = self._bootstrap.connect(self.address)
        connecting.add_done_callback(_Outcome(self, matcher).tell)

    def make_stages(self, channel: Channel) -> list[Stage]:
        """Make the stages of a channel that is being connected."""
        options, matcher = self.options, self.matcher
        if matcher is None:
            raise ChannelClosedError(f"nobody wants a connection to {self.address} any more")
        decoder = RedisReplyDecoder(
            max_bulk_length=options.max_bulk_length,
            max_elements=options.max_elements,
            max_depth=options.max_depth,
            max_message_length=options.max_message_length,
        )
        matcher.decoder = decoder
        return [decoder, *self.more_stages(), matcher]

    def attempt_ended(self, matcher: ReplyMatcher, error: BaseException | None) -> None:
        """The attempt to connect has succeeded, or has failed with ``error``."""
        if matcher is not self.matcher:
            return  # somebody has closed us meanwhile
        self._connecting = None
        if error is None:
            return
        if self.state == CONNECTING:
            self.matcher = None
            self._be_lost(error)
        else:
            matcher.give_up(error)  # the channel was open, and yet a stage has found it wanting, as TLS may

    def channel_opened(self, matcher: ReplyMatcher) -> None:
        if matcher is not self.matcher:
            matcher.release(ChannelClosedError("nobody wants this connection any more"))
            return
        self.state = next_state(self.state, CONNECTED)
        seconds = self.options.channel.connect_timeout
        self._timer = self.loop.schedule(seconds, self._greeting_is_late, matcher, seconds)
        self._greeting = self.make_greeting()
        self._ask(self._greeting.begin())

    def _ask(self, requests: list[Request]) -> None:
        """Send a part of the greeting, or end it if nothing is left to say."""
        matcher, greeting = self.matcher, self._greeting
        assert matcher is not None, "a greeting needs a channel"
        assert greeting is not None, "and something to say"
        if requests:
            data = joined(self.encoder, requests)
            self._asked = AskedCall(str(requests[0][0]), [data], len(requests))
            matcher.send(self._asked)
            return
        self._cancel_timer()
        self.state = next_state(self.state, GREETED)
        self._ready_at = self.loop.time()
        self.last_error = None
        self.protocol = greeting.protocol
        self.server = greeting.server
        self.became_ready()

    def call_answered(self, call: Call) -> None:
        asked = self._asked
        if asked is None or call is not asked:
            self.answered(call)
            return
        self._asked = None
        greeting = self._greeting
        assert greeting is not None, "who asked still waits"
        try:
            following = greeting.answered(asked.replies)
        except ReplyError as exc:
            self._be_refused(exc)
        else:
            self._ask(following)

    def _be_refused(self, error: ReplyError) -> None:
        matcher = self.matcher
        if matcher is None:
            return
        if is_passing(error) or not self._reconnects:
            matcher.give_up(error)
            return
        self._cancel_timer()
        self.last_error = error
        self.state = next_state(self.state, REFUSED)
        self.matcher = None
        matcher.release(error)
        self.ended(error)

    def _greeting_is_late(self, matcher: ReplyMatcher, seconds: float) -> None:
        matcher.give_up(ConnectTimeoutError(f"{self.address} has not answered the greeting within {seconds:g} s"))

    def channel_ended(self, matcher: ReplyMatcher, error: BaseException) -> None:
        calls = list(matcher.in_flight)
        matcher.in_flight.clear()
        if matcher is not self.matcher:
            return  # we have let it go
        self.matcher = None
        self._cancel_timer()
        if self._connecting is not None and self._connecting.done():
            error = self._connecting.exception() or error  # we are about to hear of it
            self._connecting = None
        self.drop_calls(calls, error)
        if self.state != CLOSED:  # that was the last thing somebody who closes has waited for
            self._be_lost(error)

    def _be_lost(self, error: BaseException) -> None:
        """Pause, then try again; or end, if that is not wanted."""
        self.last_error = error
        if not self._reconnects:
            self.state = next_state(self.state, END)
            self._let_go(error)
            return
        if self.loop.time() - self._ready_at >= self.options.backoff_limit:
            self._backoff.reset()  # but not for a server that welcomes everybody, and throws them out again
        self._ready_at = math.inf
        self.state = next_state(self.state, LOST)
        pause = self._backoff.next()
        _logger.info("the connection to %s is lost, next attempt in %.3f s: %s", self.address, pause, error)
        self._timer = self.loop.schedule(pause, self._retry)
        self.lost(error)

    def _retry(self) -> None:
        self._timer = None
        self.state = next_state(self.state, RETRY)
        self._attempt()

    def may_send_again(self) -> None:
        """Nothing waits here; a subclass may have something."""

    def pushed(self, push: Push) -> None:
        """Nobody listens here."""


class EndWithLoop(Listener):
    """Hears when the loop takes in nobody any more; if that is because it ends, ``end()`` is called."""

    def __init__(self, loop: EventLoop, end: Callable[[], object]) -> None:
        self._loop = loop
        self._end = end

    def stop_listening(self) -> None:
        if self._loop.is_stopping:
            self._end()


class _Outcome:
    """Tells a connection what became of an attempt."""

    def __init__(self, connection: Connection, matcher: ReplyMatcher) -> None:
        self._connection = connection
        self._matcher = matcher

    def tell(self, future: ChannelFuture[Channel]) -> None:
        if future.cancelled():
            return
        self._connection.attempt_ended(self._matcher, future.exception())


def broken(name: str, address: Any, error: BaseException) -> BaseException:
    """Make the error for a command that was under way when its connection ended."""
    if isinstance(error, ChannelClosedError):
        return ChannelClosedError(f"{error} before the reply to {name} came: it may have been executed, or not")
    exc = ChannelBrokenError(f"{error}; {name} was sent to {address}: it may have been executed, or not")
    exc.__cause__ = error
    return exc
