"""WebSocketOptions: how the WebSockets of an ASGI application are spoken."""

from __future__ import annotations

from typing import Final

import attrs

from ..codecs.websocket.limits import KEEP_ALIVE, KeepAlive, Limits
from ..codecs.websocket.negotiation import Deflate
from ..codecs.websocket.settings import ProtocolSettings

_MAX_MESSAGE: Final = 16 * 1024 * 1024  # bytes; what applications are used to from other servers


@attrs.frozen(kw_only=True)
class WebSocketOptions:
    """How an ASGI application's WebSockets are spoken.  Whose pages may connect is for the application to say."""

    limits: Limits = attrs.field(factory=lambda: Limits(max_message=_MAX_MESSAGE))
    deflate: Deflate | None = None
    """What is compressed; nothing by default, for it costs memory and time."""
    keepalive: KeepAlive | None = KEEP_ALIVE
    close_timeout: float = 10.0
    settings: ProtocolSettings = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        settings = ProtocolSettings(limits=self.limits, keepalive=self.keepalive, close_timeout=self.close_timeout)
        object.__setattr__(self, "settings", settings)


WEBSOCKET_OPTIONS: Final = WebSocketOptions()
