"""Subscriber: the connection of all subscriptions of a client, and who listens to what.

A connection that subscribes has no replies, only events.  RESP3 marks them as pushes; in RESP2 they are arrays that
begin with one of a few words, and nothing else is allowed meanwhile::

    we                      the server
    SUBSCRIBE news          subscribe news 1           the confirmation, one for each channel
                            message news hello         what somebody has published
    PSUBSCRIBE w.*          psubscribe w.* 2
                            pmessage w.* w.x rain
    PING ''                 pong ''  (RESP2)  or  a reply, ''  (RESP3)

Each channel is asked for in a command of its own, so that each has exactly one answer: its confirmation, or an error.

Several subscriptions to one channel cost the server one.  It is told when the first comes and when the last one leaves.

Source: https://redis.io/docs/latest/develop/pubsub/
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ....context import ChannelHandlerContext
from ....errors import ChannelBrokenError, ChannelClosedError
from ....handler import ChannelInboundHandler
from ....pipeline import Stage
from ....transport.event_loop import EventLoop
from ..messages import Push, RedisError, Reply
from .connection import Connection
from .connection_life import CLOSED, IDLE, READY
from .errors import ReplyError
from .greeting import Greeting
from .options import ClientOptions
from .subscription import Key, Message, Subscription

if TYPE_CHECKING:
    from ....transport.timers import TimerHandle

_logger: Final = logging.getLogger("pipeline_net.redis")

_UNDO: Final = {b"SUBSCRIBE": b"UNSUBSCRIBE", b"PSUBSCRIBE": b"PUNSUBSCRIBE", b"SSUBSCRIBE": b"SUNSUBSCRIBE"}
_CONFIRMATIONS: Final = frozenset(verb.lower() for pair in _UNDO.items() for verb in pair)
_MESSAGES: Final = {b"message": b"SUBSCRIBE", b"pmessage": b"PSUBSCRIBE", b"smessage": b"SSUBSCRIBE"}
_PING: Final = (b"PING", b"")
_EVENTS: Final = _CONFIRMATIONS | _MESSAGES.keys() | {b"pong"}


class EventSplitter(ChannelInboundHandler[Reply, Reply, bytes]):
    """Reply → Reply; takes out what a subscribing connection is told, in both versions of the protocol."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber
        self._ctx: ChannelHandlerContext[Any, Any] | None = None

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._ctx = ctx

    def send(self, data: bytes) -> None:
        """Write bytes; the answers come as events."""
        assert self._ctx is not None, "nothing is sent before the stage is seated"
        self._ctx.write(data)

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        subscriber = self._subscriber
        if isinstance(msg, list) and msg and isinstance(msg[0], bytes) and msg[0] in _EVENTS:
            subscriber.heard(msg)
        elif subscriber.is_listening(self) and not isinstance(msg, Push):
            subscriber.replied(msg)
        else:
            ctx.fire_channel_read(msg)


