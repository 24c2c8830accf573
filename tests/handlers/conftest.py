"""Certificates made on the spot by ``openssl``, and a peer that is Python's own ``ssl``."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import ChannelHandler, ChannelInboundHandler, TlsError
from pipeline_net.handlers import ClientTls, ServerTls, TlsHandler
from pipeline_net.testing import EmbeddedChannel, EmbeddedLoop

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


class Certificates:
    """A folder of PEM files: an authority, two servers and a client that it vouches for, and a stranger.

    ``x.pem`` is the certificate of ``x``, ``x.key`` its key.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
        # Python 3.13 wants an authority to say what it is for, and a certificate to say by whom it is.
        ca = (*ec, "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self._openssl("req", "-x509", *ca, "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem")
        self._openssl("req", "-x509", *ec, "-subj", "/CN=localhost", "-keyout", "stranger.key", "-out", "stranger.pem")
        for name, alternatives in (
            ("localhost", "DNS:localhost,IP:127.0.0.1"),
            ("other", "DNS:other.example,DNS:*.wild.example"),
            ("client", "DNS:client"),
        ):
            self._openssl("req", *ec, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
            (folder / f"{name}.ext").write_text(f"subjectAltName={alternatives}\nauthorityKeyIdentifier=keyid\n")
            signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext")
            self._openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, timeout=30, check=True)

    def __getitem__(self, name: str) -> str:
        return str(self.folder / name)

    def server(self, name: str = "localhost", **settings: Any) -> ServerTls:
        return ServerTls(self[f"{name}.pem"], self[f"{name}.key"], **settings)

    def client(self, **settings: Any) -> ClientTls:
        return ClientTls(ca=self["ca.pem"], **settings)

    def server_context(self, **settings: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self["localhost.pem"], self["localhost.key"])
        return _set(context, **settings)

    def client_context(self, **settings: Any) -> ssl.SSLContext:
        return _set(ssl.create_default_context(cafile=self["ca.pem"]), **settings)


def _set(context: ssl.SSLContext, **settings: Any) -> ssl.SSLContext:
    for name, value in settings.items():
        setattr(context, name, value)
    return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return Certificates(tmp_path_factory.mktemp("certificates"))


class Peer:
    """The other end of an ``EmbeddedChannel`` that begins with TLS: an ``SSLObject``, and what it has read."""

    def __init__(self, channel: EmbeddedChannel, context: ssl.SSLContext, **settings: Any) -> None:
        self.channel = channel
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        if context.protocol == ssl.PROTOCOL_TLS_SERVER:
            settings["server_side"] = True
        else:
            settings.setdefault("server_hostname", "localhost")
        self.tls = context.wrap_bio(self._incoming, self._outgoing, **settings)
        self.is_connected = False
        self.has_ended = False
        self.received = b""
        self.records: list[bytes] = []
        """What the channel has sent, cut into records."""
        self._uncut = b""

    def take(self) -> bool:
        """Read what the channel has sent; whether there was anything."""
        pieces = []
        while (piece := self.channel.read_outbound()) is not None:
            pieces.append(bytes(piece))
        data = b"".join(pieces)
        self._uncut += data
        while len(self._uncut) >= 5 and len(self._uncut) >= (end := 5 + int.from_bytes(self._uncut[3:5], "big")):
            self.records.append(self._uncut[:end])
            self._uncut = self._uncut[end:]
        self._incoming.write(data)
        self._work()
        return bool(data)

    def _work(self) -> None:
        try:
            if not self.is_connected:
                self.tls.do_handshake()
                self.is_connected = True
            while data := self.tls.read(65536):
                self.received += data
            self.has_ended = True
        except ssl.SSLWantReadError:
            pass  # so far, so good
        except ssl.SSLZeroReturnError:
            self.has_ended = True

    def begin(self) -> None:
        """Say the first word."""
        self._work()

    def given(self) -> bytes:
        """What it has to say now."""
        return self._outgoing.read()

    def talk(self) -> Peer:
        """Let both sides say what they have to say, until both are silent."""
        self._work()
        while True:
            said = self.given()
            if said and self.channel.is_open:
                self.channel.write_inbound(said)
            if not self.take() and not said:
                return self

    def say(self, data: bytes) -> Peer:
        """Encrypt ``data``, and let the channel have it."""
        self.write(data)
        return self.talk()

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view) :]

    def say_goodbye(self) -> Peer:
        try:
            self.tls.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass  # it has been said; the answer is another matter
        return self.talk()


class Diary(ChannelInboundHandler[Any]):
    """Writes down what happens, and does what it is told to do then."""

    shareable = True

    def __init__(self, when: dict[str, Callable[[Any], object]] | None = None) -> None:
        self.log: list[Any] = []
        self.received = b""
        self.errors: list[BaseException] = []
        self._when = when or {}

    def _note(self, ctx: Any, what: str) -> None:
        scratch = ctx.loop.shared.get("tls")
        assert scratch is None or not (scratch.incoming.pending or scratch.outgoing.pending), "others may need it"
        self.log.append(what)
        if what in self._when:
            self._when[what](ctx)

    def channel_active(self, ctx: Any) -> None:
        self._note(ctx, "active")

    def user_event_triggered(self, ctx: Any, event: Any) -> None:
        self._note(ctx, type(event).__name__)

    def channel_read(self, ctx: Any, msg: bytes) -> None:
        self.received += msg
        self._note(ctx, "read")

    def channel_read_complete(self, ctx: Any) -> None:
        self._note(ctx, "complete")

    def channel_eof(self, ctx: Any) -> None:
        self._note(ctx, "eof")

    def exception_caught(self, ctx: Any, exc: BaseException) -> None:
        self.errors.append(exc)
        self._note(ctx, type(exc).__name__)

    def channel_inactive(self, ctx: Any) -> None:
        self._note(ctx, "inactive")

    @property
    def error(self) -> TlsError:
        """The one error that it was told of."""
        (error,) = self.errors
        assert isinstance(error, TlsError)
        return error


class Echo(ChannelInboundHandler[bytes]):
    def channel_read(self, ctx: Any, msg: bytes) -> None:
        ctx.write(msg)


def connected(
    certificates: Certificates, *stages: ChannelHandler, handler: TlsHandler | None = None, **settings: Any
) -> tuple[EmbeddedChannel, Peer]:
    """A server's channel with TLS in front of ``stages``, and a client that has shaken hands with it."""
    channel = EmbeddedChannel(handler or certificates.server().handler(), *stages)
    return channel, Peer(channel, certificates.client_context(**settings)).talk()


def next_deadline(channel: EmbeddedChannel) -> float | None:
    """When the next timer of the channel's loop is due."""
    assert isinstance(channel.loop, EmbeddedLoop)
    return channel.loop.next_deadline()
