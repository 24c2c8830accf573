"""BroadcastGroup: the same message to many WebSockets, encoded once, and what becomes of those that are too slow.

A message is put into a frame once, and all channels queue the same bytes.  A receiver that does not read as fast as it
is sent to would make its queue grow for ever; so one whose ``is_writable`` is false is left out of a message, or let
go.  What waits for any of them stays at ``write_buffer_high`` and one message.

Receivers live on many loops.  Each loop is given its channels in one task, and when so many tasks wait that the loop
cannot be keeping up, its receivers are left out, or let go, altogether.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias

from ...channel import Channel
from ...channel_group import ChannelGroup
from ...errors import ChannelClosedError
from ...loop import Loop
from .messages import Close, PreparedMessage

Slow: TypeAlias = Literal["skip", "close"]

_TRY_AGAIN_LATER: Final = 1013
_MAX_UNDER_WAY: Final = 64  # messages that a loop has not come to yet


class BroadcastGroup(ChannelGroup):
    """Open WebSockets, whatever loops they live on.  Everything here may be done from any thread.

    Args:
        channels: those to begin with.
        slow: what becomes of a receiver that is not writable: ``"skip"`` leaves it out of this message, which suits
            pictures of a state; ``"close"`` says ``Close(1013)`` and lets it go, which suits a stream without gaps.

    Raises:
        ValueError: another policy.
    """

    def __init__(self, channels: Iterable[Channel] = (), *, slow: Slow = "skip") -> None:
        if slow not in ("skip", "close"):
            raise ValueError(f"slow is 'skip' or 'close', not {slow!r}")
        self._slow = slow
        self._under_way: dict[Loop, deque[None]] = {}  # deques, for both of their ends are safe from any thread
        self.skipped = 0
        """How often a receiver was left out."""
        super().__init__(channels)

    def __repr__(self) -> str:
        return f"<BroadcastGroup of {len(self)} channels, slow={self._slow!r}, skipped={self.skipped}>"

    def write_and_flush(self, msg: Any) -> None:
        """Send ``msg`` to everybody who can take it: ``str``, ``bytes``, or a ``PreparedMessage``."""
        self._send(msg, True)

    def write(self, msg: Any) -> None:
        """Do the same, but leave the sending to the end of each loop's turn: for several messages in a row."""
        self._send(msg, False)

    def _send(self, msg: Any, flush: bool) -> None:
        prepared = PreparedMessage(msg) if isinstance(msg, (str, bytes)) else msg
        by_loop: dict[Loop, list[Channel]] = {}
        for channel in self:
            by_loop.setdefault(channel.loop, []).append(channel)
        for loop, channels in by_loop.items():
            if loop.in_loop:
                self._deliver(channels, prepared, flush)
            else:
                self._post(loop, channels, prepared, flush)

    def _post(self, loop: Loop, channels: list[Channel], msg: Any, flush: bool) -> None:
        under_way = self._under_way.setdefault(loop, deque())
        try:
            if len(under_way) < _MAX_UNDER_WAY:
                under_way.append(None)
                loop.execute(self._arrive, under_way, channels, msg, flush)
                return
            self.skipped += len(channels)
            if self._slow == "close":
                for channel in channels:
                    self.discard(channel)  # so there is one such task for each of them
                loop.execute(self._let_go, channels)
        except ChannelClosedError:
            self._under_way.pop(loop, None)  # it has stopped, and closed its channels

    def _arrive(self, under_way: deque[None], channels: list[Channel], msg: Any, flush: bool) -> None:
        under_way.popleft()
        self._deliver(channels, msg, flush)

    def _deliver(self, channels: list[Channel], msg: Any, flush: bool) -> None:
        """Write to channels of this loop."""
        for channel in channels:
            if channel.is_writable:
                channel.broadcast(msg, flush=flush)
            elif channel.is_open:
                self._leave_out(channel)

    def _leave_out(self, channel: Channel) -> None:
        self.skipped += 1
        if self._slow == "close":
            self.discard(channel)
            self._let_go([channel])

    def _let_go(self, channels: list[Channel]) -> None:
        for channel in channels:
            channel.broadcast(Close(_TRY_AGAIN_LATER, "too slow"))
