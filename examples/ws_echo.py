"""WebSocket echo: every message comes back, text as text and bytes as bytes.

    python examples/ws_echo.py
    python examples/ws_client.py ws://127.0.0.1:9000 hello world

With ``--deflate``, what both sides agree to compress is compressed.
"""

from __future__ import annotations

import argparse
from typing import Never

from pipeline_net import Channel, ChannelHandlerContext, ChannelInboundHandler, EventLoopGroup, ServerBootstrap, Stack
from pipeline_net.codecs import websocket


class Echo(ChannelInboundHandler[str | bytes, Never, str | bytes]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, str | bytes], msg: str | bytes) -> None:
        ctx.write(msg)


def main() -> None:
    parser = argparse.ArgumentParser(description="WebSocket echo.")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="threads that serve clients (%(default)s)")
    parser.add_argument("--deflate", action="store_true", help="compress, with clients that can")
    arguments = parser.parse_args()
    deflate = websocket.Deflate() if arguments.deflate else None

    def stack(channel: Channel) -> Stack:
        return websocket.server_stack(deflate=deflate) >> Echo()

    with EventLoopGroup(arguments.loops) as loops:
        server = ServerBootstrap(loops, initializer=stack).bind(arguments.address)
        try:
            print("listening on", *server.addresses, flush=True)
            server.wait()
        except KeyboardInterrupt:
            print("\nbye")


if __name__ == "__main__":
    main()
