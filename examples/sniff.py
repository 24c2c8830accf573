"""One port for four protocols: HTTP, Redis, lines of text, and any of them inside TLS.

    python examples/sniff.py

    curl http://127.0.0.1:9000/apples
    curl --insecure https://127.0.0.1:9000/apples
    redis-cli -p 9000 incr apples
    printf 'apples\\n' | nc -N 127.0.0.1 9000

All of them count the same things: whoever names one adds 1 to it.  What a client speaks is seen by its first bytes, and
the stages for that take the place of the one that has looked::

    wire ─▶ SniffHandler ─┬─ TLS ───▶ TlsHandler ─▶ SniffHandler ─┬─ HTTP ─▶ …
                          ├─ HTTP ──▶ lines ─▶ WebPage            ├─ …
                          ├─ Redis ─▶ commands ─▶ Commands        └─ …
                          └─ else ──▶ lines ─▶ Lines

The certificate for TLS is made on the spot by ``openssl``, or is one of your own (``--tls-cert``, ``--tls-key``).
The HTTP of this example knows GET and nothing else.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections import Counter
from threading import Lock
from typing import Never

from pipeline_net import (
    Channel,
    ChannelHandlerContext,
    ChannelInboundHandler,
    EventLoopGroup,
    ServerBootstrap,
    Stack,
    wire,
)
from pipeline_net.codecs import LineBasedFrameDecoder, redis
from pipeline_net.handlers import ReadTimeoutHandler, ServerTls, SniffHandler, probes

_MAX_LINE = 4096  # bytes
_MAX_NAMES = 10_000  # things that are counted
_PATIENCE = 30.0  # seconds that a client may be silent


class Counts:
    """How often each thing was named; shared by all loops."""

    def __init__(self) -> None:
        self._counts: Counter[bytes] = Counter()
        self._lock = Lock()

    def add(self, name: bytes) -> int:
        """Count ``name`` once more; 0 when there are too many names."""
        with self._lock:
            if name not in self._counts and len(self._counts) >= _MAX_NAMES:
                return 0
            self._counts[name] += 1
            return self._counts[name]


class Lines(ChannelInboundHandler[bytes, Never, bytes]):
    """A protocol of our own: a line with a name, a line with its count."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def channel_read(self, ctx: ChannelHandlerContext[Never, bytes], msg: bytes) -> None:
        ctx.write(b"%s: %d\n" % (msg, self._counts.add(msg)))


class WebPage(ChannelInboundHandler[bytes, Never, bytes]):
    """``GET /name`` answers with a count; reads lines, of which an empty one ends a request."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._request = b""

    def channel_read(self, ctx: ChannelHandlerContext[Never, bytes], msg: bytes) -> None:
        if msg:
            self._request = self._request or msg
            return
        method, _, rest = self._request.partition(b" ")
        self._request = b""
        if method != b"GET":
            ctx.write(
                b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            ctx.close()
            return
        name = rest.partition(b" ")[0].lstrip(b"/")
        body = b"%s: %d\n" % (name, self._counts.add(name))
        ctx.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


class Commands(ChannelInboundHandler[redis.Command, Never, redis.Reply]):
    """``INCR name``, and ``PING``."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def channel_read(self, ctx: ChannelHandlerContext[Never, redis.Reply], msg: redis.Command) -> None:
        match [msg[0].upper(), *msg[1:]]:
            case [b"INCR", name]:
                ctx.write(self._counts.add(name))
            case [b"PING"]:
                ctx.write(redis.PONG)
            case _:
                ctx.write(redis.RedisError("ERR", "this server knows PING and INCR name"))


class Port:
    """Makes the stages of each connection."""

    def __init__(self, tls: ServerTls) -> None:
        self._tls = tls
        self._counts = Counts()

    def stages(self, channel: Channel) -> Stack:
        """Whatever comes, in the clear or inside TLS."""
        return wire() >> SniffHandler(
            (probes.tls, self._inside_tls),
            (probes.http1, self._http),
            (probes.resp, self._redis),
            otherwise=self._lines,
        )

    def _inside_tls(self, channel: Channel) -> Stack:
        inside = SniffHandler((probes.http1, self._http), (probes.resp, self._redis), otherwise=self._lines)
        return wire() >> self._tls.handler() >> inside

    def _http(self, channel: Channel) -> Stack:
        return wire() >> LineBasedFrameDecoder(_MAX_LINE) >> ReadTimeoutHandler(_PATIENCE) >> WebPage(self._counts)

    def _redis(self, channel: Channel) -> Stack:
        return redis.server_stack() >> ReadTimeoutHandler(_PATIENCE) >> Commands(self._counts)

    def _lines(self, channel: Channel) -> Stack:
        return wire() >> LineBasedFrameDecoder(_MAX_LINE) >> ReadTimeoutHandler(_PATIENCE) >> Lines(self._counts)


def make_certificate(folder: str) -> tuple[str, str]:
    """Let ``openssl`` make a certificate for this machine, for which nobody vouches but itself."""
    certificate, key = f"{folder}/cert.pem", f"{folder}/key.pem"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    command = ("openssl", "req", "-x509", *kind, *names, "-keyout", key, "-out", certificate)
    subprocess.run(command, capture_output=True, check=True)
    return certificate, key


def main() -> None:
    parser = argparse.ArgumentParser(description="HTTP, Redis, lines of text and TLS on one port.")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="threads that serve clients (%(default)s)")
    parser.add_argument("--tls-cert", metavar="FILE", help="a certificate of your own (PEM)")
    parser.add_argument("--tls-key", metavar="FILE", help="its key")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.tls_cert:
            tls = ServerTls(arguments.tls_cert, arguments.tls_key)
        else:
            tls = ServerTls(*make_certificate(folder))
        with EventLoopGroup(arguments.loops) as loops:
            server = ServerBootstrap(loops, initializer=Port(tls).stages).bind(arguments.address)
            try:
                print("listening on", *server.addresses, flush=True)
                server.wait()
            except KeyboardInterrupt:
                print("\nbye")


if __name__ == "__main__":
    main()
