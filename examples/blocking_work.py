r"""Echo with work that blocks: each line takes a while, and nobody else waits for it.

    python examples/blocking_work.py --seconds 1
    printf 'one\ntwo\n' | nc -N 127.0.0.1 9000

A loop must never block: all its connections would stand still.  A handler that sits ``on_pool`` runs on a thread
of the pool instead.  The events of one connection still come one at a time and in order, so the answers do
too; different connections work side by side, as many as the pool has threads.
"""

from __future__ import annotations

import argparse
import time
from typing import Never

from pipeline_net import (
    Channel,
    ChannelHandlerContext,
    ChannelInboundHandler,
    EventLoopGroup,
    ServerBootstrap,
    Stack,
    WorkerPool,
    on_pool,
    wire,
)
from pipeline_net.codecs import LineBasedFrameDecoder, LineEncoder, StringDecoder


class SlowEcho(ChannelInboundHandler[str, Never, str]):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def channel_read(self, ctx: ChannelHandlerContext[Never, str], msg: str) -> None:
        time.sleep(self._seconds)  # a database, a file, a computation that leaves the GIL
        ctx.write(f"{msg}, after {self._seconds:g} s")


def main() -> None:
    parser = argparse.ArgumentParser(description="Echo lines, slowly.")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="threads that serve clients (%(default)s)")
    parser.add_argument("--threads", type=int, default=8, help="threads that do the work (%(default)s)")
    parser.add_argument("--seconds", type=float, default=0.5, help="how long each line takes (%(default)s)")
    arguments = parser.parse_args()
    with WorkerPool(arguments.threads) as pool, EventLoopGroup(arguments.loops) as loops:

        def stages(channel: Channel) -> Stack:
            codec = wire() >> LineBasedFrameDecoder(1024) >> StringDecoder() >> LineEncoder()
            return codec >> on_pool(pool, SlowEcho(arguments.seconds))

        server = ServerBootstrap(loops, initializer=stages).bind(arguments.address)
        try:
            print("listening on", *server.addresses, flush=True)
            server.wait()
        except KeyboardInterrupt:
            print("\nbye")


if __name__ == "__main__":
    main()
