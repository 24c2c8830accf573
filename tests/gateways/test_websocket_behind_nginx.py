"""A WebSocket through nginx, as how-to/behind-nginx.md sets it up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Never

from websockets.sync.client import connect

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import websocket

_WAIT = 20.0
_UPGRADE = "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }"
_PASS = """
    location / {{
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        proxy_set_header Host $http_host;
        proxy_read_timeout 60s;
        proxy_pass http://127.0.0.1:{port};
    }}
"""


class Echo(ChannelInboundHandler[str | bytes, Never, str | bytes]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, str | bytes], msg: str | bytes) -> None:
        ctx.write(msg)


def test_messages_go_through_and_pages_of_the_site_are_let_in(start_nginx: Callable[..., Any]) -> None:
    with EventLoopGroup(1) as group:
        bootstrap = ServerBootstrap(group, initializer=lambda channel: websocket.server_stack() >> Echo())
        with bootstrap.bind("tcp://127.0.0.1:0") as server:
            port = int(server.addresses[0].rpartition(":")[2])
            nginx = start_nginx(_PASS.format(port=port), http=_UPGRADE)
            url = nginx.url.replace("http", "ws", 1)
            with connect(url, origin=nginx.url, open_timeout=_WAIT) as client:
                for message in ("hello", b"\0" * 300_000, ""):
                    client.send(message)
                    assert client.recv(timeout=_WAIT) == message
                client.close(4001, "enough")
            assert client.protocol.close_rcvd is not None
            assert client.protocol.close_rcvd.code == 4001
