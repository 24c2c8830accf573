"""Messages that leave a stage on a pool in several pieces."""

from __future__ import annotations

import socket
from typing import Any

from pipeline_net import (
    ChannelDuplexHandler,
    ChannelInboundHandler,
    ChannelOptions,
    EventLoopGroup,
    MessageToByteEncoder,
    ServerBootstrap,
    WorkerPool,
)
from pipeline_net.channel import Channel

from .hand_pool import until


class InPieces(MessageToByteEncoder[int]):
    def encode(self, msg: int) -> list[bytes]:
        return [b"<", b"%d" % msg, b"x" * 66_000, b">"]


def test_pieces_from_the_pool_stay_together_and_their_news_is_told_on_the_loop() -> None:
    told: list[bool] = []

    class Listens(ChannelDuplexHandler[Any, Any, Any, Any]):
        def channel_writability_changed(self, ctx: Any) -> None:
            told.append(ctx.channel.loop.in_loop)
            ctx.fire_channel_writability_changed()

    class Talks(ChannelInboundHandler[Any]):
        def channel_active(self, ctx: Any) -> None:
            for number in range(10, 50):
                ctx.loop.schedule(number * 0.002, ctx.write, number)

    expected = b"".join(b"<%d%s>" % (number, b"x" * 66_000) for number in range(10, 50))
    with WorkerPool(2) as pool, EventLoopGroup(1) as loops:

        def stages(channel: Channel) -> None:
            channel.pipeline.add_last(Listens())
            channel.pipeline.add_last(InPieces(), executor=pool)
            channel.pipeline.add_last(Talks())

        options = ChannelOptions(send_buffer=65536)  # bytes; so that the kernel does not take it all
        server = ServerBootstrap(loops, initializer=stages, options=options).bind("tcp://127.0.0.1:0")
        place = ("127.0.0.1", int(server.addresses[0].rpartition(":")[2]))
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            peer.settimeout(10)
            peer.connect(place)
            until(lambda: told)  # until then, nobody reads
            came = b""
            while len(came) < len(expected):
                part = peer.recv(1 << 20)
                assert part
                came += part
    assert came == expected
    assert told
    assert all(told)
