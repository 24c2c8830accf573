"""The client of codec_server.py: each word goes out as a frame, and each answer is printed.

    python examples/codec_client.py hello world

The codec of the server is an ordinary stage, so a client seats it too.  All frames leave in one send; the answers come
back in order, so counting them tells when the work is done.
"""

from __future__ import annotations

import argparse
import sys
from typing import Never

from pipeline_net import Bootstrap, ChannelHandlerContext, ChannelInboundHandler, EventLoopGroup, PipelineNetError, wire
from pipeline_net.codecs import DecoderConfig, EncoderConfig, LengthFieldBasedFrameCodec


class Asking(ChannelInboundHandler[bytes, Never, bytes]):
    """Sends all questions, prints the answers, and closes after the last one."""

    def __init__(self, questions: list[bytes]) -> None:
        self._questions = questions
        self.missing = len(questions)

    def channel_active(self, ctx: ChannelHandlerContext[Never, bytes]) -> None:
        for question in self._questions:
            ctx.write(question)

    def channel_read(self, ctx: ChannelHandlerContext[Never, bytes], msg: bytes) -> None:
        print(msg.decode(), flush=True)
        self.missing -= 1
        if self.missing == 0:
            ctx.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Ask codec_server.py.")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where the server listens (%(default)s)")
    parser.add_argument("words", nargs="+", help="what to send, one frame each")
    arguments = parser.parse_args()
    asking = Asking([word.encode() for word in arguments.words])
    codec = LengthFieldBasedFrameCodec(EncoderConfig(4), DecoderConfig(length_field_length=4, initial_bytes_to_strip=4))
    with EventLoopGroup(1) as loops:
        try:
            channel = Bootstrap(loops, lambda channel: wire() >> codec >> asking).connect(arguments.address).result()
        except PipelineNetError as exc:
            sys.exit(f"codec_client: {exc}")
        channel.close_future.result()
    if asking.missing:
        sys.exit(f"codec_client: the server left with {asking.missing} answers missing")


if __name__ == "__main__":
    main()
