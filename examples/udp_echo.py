"""UDP echo: every datagram goes back to where it came from.

    python examples/udp_echo.py
    nc -u 127.0.0.1 9000

UDP has no connections: one channel hears everybody, and its messages are ``Datagram(data, address)``.  Nothing is
buffered; what the kernel does not take at once is lost, as it may be on the network.
"""

from __future__ import annotations

import argparse
from typing import Never

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, Datagram, EventLoopGroup, ServerBootstrap


class Echo(ChannelInboundHandler[Datagram, Never, Datagram]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, Datagram], msg: Datagram) -> None:
        ctx.write(Datagram(msg.data, msg.address))


def main() -> None:
    parser = argparse.ArgumentParser(description="Echo datagrams.")
    parser.add_argument("--address", default="udp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="threads, each with a socket of its own (%(default)s)")
    arguments = parser.parse_args()
    with EventLoopGroup(arguments.loops) as loops:
        # Several sockets on one port: the kernel chooses, by the sender's address.
        bootstrap = ServerBootstrap(loops, initializer=lambda channel: [Echo()], reuse_port=len(loops) > 1)
        server = bootstrap.bind(arguments.address)
        try:
            print("listening on", *server.addresses, flush=True)
            server.wait()
        except KeyboardInterrupt:
            print("\nbye")


if __name__ == "__main__":
    main()
