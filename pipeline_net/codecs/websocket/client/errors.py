"""WebSocketClosedError: no message will come, and none can be sent."""

from __future__ import annotations

from ....errors import ChannelClosedError
from ..messages import Closed


class WebSocketClosedError(ChannelClosedError):
    """The WebSocket is over; ``code``, ``reason`` and ``clean`` say how, as ``Closed`` does."""

    def __init__(self, closed: Closed) -> None:
        why = f": {closed.reason}" if closed.reason else ""
        how = "" if closed.clean else ", without a closing handshake"
        super().__init__(f"the WebSocket was closed with {closed.code}{how}{why}")
        self.closed = closed

    @property
    def code(self) -> int:
        return self.closed.code

    @property
    def reason(self) -> str:
        return self.closed.reason

    @property
    def clean(self) -> bool:
        return self.closed.clean

    def __reduce__(self) -> tuple[type[WebSocketClosedError], tuple[Closed]]:
        return type(self), (self.closed,)
