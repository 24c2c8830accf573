"""A server with a codec: frames that say how long they are come in and go out, and nobody counts bytes.

    python examples/codec_server.py
    python examples/codec_client.py hello world

::

    +----------------+-----------------+
    | length, 4 bytes| the frame itself|
    +----------------+-----------------+

``react`` runs once for each frame, however the network has cut them; what it returns becomes a frame again.
"""

from __future__ import annotations

import argparse

from pipeline_net import Conn, EventHandler, serve
from pipeline_net.codecs import DecoderConfig, EncoderConfig, LengthFieldBasedFrameCodec


def make_codec() -> LengthFieldBasedFrameCodec:
    """One for each connection: it holds the frame that has not arrived wholly yet."""
    return LengthFieldBasedFrameCodec(
        EncoderConfig(length_field_length=4),
        DecoderConfig(length_field_length=4, initial_bytes_to_strip=4),
        max_length=64 * 1024,  # bytes; a peer that announces more is told off before anything is kept of it
    )


class Shout(EventHandler):
    def react(self, conn: Conn) -> bytes:
        frame: bytes = conn.read_frame()
        return frame.upper()


def main() -> None:
    parser = argparse.ArgumentParser(description="Answer every frame with itself, louder.")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="threads that serve clients (%(default)s)")
    arguments = parser.parse_args()
    serve(
        Shout(),
        arguments.address,
        loops=arguments.loops,
        codec=make_codec,
        ready=lambda server: print("listening on", *server.addresses, flush=True),
    )


if __name__ == "__main__":
    main()
