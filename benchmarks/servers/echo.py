"""Echo servers: raw bytes, with and without TLS, length-prefixed frames, lines.  One loop; every connection has its own
stack.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Final, Never

from pipeline_net import (
    Channel,
    ChannelHandlerContext,
    ChannelInboundHandler,
    EventLoopGroup,
    MessageToByteEncoder,
    ServerBootstrap,
    Stack,
    wire,
)
from pipeline_net.codecs import LengthFieldBasedFrameDecoder, LengthFieldPrepender, LineBasedFrameDecoder

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


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--work", choices=sorted(STACKS), required=True)
    options.add_argument("--port", type=int, default=0)
    chosen = options.parse_args()
    is_tls = chosen.work.startswith("tls")
    with EventLoopGroup(1) as loops:
        bootstrap = ServerBootstrap(loops, initializer=STACKS[chosen.work], tls=_CERTIFICATE if is_tls else None)
        server = bootstrap.bind(f"{'tls' if is_tls else 'tcp'}://127.0.0.1:{chosen.port}")
        print(server.addresses[0].rpartition(":")[2], flush=True)
        server.wait()


if __name__ == "__main__":
    main()
