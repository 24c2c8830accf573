"""An HTTP server that says hello: the stack that ships, and a handler as people write them."""

from __future__ import annotations

import argparse
from typing import Final, Never

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, EventLoop, ServerBootstrap
from pipeline_net.codecs import http

_BODY: Final = b"Hello, world\n"


class Hello(ChannelInboundHandler[http.FullRequest, Never, http.FullResponse]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, http.FullResponse], msg: http.FullRequest) -> None:
        ctx.write(http.FullResponse(200, {"content-type": "text/plain"}, _BODY))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=0)
    chosen = options.parse_args()
    loop = EventLoop()
    bootstrap = ServerBootstrap(
        loop, initializer=lambda channel: http.server_stack() >> http.RequestAggregator() >> Hello()
    )
    server = bootstrap.bind(f"tcp://127.0.0.1:{chosen.port}")
    print(server.addresses[0].rpartition(":")[2], flush=True)
    loop.run()


if __name__ == "__main__":
    main()
