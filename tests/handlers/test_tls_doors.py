"""TLS through the front doors: bootstraps, ``serve()``, the command line; and what importing costs others."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import pipeline_net.handlers
from pipeline_net import (
    AddressError,
    Bootstrap,
    ChannelDuplexHandler,
    ChannelInboundHandler,
    Conn,
    EventHandler,
    EventLoopGroup,
    ServerBootstrap,
    TlsError,
)
from pipeline_net.cli import main
from pipeline_net.testing import EmbeddedChannel

from .conftest import Certificates

_PATIENCE = 20.0  # seconds


class Echo(ChannelInboundHandler[bytes]):
    def channel_read(self, ctx: Any, msg: bytes) -> None:
        ctx.write(msg)


def _ask(address: str, certificates: Certificates, said: bytes) -> bytes:
    assert address.startswith("tls://")
    host, _, port = address.removeprefix("tls://").rpartition(":")
    plain = socket.create_connection((host, int(port)), timeout=_PATIENCE)
    with certificates.client_context().wrap_socket(plain, server_hostname="localhost") as client:
        client.sendall(said)
        return client.recv(len(said))


@pytest.mark.parametrize("form", ["files", "one file", "context", "ServerTls"])
def test_what_a_server_may_be_given(certificates: Certificates, form: str, tmp_path: Any) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(b"".join((certificates.folder / f"localhost.{kind}").read_bytes() for kind in ("key", "pem")))
    tls: Any = {
        "files": (certificates["localhost.pem"], certificates["localhost.key"]),
        "one file": both,
        "context": certificates.server_context(),
        "ServerTls": certificates.server(),
    }[form]
    with EventLoopGroup(1) as loops:
        server = ServerBootstrap(loops, initializer=lambda channel: [Echo()], tls=tls).bind("tls://127.0.0.1:0")
        assert _ask(server.addresses[0], certificates, b"hello") == b"hello"


def test_each_loop_may_listen_for_itself(certificates: Certificates) -> None:
    with EventLoopGroup(2) as loops:
        bootstrap = ServerBootstrap(
            loops, initializer=lambda channel: [Echo()], tls=certificates.server(), reuse_port=True
        )
        (address,) = bootstrap.bind("tls://127.0.0.1:0").addresses
        for _ in range(5):
            assert _ask(address, certificates, b"hello") == b"hello"


def test_words_that_contradict_each_other_are_refused(certificates: Certificates) -> None:
    with EventLoopGroup(1) as loops:

        def server(tls: Any) -> ServerBootstrap:
            return ServerBootstrap(loops, initializer=lambda channel: [Echo()], tls=tls)

        with pytest.raises(AddressError, match="needs certificates, which tls= gives"):
            server(None).bind("tls://127.0.0.1:0")
        with pytest.raises(AddressError, match="nothing would be encrypted: none of tcp://"):
            server(certificates.server()).bind("tcp://127.0.0.1:0", "unix://x")
        with pytest.raises(TypeError, match="tls= of a server"):
            server(7)
        with pytest.raises(TlsError, match="no such file"):
            server("missing.pem")
        client = Bootstrap(loops, lambda channel: [Echo()], tls=certificates.client())
        with pytest.raises(AddressError, match="only tls://… is encrypted"):
            client.connect("tcp://127.0.0.1:1")
        with pytest.raises(TypeError, match="tls= of a client"):
            Bootstrap(loops, lambda channel: [Echo()], tls=7)  # type: ignore[arg-type]  # the point of this test


class Redirects(ChannelDuplexHandler[Any, Any, Any, Any]):
    def connect(self, ctx: Any, address: Any, promise: Any) -> None:
        ctx.connect("tls://127.0.0.1:1", promise)


def test_a_channel_alone_does_not_know_tls() -> None:
    with EventLoopGroup(1) as loops:
        future = Bootstrap(loops, lambda channel: [Redirects()]).connect("tcp://127.0.0.1:1")
        with pytest.raises(AddressError, match="Bootstrap is what knows tls://"):
            future.result(_PATIENCE)


def test_the_initializer_may_seat_its_stages_by_itself(certificates: Certificates) -> None:
    def seat(channel: Any) -> None:
        channel.pipeline.add_last(Echo())

    with EventLoopGroup(1) as loops:
        server = ServerBootstrap(loops, initializer=seat, tls=certificates.server()).bind("tls://127.0.0.1:0")
        assert _ask(server.addresses[0], certificates, b"hello") == b"hello"


class Shout(EventHandler):
    def react(self, conn: Conn) -> bytes:
        return conn.read().upper()

    def pre_write(self, conn: Conn, data: Any) -> None:
        assert bytes(data) == b"HELLO"  # as it was before it was encrypted


def test_serve_speaks_tls(certificates: Certificates, serving: Any) -> None:
    server = serving(Shout(), "tls://127.0.0.1:0", tls=certificates.server())
    assert _ask(server.addresses[0], certificates, b"hello") == b"HELLO"


def test_the_command_line_speaks_tls(
    certificates: Certificates, start_program: Callable[..., Any], tmp_path: Any
) -> None:
    (tmp_path / "shout.py").write_text(
        "from pipeline_net import ChannelInboundHandler, EventHandler\n"
        "class Stage(ChannelInboundHandler):\n"
        "    def channel_read(self, ctx, msg):\n"
        "        ctx.write(msg.upper())\n"
        "def initializer(channel):\n"
        "    return [Stage()]\n"
        "class Handler(EventHandler):\n"
        "    def react(self, conn):\n"
        "        return conn.read().upper()\n"
    )
    files = ("--tls-cert", certificates["localhost.pem"], "--tls-key", certificates["localhost.key"])
    for what in ("shout:initializer", "shout:Handler"):
        command = ("-m", "pipeline_net", "run", what, "--address", "tls://127.0.0.1:0")
        program = start_program(*command, *files, cwd=tmp_path)
        assert _ask(program.addresses[0], certificates, b"hello") == b"HELLO"
        assert program.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--tls-key", "key.pem"], "--tls-key is of no use without --tls-cert"),
        (["--tls-cert", "missing.pem"], "cannot use missing.pem for TLS: no such file or directory"),
        (["--address", "tls://127.0.0.1:0"], "needs certificates"),
        (["--tls-cert", "{}", "--address", "tcp://127.0.0.1:0"], "nothing would be encrypted"),
    ],
)
def test_the_command_line_says_what_is_missing(
    certificates: Certificates,
    arguments: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(b"".join((certificates.folder / f"localhost.{kind}").read_bytes() for kind in ("key", "pem")))
    (tmp_path / "silent.py").write_text("def initializer(channel):\n    return []\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["run", "silent:initializer", *(word.format(both) for word in arguments)]) == 2
    assert complaint in capsys.readouterr().err


def test_the_door_of_the_handlers_brings_ssl_only_when_it_is_asked_for() -> None:
    code = (
        "import sys; import pipeline_net, pipeline_net.handlers as handlers\n"
        "assert 'ssl' not in sys.modules\n"
        "handlers.TlsHandler\n"
        "assert 'ssl' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=50)
    for name in pipeline_net.handlers.__all__:
        assert getattr(pipeline_net.handlers, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        pipeline_net.handlers.Nothing  # noqa: B018 - looking is what raises


def test_a_context_that_verifies_nobody_is_refused_when_connecting(certificates: Certificates) -> None:
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    careless.check_hostname = False
    careless.verify_mode = ssl.CERT_NONE
    with EventLoopGroup(1) as loops:
        future = Bootstrap(loops, lambda channel: [Echo()], tls=careless).connect("tls://127.0.0.1:1")
        with pytest.raises(ValueError, match="anybody could pose as the server"):
            future.result(_PATIENCE)


def test_a_stage_alone_is_enough_for_other_channels(certificates: Certificates) -> None:
    channel = EmbeddedChannel(certificates.client().handler("localhost"))
    assert channel.read_outbound()[:3] == b"\x16\x03\x01"


def test_an_error_that_nobody_handles_is_one_line_of_news(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    channel = EmbeddedChannel(certificates.server().handler())
    with caplog.at_level("INFO", logger="pipeline_net.channel"), pytest.raises(TlsError, match="plain HTTP"):
        channel.write_inbound(b"GET / HTTP/1.1\r\n")
    (record,) = caplog.records
    assert (record.levelname, record.exc_info) == ("INFO", None)
    assert record.getMessage().endswith("the peer speaks plain HTTP, not TLS; it is 'test'")
    assert not channel.is_open
