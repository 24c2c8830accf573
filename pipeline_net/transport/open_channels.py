"""OpenChannels: the channels of a server, and whoever waits until the last one has left."""

from __future__ import annotations

import threading

from ..channel import Channel
from ..channel_group import ChannelGroup
from ..future import patience


class OpenChannels(ChannelGroup):
    """The open channels of one server, on whatever loops they live."""

    def __init__(self) -> None:
        super().__init__()
        self._left = threading.Condition()
        self._is_awaited = False  # until then, nobody has to be told that it is empty

    def channel_closed(self, channel: Channel) -> None:
        self.discard(channel)
        if self._is_awaited and not self._channels:
            with self._left:
                self._left.notify_all()

    def wait_until_empty(self, timeout: float) -> bool:
        """Wait, at most ``timeout`` seconds; says whether it is empty.  Not on a loop."""
        self._is_awaited = True  # first: who leaves after we have looked must know that we wait
        with self._left:
            return self._left.wait_for(self._is_empty, patience(timeout))

    def _is_empty(self) -> bool:
        return not self._channels