class Subscriber(Connection):
    """Asks for what its subscriptions want, again after each loss, and hands the messages out."""

    def __init__(self, loop: EventLoop, address: str | tuple[Any, ...], options: ClientOptions) -> None:
        super().__init__(loop, address, options)
        self._listeners: dict[Key, list[Subscription]] = {}
        self._splitter: EventSplitter | None = None  # of the channel that is there, or being made
        self._unanswered: deque[Key] = deque()  # what was sent on this channel and not answered yet, oldest first
        self._open_questions: Counter[Key] = Counter()  # the same, to look up
        self._pinger: TimerHandle | None = None
        self._has_heard = True  # since the last ping

    # -- for subscriptions --------------------------------------------------------------------------

    def post(self, fn: Callable[..., object], *args: Any) -> None:
        """Run ``fn(*args)`` on the loop, if that still runs; from any thread."""
        try:
            self.loop.execute(fn, *args)
        except ChannelClosedError as exc:
            for arg in args:
                if isinstance(arg, Subscription):
                    arg.end(exc)

    def add(self, subscription: Subscription) -> None:
        """Listen to what it wants to hear."""
        if self.state == CLOSED:
            subscription.end(self._why_closed())
            return
        for key in subscription.keys:
            those = self._listeners.setdefault(key, [])
            those.append(subscription)
            if self.state != READY:
                continue  # all are asked for when it is
            if len(those) == 1:
                self._send(key)
            elif not self._open_questions[key]:
                subscription.confirm(key)  # it has been, to another one
        if self.state == IDLE:
            self.open()

    def discard(self, subscription: Subscription, error: BaseException | None = None) -> None:
        """Listen no more to what only this one wanted to hear."""
        for key in subscription.keys:
            those = self._listeners.get(key, [])
            if subscription in those:
                those.remove(subscription)
                if not those:
                    del self._listeners[key]
                    if self.state == READY:
                        self._send((_UNDO[key[0]], key[1]))
        subscription.end(ChannelClosedError(f"{subscription!r} has been closed") if error is None else error)

    def _send(self, command: Key) -> None:
        assert self._splitter is not None, "there is a channel when it is ready"
        self._unanswered.append(command)
        self._open_questions[command] += 1
        encoded = self.encoder.encode(command)
        self._splitter.send(encoded if isinstance(encoded, bytes) else b"".join(encoded))

    # -- what the server says -----------------------------------------------------------------------

    def _answered(self) -> Key:
        key = self._unanswered.popleft()
        self._open_questions[key] -= 1
        if not self._open_questions[key]:
            del self._open_questions[key]
        return key

    def is_listening(self, splitter: EventSplitter) -> bool:
        """Whether that channel's greeting is over: what comes now are no replies to it."""
        return self.state == READY and splitter is self._splitter

    def heard(self, event: list[Any]) -> None:
        """Something that begins with one of the words above."""
        self._has_heard = True
        kind = event[0]
        verb = _MESSAGES.get(kind)
        if verb is None:
            if kind in _CONFIRMATIONS and len(event) == 3:
                self._confirmed(kind.upper(), event[1])
            elif kind == b"pong":
                self.replied(event)
            return
        if verb == b"PSUBSCRIBE":
            if len(event) == 4:
                self._deliver((verb, event[1]), Message(event[2], event[3], event[1]))
        elif len(event) == 3:
            self._deliver((verb, event[1]), Message(event[1], event[2]))

    def _deliver(self, key: Key, message: Message) -> None:
        for subscription in list(self._listeners.get(key, ())):
            subscription.deliver(message)

    def _confirmed(self, verb: bytes, name: Any) -> None:
        key = (verb, name)
        if not self._unanswered or self._unanswered[0] != key:
            return  # the server has taken a channel away by itself, as it does with those of a shard that moves
        self._answered()
        if self._open_questions[key]:
            return  # it was asked for again since; that answer counts
        for subscription in self._listeners.get(key, ()):
            subscription.confirm(key)

    def replied(self, reply: Any) -> None:
        """What is no event: the server has answered a ping, or refuses a channel."""
        self._has_heard = True
        if not self._unanswered:
            return
        if self._unanswered[0] == _PING:
            self._answered()
        elif isinstance(reply, RedisError):
            key = self._answered()
            error = ReplyError(reply, key[0].decode())
            for subscription in list(self._listeners.get(key, ())):
                self.discard(subscription, error)

    # -- what the connection tells ------------------------------------------------------------------

    def make_greeting(self) -> Greeting:
        return Greeting(self.options, with_setup=False)

    def more_stages(self) -> list[Stage]:
        self._splitter = EventSplitter(self)
        return [self._splitter]

    def became_ready(self) -> None:
        self._has_heard = True
        interval = self.options.ping_interval
        if interval is not None:
            self._pinger = self.loop.schedule_every(interval, self._ping, interval)
        for key in self._listeners:
            self._send(key)

    def _ping(self, interval: float) -> None:
        """A peer that has vanished never says so; a subscriber, which only listens, would listen for ever."""
        if not self._has_heard:
            self.end(ChannelBrokenError(f"the server has not answered a ping within {interval:g} s"))
            return
        self._has_heard = False
        self._send(_PING)

    def lost(self, error: BaseException) -> None:
        self._stop_pinging()
        for subscription in self._all():
            subscription.interrupt()

    def ended(self, error: BaseException) -> None:
        self._stop_pinging()
        subscriptions = self._all()
        self._listeners.clear()
        for subscription in subscriptions:
            subscription.end(error)

    def _stop_pinging(self) -> None:
        self._unanswered.clear()
        self._open_questions.clear()
        if self._pinger is not None:
            self._pinger.cancel()
            self._pinger = None

    def _all(self) -> list[Subscription]:
        return list(dict.fromkeys(one for those in self._listeners.values() for one in those))

    def _why_closed(self) -> BaseException:
        error = self.last_error
        return ChannelClosedError(f"the client of {self.address} has been closed") if error is None else error
