"""Echo servers: raw bytes, with and without TLS, length-prefixed frames, lines.  One loop, if no other number is asked
for; every connection has its own stack.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from typing import Any, Final, Never

import uvloop

from pipeline_net import (
    Channel,
    ChannelHandlerContext,
    ChannelInboundHandler,
    EventLoop,
    EventLoopGroup,
    MessageToByteEncoder,
    Server,
    ServerBootstrap,
    Stack,
    wire,
)
from pipeline_net.codecs import LengthFieldBasedFrameDecoder, LengthFieldPrepender, LineBasedFrameDecoder
from pipeline_net.transport.host import AsyncioHost

_MAX_FRAME: Final = 16 * 1024 * 1024  # bytes
_MAX_LINE: Final = 1024 * 1024  # bytes
_CERTIFICATE: Final = "bin/tls.pem"  # the harness has made it


class Echo(ChannelInboundHandler[bytes, Never, bytes]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, bytes], msg: bytes) -> None:
        ctx.write(msg)


class NewlineEncoder(MessageToByteEncoder[bytes]):
    """bytes → bytes: the newline that the decoder took off."""

    def encode(self, msg: bytes) -> bytes:
        return msg + b"\n"


def raw(channel: Channel) -> Stack[Any, Any, Any, Any]:
    return wire() >> Echo()


def framed(channel: Channel) -> Stack[Any, Any, Any, Any]:
    return (
        wire()
        >> LengthFieldBasedFrameDecoder(_MAX_FRAME, initial_bytes_to_strip=4)
        >> LengthFieldPrepender(4)
        >> Echo()
    )


def line(channel: Channel) -> Stack[Any, Any, Any, Any]:
    return wire() >> LineBasedFrameDecoder(_MAX_LINE) >> NewlineEncoder() >> Echo()


STACKS: Final[dict[str, Callable[[Channel], Stack[Any, Any, Any, Any]]]] = {
    "raw": raw,
    "tls": raw,
    "framed": framed,
    "tls-framed": framed,
    "line": line,
}


def announce(server: Server) -> None:
    print(server.addresses[0].rpartition(":")[2], flush=True)


async def serve_hosted(work: str, address: str) -> None:
    """The same on a loop of ours that asyncio drives."""
    async with AsyncioHost() as host:
        server = ServerBootstrap(host.loop, initializer=STACKS[work]).bind(address)
        announce(server)
        await asyncio.get_running_loop().create_future()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--work", choices=sorted(STACKS), required=True)
    options.add_argument("--port", type=int, default=0)
    options.add_argument(
        "--loops", type=int, help="loops, each in a thread of its own, instead of one on the main thread"
    )
    options.add_argument("--busy-poll", type=float, default=0.0, help="seconds to stay awake after an event")
    options.add_argument("--host", choices=("asyncio", "uvloop"), help="drive our loop from this one's")
    chosen = options.parse_args()
    is_tls = chosen.work.startswith("tls")
    address = f"{'tls' if is_tls else 'tcp'}://127.0.0.1:{chosen.port}"
    if chosen.host is not None:
        factory = uvloop.new_event_loop if chosen.host == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(serve_hosted(chosen.work, address))
        return
    initializer = STACKS[chosen.work]
    tls = _CERTIFICATE if is_tls else None
    if chosen.loops is None:
        loop = EventLoop(busy_poll=chosen.busy_poll)
        announce(ServerBootstrap(loop, initializer=initializer, tls=tls).bind(address))
        loop.run()
        return
    with EventLoopGroup(chosen.loops, busy_poll=chosen.busy_poll) as loops:
        server = ServerBootstrap(loops, initializer=initializer, tls=tls).bind(address)
        announce(server)
        server.wait()


if __name__ == "__main__":
    main()
