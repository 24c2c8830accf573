"""A chat room in the browser: one port for the page, which is ordinary HTTP, and for the WebSocket that it opens.

    python examples/ws_chat.py
    open http://127.0.0.1:9000/ in two windows

Names are chosen in the query: ``/chat?name=Ada``.  A message is one JSON text, made once for everybody in the room.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final, Never
from urllib.parse import parse_qs

from pipeline_net import Channel, ChannelHandlerContext, ChannelInboundHandler, EventLoopGroup, ServerBootstrap, Stack
from pipeline_net.codecs import http, websocket

_PAGE: Final = Path(__file__).with_suffix(".html").read_bytes()
_HTML: Final = http.Headers(
    {"content-type": "text/html; charset=utf-8", "content-security-policy": "frame-ancestors 'none'"}
)
_MAX_MESSAGE: Final = 4096  # bytes
_MAX_NAME: Final = 20  # characters


class Page(ChannelInboundHandler[http.FullRequest, Never, http.FullResponse]):
    """Everything but the WebSocket."""

    def channel_read(self, ctx: ChannelHandlerContext[Never, http.FullResponse], msg: http.FullRequest) -> None:
        if msg.path == "/":
            ctx.write(http.FullResponse(200, _HTML, _PAGE))
        else:
            ctx.write(http.FullResponse(404))


class Member(ChannelInboundHandler[str | bytes, Never, str | websocket.Close]):
    """One person in the room."""

    def __init__(self, room: websocket.BroadcastGroup) -> None:
        self._room = room
        self._name = ""

    def user_event_triggered(self, ctx: ChannelHandlerContext[Never, str | websocket.Close], event: Any) -> None:
        if isinstance(event, websocket.HandshakeComplete):
            self._name = _name_in(event.query)
            self._room.add(ctx.channel)
            self._say("is here")
        elif isinstance(event, websocket.Closed) and self._name:
            self._room.discard(ctx.channel)
            self._say("has left")

    def channel_read(self, ctx: ChannelHandlerContext[Never, str | websocket.Close], msg: str | bytes) -> None:
        if isinstance(msg, str):
            self._say(msg)
        else:
            ctx.write(websocket.Close(1003, "text only"))

    def _say(self, text: str) -> None:
        self._room.write_and_flush(json.dumps({"name": self._name, "text": text}))


def _name_in(query: str) -> str:
    name = parse_qs(query).get("name", ["somebody"])[0]
    return name[:_MAX_NAME] if name.isprintable() else "somebody"


def main() -> None:
    parser = argparse.ArgumentParser(description="A chat room in the browser.")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="threads that serve clients (%(default)s)")
    arguments = parser.parse_args()
    room = websocket.BroadcastGroup(slow="close")
    limits = websocket.Limits(max_message=_MAX_MESSAGE)

    def stack(channel: Channel) -> Stack:
        chat = websocket.UpgradeHandler(lambda channel: [Member(room)], path="/chat", limits=limits)
        return http.server_stack() >> chat >> http.RequestAggregator() >> Page()

    with EventLoopGroup(arguments.loops) as loops:
        server = ServerBootstrap(loops, initializer=stack).bind(arguments.address)
        try:
            print("listening on", *server.addresses, flush=True)
            server.wait()
        except KeyboardInterrupt:
            print("\nbye")


if __name__ == "__main__":
    main()
