"""Mutual TLS: a server that knows its clients by their certificates, and greets them by name.

    python examples/mutual_tls.py --folder /tmp/mutual
    cd /tmp/mutual; openssl s_client -connect 127.0.0.1:9000 -CAfile ca.pem -cert ada.pem -key ada.key

Into ``--folder`` go an authority, a certificate for the server, and one for each of two clients, Ada and Bob; a folder
that has them is used as it is.  New files are noticed while the server runs: remove the folder's ``server.pem`` and
``server.key``, start the example elsewhere with ``--only-certificates``, and new connections get the new ones.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Never

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, EventLoopGroup, ServerBootstrap, wire
from pipeline_net.codecs import LineBasedFrameDecoder, LineEncoder, StringDecoder
from pipeline_net.handlers import ServerTls, TlsHandshakeDone

_LOOK_AGAIN = 10.0  # seconds between two looks at the files
_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "90")


class Greets(ChannelInboundHandler[str, Never, str]):
    """Says who is there, and then says everything back."""

    _name = ""

    def user_event_triggered(self, ctx: ChannelHandlerContext[Never, str], event: Any) -> None:
        if isinstance(event, TlsHandshakeDone):
            self._name = event.peer_names[0]
            ctx.write(f"Welcome, {self._name}.")
        ctx.fire_user_event_triggered(event)

    def channel_read(self, ctx: ChannelHandlerContext[Never, str], msg: str) -> None:
        ctx.write(f"{self._name} said: {msg}")


def make_certificates(folder: Path) -> None:
    """Make what is missing in ``folder``."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=True)

    folder.mkdir(exist_ok=True)
    if not (folder / "ca.pem").exists():
        # Clients in Python 3.13 want an authority to say what it is for, and a certificate to say by whom it is.
        may = ("-addext", "keyUsage=critical,keyCertSign")
        openssl("req", "-x509", *_EC, *may, "-subj", "/CN=The authority", "-keyout", "ca.key", "-out", "ca.pem")
    for name, common_name in (("server", "localhost"), ("ada", "Ada"), ("bob", "Bob")):
        if not (folder / f"{name}.pem").exists():
            openssl("req", *_EC, "-subj", f"/CN={common_name}", "-keyout", f"{name}.key", "-out", "request.csr")
            names = "subjectAltName=DNS:localhost,IP:127.0.0.1\n" if name == "server" else ""
            (folder / "names").write_text(f"authorityKeyIdentifier=keyid\n{names}")
            authority = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "90")
            openssl("x509", "-req", "-in", "request.csr", *authority, "-extfile", "names", "-out", f"{name}.pem")


def main() -> None:
    parser = argparse.ArgumentParser(description="A server that knows its clients by their certificates.")
    parser.add_argument("--address", default="tls://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="threads that serve clients (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where the certificates are, or shall be (a temporary one)")
    parser.add_argument("--only-certificates", action="store_true", help="make what is missing in --folder, and end")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        make_certificates(folder)
        if arguments.only_certificates:
            return
        tls = ServerTls(folder / "server.pem", folder / "server.key", client_ca=folder / "ca.pem")
        with EventLoopGroup(arguments.loops) as loops:
            server = ServerBootstrap(
                loops,
                initializer=lambda channel: (
                    wire() >> LineBasedFrameDecoder(1024) >> StringDecoder() >> LineEncoder() >> Greets()
                ),
                tls=tls,
            ).bind(arguments.address)
            loops.next().schedule_every(_LOOK_AGAIN, tls.reload_if_changed)
            try:
                print("listening on", *server.addresses, flush=True)
                server.wait()
            except KeyboardInterrupt:
                print("\nbye")


if __name__ == "__main__":
    main()
