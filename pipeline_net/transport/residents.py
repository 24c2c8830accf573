"""Residents: who lives on a loop, or is on the way there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .._mypyc import i64, mypyc_attr
from ..loop import Listener, Loop, Watched

if TYPE_CHECKING:
    from ..channel import Channel
    from ..future import ChannelFuture


@mypyc_attr(allow_interpreted_subclasses=True)
class Residents(Loop):
    """The part of an event loop that knows its channels and listeners; on the loop, if nothing else is said."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.thread_id = 0  # whose thread runs the loop, or drove it last
        self._members: set[Channel] = set()
        self._listeners: set[Listener] = set()
        self._watched: dict[int, Watched] = {}  # descriptors in the loop's selector, and whose they are
        self._on_empty: list[ChannelFuture[Any]] = []
        self._handed_out: i64 = 0
        self._counting = threading.Lock()

    @property
    def channels(self) -> int:
        """How many channels live here, or are on their way; from any thread."""
        return len(self._members) + self._handed_out

    def expect(self) -> None:
        """A channel is on its way here: count it already, so that balancers see a burst; from any thread."""
        with self._counting:
            self._handed_out += 1

    def arrived(self) -> None:
        """It is here, or will not come; from any thread."""
        with self._counting:
            self._handed_out -= 1

    def adopt(self, channel: Channel) -> None:
        """A channel lives here from now on."""
        self._members.add(channel)

    def forget(self, channel: Channel) -> None:
        """A channel is closed."""
        self._members.discard(channel)
        if self._on_empty and not self._members:
            for promise in self._on_empty:
                promise.fulfil(None)
            self._on_empty = []

    def adopt_listener(self, listener: Listener) -> None:
        self._listeners.add(listener)

    def forget_listener(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    def disown(self) -> None:
        """A handler has forked, and this is the child: all that lives here is the parent's, and is not touched."""
        self._watched.clear()
        for channel in self._members:
            channel.disown()
        for listener in self._listeners:
            listener.disown()
        self._members.clear()
        self._listeners.clear()

    # -- for groups that wind down: on the loop -----------------------------------------------------

    def close_listeners(self) -> None:
        """Take in no new peers."""
        for listener in list(self._listeners):
            listener.stop_listening()

    def close_channels(self) -> None:
        """Close every channel; what was written is still sent."""
        for channel in list(self._members):
            channel.close()

    def when_empty(self, promise: ChannelFuture[Any]) -> None:
        """Fulfil ``promise`` as soon as no channel lives here."""
        if self._members:
            self._on_empty.append(promise)
        else:
            promise.fulfil(None)
