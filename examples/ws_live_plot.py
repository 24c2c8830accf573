"""A live plot: measurements are broadcast as they are made, and every open page draws them.

    python examples/ws_live_plot.py
    open http://127.0.0.1:9000/

A sample is twelve bytes, a number and a time, in a binary message that is encoded once for all pages.  A page that
cannot keep up, such as one in a tab that sleeps, misses samples; nothing is kept for it.
"""

from __future__ import annotations

import argparse
import math
import random
import struct
import time
from pathlib import Path
from typing import Any, Final, Never

from pipeline_net import (
    Channel,
    ChannelHandlerContext,
    ChannelInboundHandler,
    EventLoop,
    EventLoopGroup,
    ServerBootstrap,
    Stack,
)
from pipeline_net.codecs import http, websocket

_PAGE: Final = Path(__file__).with_suffix(".html").read_bytes()
_HTML: Final = http.Headers({"content-type": "text/html; charset=utf-8"})
_SAMPLE: Final = struct.Struct(">dI")  # the value, and milliseconds since the start


class Page(ChannelInboundHandler[http.FullRequest, Never, http.FullResponse]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, http.FullResponse], msg: http.FullRequest) -> None:
        if msg.path == "/":
            ctx.write(http.FullResponse(200, _HTML, _PAGE))
        else:
            ctx.write(http.FullResponse(404))


class Viewer(ChannelInboundHandler[str | bytes, Never, bytes]):
    """One page that looks on; whatever it sends is ignored."""

    def __init__(self, viewers: websocket.BroadcastGroup) -> None:
        self._viewers = viewers

    def user_event_triggered(self, ctx: ChannelHandlerContext[Never, bytes], event: Any) -> None:
        if isinstance(event, websocket.HandshakeComplete):
            self._viewers.add(ctx.channel)

    def channel_read(self, ctx: ChannelHandlerContext[Never, bytes], msg: str | bytes) -> None:
        return


class Sensor:
    """Something that wanders up and down."""

    def __init__(self, viewers: websocket.BroadcastGroup) -> None:
        self._viewers = viewers
        self._began = time.monotonic()
        self._drift = 0.0

    def measure(self) -> None:
        elapsed = time.monotonic() - self._began
        self._drift = 0.98 * self._drift + random.gauss(0, 0.05)
        self._viewers.write_and_flush(_SAMPLE.pack(math.sin(elapsed) + self._drift, int(elapsed * 1000)))

    def start(self, loop: EventLoop, interval: float) -> None:
        loop.execute(loop.schedule_every, interval, self.measure)


def main() -> None:
    parser = argparse.ArgumentParser(description="A live plot.")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="threads that serve clients (%(default)s)")
    parser.add_argument("--interval", type=float, default=0.05, help="seconds between two samples (%(default)s)")
    arguments = parser.parse_args()
    viewers = websocket.BroadcastGroup(slow="skip")

    def stack(channel: Channel) -> Stack:
        live = websocket.UpgradeHandler(lambda channel: [Viewer(viewers)], path="/live")
        return http.server_stack() >> live >> http.RequestAggregator() >> Page()

    with EventLoopGroup(arguments.loops) as loops:
        server = ServerBootstrap(loops, initializer=stack).bind(arguments.address)
        Sensor(viewers).start(loops.next(), arguments.interval)
        try:
            print("listening on", *server.addresses, flush=True)
            server.wait()
        except KeyboardInterrupt:
            print("\nbye")


if __name__ == "__main__":
    main()
