"""A WebSocket echo server: the stack that ships, and a handler as people write them."""

from __future__ import annotations

import argparse
from typing import Final, Never

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, EventLoop, ServerBootstrap
from pipeline_net.codecs import websocket

_LIMITS: Final = websocket.Limits(max_message=16 * 1024 * 1024)


class Echo(ChannelInboundHandler[str | bytes, Never, str | bytes]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, str | bytes], msg: str | bytes) -> None:
        ctx.write(msg)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=0)
    chosen = options.parse_args()
    loop = EventLoop()
    bootstrap = ServerBootstrap(loop, initializer=lambda channel: websocket.server_stack(limits=_LIMITS) >> Echo())
    server = bootstrap.bind(f"tcp://127.0.0.1:{chosen.port}")
    print(server.addresses[0].rpartition(":")[2], flush=True)
    loop.run()


if __name__ == "__main__":
    main()
