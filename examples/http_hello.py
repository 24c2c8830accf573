"""HTTP hello: the smallest server that speaks HTTP, out of three stages.

python examples/http_hello.py
curl -i http://127.0.0.1:9000/
wrk -c 64 http://127.0.0.1:9000/
"""

from __future__ import annotations

import argparse
from typing import Final, Never

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import http

_TEXT: Final = http.Headers({"content-type": "text/plain"})


class Hello(ChannelInboundHandler[http.FullRequest, Never, http.FullResponse]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, http.FullResponse], msg: http.FullRequest) -> None:
        if msg.path == "/":
            ctx.write(http.FullResponse(200, _TEXT, b"Hello, world\n"))
        else:
            ctx.write(http.FullResponse(404, _TEXT, b"There is nothing here\n"))


def main() -> None:
    parser = argparse.ArgumentParser(description="HTTP hello.")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="threads that serve clients (%(default)s)")
    arguments = parser.parse_args()
    with EventLoopGroup(arguments.loops) as loops:
        bootstrap = ServerBootstrap(
            loops, initializer=lambda channel: http.server_stack() >> http.RequestAggregator() >> Hello()
        )
        server = bootstrap.bind(arguments.address)
        try:
            print("listening on", *server.addresses, flush=True)
            server.wait()
        except KeyboardInterrupt:
            print("\nbye")


if __name__ == "__main__":
    main()
