"""ChannelGroup: a set of open channels that forgets the closed ones by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ._mypyc import mypyc_attr
from .channel import Channel, Keeper
from .channel_life import CLOSED
from .errors import ChannelClosedError


@mypyc_attr(allow_interpreted_subclasses=True)
class ChannelGroup(Keeper):
    """Open channels, whatever loops they live on.  Everything here may be done from any thread.

    A closed channel leaves by itself: when its close future is done, it is not in the group any more.

    Args:
        channels: those to begin with.
    """

    def __init__(self, channels: Iterable[Channel] = ()) -> None:
        # A dict, for each change and each copy of it is one indivisible step; a lock would add nothing.
        self._channels: dict[Channel, None] = {}
        for channel in channels:
            self.add(channel)

    def add(self, channel: Channel) -> None:
        """Take a channel in; one that is in already, or is closed, changes nothing."""
        if channel.state == CLOSED:
            return
        self._channels[channel] = None
        if channel.loop.in_loop:
            self._attach(channel)
            return
        try:
            channel.loop.execute(self._attach, channel)
        except ChannelClosedError:
            self.discard(channel)  # its loop has stopped, which has closed it

    def expect_end_of(self, channel: Channel) -> None:
        """Take in a channel that will tell us when it closes: we are among its ``keepers``."""
        self._channels[channel] = None

    def discard(self, channel: Channel) -> None:
        """Let a channel go, if it is here."""
        try:
            del self._channels[channel]  # pop() with a default is looked up by its name, and takes longer
        except KeyError:
            return

    def channel_closed(self, channel: Channel) -> None:
        self.discard(channel)

    def __contains__(self, channel: object) -> bool:
        return channel in self._channels

    def __len__(self) -> int:
        return len(self._channels)

    def __iter__(self) -> Iterator[Channel]:
        """Go over those that are here now; who comes or goes meanwhile makes no difference."""
        return iter(list(self._channels))

    def __repr__(self) -> str:
        return f"<ChannelGroup of {len(self)} channels>"

    def write_and_flush(self, msg: Any) -> None:
        """Send ``msg`` to everybody.  Each channel's own stages encode it."""
        for channel in self:
            channel.broadcast(msg)

    def write(self, msg: Any) -> None:
        """Do the same, but leave the sending to the end of each loop's turn: for several messages in a row."""
        for channel in self:
            channel.broadcast(msg, flush=False)

    def close(self) -> None:
        """Begin to close every channel; each sends first what was written to it."""
        for channel in self:
            channel.close()

    def _attach(self, channel: Channel) -> None:
        if channel.state == CLOSED:
            self.discard(channel)
            return
        for keeper in channel.keepers:  # "self in" would call our own __contains__ when compiled
            if keeper is self:
                return
        channel.keepers += (self,)
