"""STARTTLS: a line protocol that begins in the clear, and goes on encrypted when the client asks for it.

    python examples/starttls.py
    openssl s_client -starttls smtp -crlf -quiet -connect 127.0.0.1:9000

It speaks as much of SMTP as ``openssl`` and mail programs need to get there: EHLO, STARTTLS, NOOP, WHOAMI, QUIT.

The moment of the change is where such servers go wrong.  Bytes that came together with STARTTLS are in the line
decoder already, and must go to TLS: lost, they would break the handshake; read as commands, they would be those of
somebody in between.  ``start_tls`` sees to that.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from typing import Never, TypeAlias

from pipeline_net import (
    Channel,
    ChannelHandlerContext,
    ChannelInboundHandler,
    EventLoopGroup,
    ServerBootstrap,
    Stack,
    wire,
)
from pipeline_net.codecs import LineBasedFrameDecoder, LineEncoder, StringDecoder
from pipeline_net.handlers import ServerTls, TlsHandler, start_tls

_MAX_LINE = 1024  # bytes

Context: TypeAlias = ChannelHandlerContext[Never, str]


class Mail(ChannelInboundHandler[str, Never, str]):
    def __init__(self, tls: ServerTls) -> None:
        self._tls = tls

    def channel_active(self, ctx: Context) -> None:
        ctx.write("220 mail.example at your service")

    def channel_read(self, ctx: Context, msg: str) -> None:
        command = msg.strip().upper()
        is_secret = TlsHandler in ctx.pipeline
        if command.startswith("EHLO"):
            if not is_secret:
                ctx.write("250-STARTTLS")
            ctx.write("250 mail.example")
        elif command == "STARTTLS" and not is_secret:
            ctx.write("220 go ahead")
            start_tls(ctx.pipeline, self._tls.handler())
        elif command == "WHOAMI":
            ctx.write(f"250 {'somebody whom nobody else can hear' if is_secret else 'somebody'}")
        elif command == "NOOP":
            ctx.write("250 done")
        elif command == "QUIT":
            ctx.write("221 goodbye")
            ctx.close()
        else:
            ctx.write("500 what?")


def make_certificate(folder: str) -> tuple[str, str]:
    """Let ``openssl`` make a certificate for this machine, for which nobody vouches but itself."""
    certificate, key = f"{folder}/cert.pem", f"{folder}/key.pem"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost")
    command = ("openssl", "req", "-x509", *kind, "-keyout", key, "-out", certificate)
    subprocess.run(command, capture_output=True, check=True)
    return certificate, key


def main() -> None:
    parser = argparse.ArgumentParser(description="A line protocol with STARTTLS.")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="threads that serve clients (%(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tls = ServerTls(*make_certificate(folder))

        def stack(channel: Channel) -> Stack:
            return wire() >> LineBasedFrameDecoder(_MAX_LINE) >> StringDecoder() >> LineEncoder("\r\n") >> Mail(tls)

        with EventLoopGroup(arguments.loops) as loops:
            server = ServerBootstrap(loops, initializer=stack).bind(arguments.address)
            try:
                print("listening on", *server.addresses, flush=True)
                server.wait()
            except KeyboardInterrupt:
                print("\nbye")


if __name__ == "__main__":
    main()
