"""TLS echo, with a certificate that is made on the spot.  It says how to try it.

    python examples/tls_echo.py
    openssl s_client -connect 127.0.0.1:9000 -CAfile … -verify_return_error

``--tls-cert`` and ``--tls-key`` use files of your own instead.  TLS costs the handler nothing: ``tls://`` in the
address and ``tls=`` beside it are all that differs from ``echo.py``.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile

from pipeline_net import Conn, EventHandler, serve
from pipeline_net.server import RunningServer


class Echo(EventHandler):
    def react(self, conn: Conn) -> bytes:
        return conn.read()


def make_certificate(folder: str) -> tuple[str, str]:
    """Let ``openssl`` make a certificate for this machine, for which nobody vouches but itself."""
    certificate, key = f"{folder}/cert.pem", f"{folder}/key.pem"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "90")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    command = ("openssl", "req", "-x509", *kind, *names, "-keyout", key, "-out", certificate)
    subprocess.run(command, capture_output=True, check=True)
    return certificate, key


def main() -> None:
    parser = argparse.ArgumentParser(description="TLS echo.")
    parser.add_argument("--address", default="tls://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="threads that serve clients (%(default)s)")
    parser.add_argument("--tls-cert", metavar="FILE", help="a certificate of your own (PEM)")
    parser.add_argument("--tls-key", metavar="FILE", help="its key")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.tls_cert:
            certificate, key = arguments.tls_cert, arguments.tls_key or arguments.tls_cert
        else:
            certificate, key = make_certificate(folder)

        def announce(server: RunningServer) -> None:
            (address,) = server.addresses
            print("listening on", address, flush=True)
            place = address.removeprefix("tls://")
            print(f"try: openssl s_client -connect {place} -CAfile {certificate} -verify_return_error", flush=True)

        serve(Echo(), arguments.address, loops=arguments.loops, tls=(certificate, key), ready=announce)


if __name__ == "__main__":
    main()
