"""PubSub: who hears what, across all loops of a process.

Each loop has a book of its own subscribers, which that loop alone changes.  Publishing looks into the books of all
loops, in single steps that need no lock, so how many hear of it is known at once::

    PUBLISH news hello              on loop 1
      ├─ book of loop 1:  2 subscribers   written to there and then
      ├─ book of loop 2:  900             one task for that loop; encoded there, once for each version of RESP
      └─ book of loop 3:  nobody          nothing
    (integer) 902

Messages of one publisher reach a subscriber in the order in which they were published, because tasks of a loop are run
in order.  A client that publishes faster than another loop can take it waits for that loop every 256 KiB.  Somebody who
leaves between the count and the task is counted and hears nothing.

Sharded channels (SSUBSCRIBE, SPUBLISH) are names of their own; in a server that is no cluster they differ in nothing
else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..._mypyc import mypyc_attr
from ...errors import ChannelClosedError
from .encoder import RedisReplyEncoder
from .messages import Push
from .pattern import KeyPattern

if TYPE_CHECKING:
    from ...loop import Loop
    from .session import Session

CHANNEL: Final = 0
PATTERN: Final = 1
SHARD: Final = 2


class _Message:
    """A message on its way to the subscribers of one loop: encoded when the first of them needs it."""

    def __init__(self, push: Push) -> None:
        self._push = push
        self._wire2: list[bytes] | None = None
        self._wire3: list[bytes] | None = None

    def wire(self, protocol: int) -> list[bytes]:
        if protocol == 3:
            if self._wire3 is None:
                self._wire3 = _encode(self._push, 3)
            return self._wire3
        if self._wire2 is None:
            self._wire2 = _encode(self._push, 2)
        return self._wire2


def _encode(push: Push, protocol: int) -> list[bytes]:
    wire = RedisReplyEncoder(protocol=protocol).encode(push)
    return wire if isinstance(wire, list) else [wire]


class LoopBook:
    """Who of one loop has subscribed to what.  Changed by that loop alone; others look at it in single steps."""

    def __init__(self, loop: Loop) -> None:
        self.loop: Final = loop
        self.names: Final[tuple[dict[bytes, dict[Session, None]], ...]] = ({}, {}, {})  # CHANNEL, PATTERN, SHARD
        self._patterns: dict[bytes, KeyPattern] = {}

    def add(self, kind: int, name: bytes, session: Session) -> None:
        """Note one more subscriber."""
        subscribers = self.names[kind].get(name)
        if subscribers is None:
            if kind == PATTERN:
                self._patterns[name] = KeyPattern(name)  # which may refuse it
            self.names[kind][name] = {session: None}
        else:
            subscribers[session] = None

    def discard(self, kind: int, name: bytes, session: Session) -> None:
        """Note one subscriber less."""
        subscribers = self.names[kind].get(name)
        if subscribers is None:
            return
        subscribers.pop(session, None)
        if not subscribers:
            del self.names[kind][name]
            if kind == PATTERN:
                del self._patterns[name]

    @property
    def is_empty(self) -> bool:
        """Whether nobody of the loop has subscribed to anything."""
        channels, patterns, shards = self.names
        return not channels and not patterns and not shards

    def count(self, kind: int, name: bytes) -> int:
        """How many have subscribed to just that name.  From any thread."""
        subscribers = self.names[kind].get(name)
        return 0 if subscribers is None else len(subscribers)

    def receivers(self, kind: int, name: bytes) -> int:
        """How many messages to ``name`` would be sent.  From any thread."""
        found = self.count(kind, name)
        if kind == CHANNEL:
            for pattern in list(self._patterns.values()):
                if pattern.matches(name):
                    found += self.count(PATTERN, pattern.pattern)
        return found

    def deliver(self, kind: int, name: bytes, message: bytes) -> None:
        """Send a message to all of the loop that have subscribed."""
        word = b"smessage" if kind == SHARD else b"message"
        self._send(self.names[kind].get(name), Push([word, name, message]))
        if kind == CHANNEL:
            for pattern in list(self._patterns.values()):
                if pattern.matches(name):
                    push = Push([b"pmessage", pattern.pattern, name, message])
                    self._send(self.names[PATTERN].get(pattern.pattern), push)

    def _send(self, subscribers: dict[Session, None] | None, push: Push) -> None:
        if not subscribers:
            return
        message = _Message(push)
        for session in list(subscribers):  # a copy: whoever is written to may leave
            session.write_unasked(message.wire(session.protocol))


@mypyc_attr(allow_interpreted_subclasses=True)
class PubSub:
    """Channels, patterns, and who has subscribed to them."""

    def __init__(self) -> None:
        self._books: dict[Loop, LoopBook] = {}  # each entry is made and removed by its own loop

    def publish(
        self, channel: bytes, message: bytes, *, sharded: bool = False, publisher: Session | None = None
    ) -> int:
        """Send ``message`` to all subscribers of ``channel``; how many there are.  From any thread.

        Args:
            publisher: whose command it is, on its own loop: it is slowed down when other loops do not keep up.
        """
        kind = SHARD if sharded else CHANNEL
        receivers = 0
        for book in list(self._books.values()):
            here = book.receivers(kind, channel)
            if here == 0:
                continue
            loop = book.loop
            if loop.in_loop:
                book.deliver(kind, channel, message)
            else:
                try:
                    loop.execute(book.deliver, kind, channel, message)
                except ChannelClosedError:
                    continue  # that loop is being stopped, and its subscribers with it
                if publisher is not None:
                    publisher.sent_across(loop, len(channel) + len(message))
            receivers += here
        return receivers

    def subscribe(self, kind: int, name: bytes, session: Session) -> None:
        """Let ``session`` hear what is published; on its loop."""
        loop = session.loop
        book = self._books.get(loop)
        if book is None:
            book = LoopBook(loop)
            self._books[loop] = book
        book.add(kind, name, session)

    def unsubscribe(self, kind: int, name: bytes, session: Session) -> None:
        """Let ``session`` hear it no more; on its loop."""
        book = self._books.get(session.loop)
        if book is not None:
            book.discard(kind, name, session)
            if book.is_empty:
                del self._books[session.loop]

    def names(self, kind: int) -> list[bytes]:
        """All names of that kind that have subscribers.  From any thread."""
        found: dict[bytes, None] = {}
        for book in list(self._books.values()):
            for name in list(book.names[kind]):
                found[name] = None
        return list(found)

    def count(self, kind: int, name: bytes) -> int:
        """How many have subscribed to just that name.  From any thread."""
        found = 0
        for book in list(self._books.values()):
            found += book.count(kind, name)
        return found

    def __repr__(self) -> str:
        counts: list[Any] = [len(self.names(kind)) for kind in (CHANNEL, PATTERN, SHARD)]
        return f"<PubSub: {counts[0]} channels, {counts[1]} patterns, {counts[2]} sharded channels>"
