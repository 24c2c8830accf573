"""What WebSockets of an ASGI application are allowed, unless somebody says otherwise."""

from __future__ import annotations

import attrs

from pipeline_net.codecs.websocket.limits import KEEP_ALIVE, Limits
from pipeline_net.gateways import asgi_websocket
from pipeline_net.gateways.asgi_websocket_options import WEBSOCKET_OPTIONS, WebSocketOptions


def test_what_holds_by_default() -> None:
    assert WEBSOCKET_OPTIONS.limits == Limits(max_message=16 * 1024 * 1024)
    assert WEBSOCKET_OPTIONS.deflate is None
    assert WEBSOCKET_OPTIONS.keepalive == KEEP_ALIVE


def test_what_is_made_of_them_follows_them() -> None:
    changed = attrs.evolve(WEBSOCKET_OPTIONS, keepalive=None)
    assert changed == WebSocketOptions(keepalive=None)
    assert changed != WEBSOCKET_OPTIONS
    assert changed.settings is not WEBSOCKET_OPTIONS.settings


def test_they_are_found_beside_the_stage_as_ever() -> None:
    assert asgi_websocket.WebSocketOptions is WebSocketOptions
    assert asgi_websocket.WEBSOCKET_OPTIONS is WEBSOCKET_OPTIONS
