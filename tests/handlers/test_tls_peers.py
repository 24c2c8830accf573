"""Real peers over real sockets: ``openssl``, ``curl``, and Python's own ``ssl`` on both sides."""

from __future__ import annotations

import os
import select
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pipeline_net import (
    Bootstrap,
    ChannelInboundHandler,
    ChannelOptions,
    EventLoopGroup,
    MessageToByteEncoder,
    ServerBootstrap,
    TlsError,
)
from pipeline_net.codecs import LineBasedFrameDecoder, redis
from pipeline_net.handlers import AlpnHandler, ServerTls, SniffHandler, TlsHandshakeDone, probes, start_tls

from .conftest import VERSIONS, Certificates, Diary

_PATIENCE = 20.0  # seconds

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


class Facts(ChannelInboundHandler[bytes]):
    """Greets with what was agreed upon, then echoes."""

    def user_event_triggered(self, ctx: Any, event: Any) -> None:
        if isinstance(event, TlsHandshakeDone):
            said = (event.version, event.server_name, event.alpn, event.peer_names, event.is_resumed)
            ctx.write(f"{said}\n".encode())

    def channel_read(self, ctx: Any, msg: bytes) -> None:
        ctx.write(msg)


@pytest.fixture
def loops() -> Iterator[EventLoopGroup]:
    with EventLoopGroup(1) as group:
        yield group


@pytest.fixture
def serve_tls(loops: EventLoopGroup) -> Callable[..., int]:
    """``serve_tls(tls, make_stages)`` serves ``tls://127.0.0.1``, and returns the port."""

    def start(tls: ServerTls, make_stages: Callable[[Any], Any] = lambda channel: [Facts()], **settings: Any) -> int:
        server = ServerBootstrap(loops, initializer=make_stages, tls=tls, **settings).bind("tls://127.0.0.1:0")
        return int(server.addresses[0].rpartition(":")[2])

    return start


def s_client(port: int, *arguments: str, said: bytes = b"", until: bytes = b"", code: int | None = 0) -> str:
    """Run ``openssl s_client``: let it say something, and goodbye when ``until`` has come; returns what it wrote."""
    with subprocess.Popen(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(_PATIENCE, process.kill)
        timer.start()
        try:
            process.stdin.write(said)
            process.stdin.flush()
            output = b""
            while until not in output and (chunk := os.read(process.stdout.fileno(), 65536)):
                output += chunk
            process.stdin.close()
            output += process.stdout.read()
        finally:
            timer.cancel()
            timer.join()
    text = output.decode(errors="replace")
    assert code is None or process.returncode == code, text
    return text


@pytest.mark.parametrize(
    ("option", "version"),
    [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3"), ("-no_tls1_3", "TLSv1.2")],
)
def test_s_client_with_each_version(
    certificates: Certificates, serve_tls: Callable[..., int], option: str, version: str
) -> None:
    port = serve_tls(certificates.server(alpn=["b", "a"]))
    verify = ("-CAfile", certificates["ca.pem"], "-verify_return_error", "-servername", "localhost")
    output = s_client(port, option, *verify, "-alpn", "a,b", said=b"Hello, TLS\n", until=b"Hello, TLS")
    assert f"('{version}', 'localhost', 'b', [], False)" in output
    assert "Hello, TLS" in output.splitlines()
    assert "ALPN protocol: b" in output
    assert "Verify return code: 0 (ok)" in output


@pytest.mark.parametrize("option", ["-tls1", "-tls1_1"])
def test_s_client_with_versions_of_the_past(
    certificates: Certificates, serve_tls: Callable[..., int], option: str
) -> None:
    output = s_client(serve_tls(certificates.server()), option, "-cipher", "ALL:@SECLEVEL=0", code=1)
    assert "alert protocol version" in output


def _subject(output: str) -> str:
    """Whose certificate was shown; OpenSSL before 3.2 writes blanks around the sign in it."""
    line = next(line for line in output.splitlines() if line.startswith("subject="))
    return line.removeprefix("subject=").replace(" = ", "=")


def test_s_client_asks_for_several_names(certificates: Certificates, serve_tls: Callable[..., int]) -> None:
    other = (certificates["other.pem"], certificates["other.key"])
    port = serve_tls(certificates.server(names={"other.example": other}))
    assert _subject(s_client(port, "-servername", "other.example")) == "CN=other"
    assert _subject(s_client(port, "-servername", "unknown.example")) == "CN=localhost"
    output = s_client(port, "-noservername", until=b"False)")
    assert _subject(output) == "CN=localhost"
    assert "None, None, [], False)" in output


@pytest.mark.parametrize("option", ["-tls1_2", "-tls1_3"])
def test_s_client_resumes_its_session(
    certificates: Certificates, serve_tls: Callable[..., int], tmp_path: Any, option: str
) -> None:
    port = serve_tls(certificates.server())
    session = str(tmp_path / "session")
    s_client(port, option, "-sess_out", session, until=b"False)")  # the greeting: tickets come before it
    output = s_client(port, option, "-sess_in", session, until=b"True)")
    assert "Reused, TLSv1." in output
    assert "[], True)" in output


def test_s_client_shows_its_certificate(certificates: Certificates, serve_tls: Callable[..., int]) -> None:
    port = serve_tls(certificates.server(client_ca=certificates["ca.pem"]))
    identity = ("-cert", certificates["client.pem"], "-key", certificates["client.key"])
    assert "['client', 'client'], False)" in s_client(port, *identity, until=b"False)")
    refused = s_client(port, "-tls1_2", code=1)
    assert "alert handshake failure" in refused


def test_s_client_may_not_renegotiate(certificates: Certificates, serve_tls: Callable[..., int]) -> None:
    port = serve_tls(certificates.server())
    output = s_client(port, "-tls1_2", said=b"R\n", until=b"renegotiation", code=None)
    assert "RENEGOTIATING" in output
    assert "no renegotiation" in output


class Newlines(MessageToByteEncoder[bytes]):
    def encode(self, msg: bytes) -> bytes:
        return msg + b"\r\n"


class Mail(ChannelInboundHandler[bytes]):
    """As much of SMTP as ``s_client -starttls smtp`` speaks."""

    def __init__(self, tls: ServerTls) -> None:
        self._tls = tls

    def channel_active(self, ctx: Any) -> None:
        ctx.write(b"220 mail.example ready")

    def channel_read(self, ctx: Any, msg: bytes) -> None:
        word = msg.split()[0].upper() if msg.split() else b""
        if word == b"EHLO":
            ctx.write(b"250-mail.example\r\n250 STARTTLS")
        elif word == b"STARTTLS":
            ctx.write(b"220 go ahead")
            start_tls(ctx.pipeline, self._tls.handler())
        elif word == b"QUIT":
            ctx.write(b"221 bye")
            ctx.close()
        else:
            ctx.write(b"250 ok " + word)


def test_s_client_with_starttls(certificates: Certificates, loops: EventLoopGroup) -> None:
    tls = certificates.server()
    server = ServerBootstrap(
        loops, initializer=lambda channel: [LineBasedFrameDecoder(1000), Newlines(), Mail(tls)]
    ).bind("tcp://127.0.0.1:0")
    port = int(server.addresses[0].rpartition(":")[2])
    verify = ("-CAfile", certificates["ca.pem"], "-verify_return_error", "-crlf", "-quiet")
    output = s_client(port, "-starttls", "smtp", *verify, said=b"NOOP\nquit\n", until=b"bye", code=None)
    assert "250 ok NOOP" in output
    assert "221 bye" in output


def test_our_client_with_s_server(certificates: Certificates, loops: EventLoopGroup) -> None:
    """``-rev`` answers each line with the same backwards."""
    for option in ("-tls1_2", "-tls1_3"):
        command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-rev", option, "-alpn", "two,one"]
        identity = ["-cert", certificates["localhost.pem"], "-key", certificates["localhost.key"], "-chainCAfile"]
        with subprocess.Popen(
            [*command, *identity, certificates["ca.pem"]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as server:
            try:
                assert server.stdout is not None
                line = b""
                while not line.startswith(b"ACCEPT "):
                    line = server.stdout.readline()
                port = int(line.rpartition(b":")[2])
                arrived = threading.Event()

                class Reads(Diary):
                    def channel_read(self, ctx: Any, msg: bytes) -> None:
                        super().channel_read(ctx, msg)
                        if self.received.endswith(b"\n"):
                            arrived.set()  # noqa: B023 - it is used within this turn

                diary = Reads()
                bootstrap = Bootstrap(
                    loops,
                    lambda channel: [diary],  # noqa: B023 - it is used within this turn
                    tls=certificates.client(alpn=["one", "two"]),
                )
                channel = bootstrap.connect(f"tls://localhost:{port}").result(_PATIENCE)
                channel.write(b"stressed\n").result(_PATIENCE)
                assert arrived.wait(_PATIENCE)
                assert diary.received == b"desserts\n"
                facts = channel.pipeline.get("tls-handler").facts
                assert (facts.alpn, facts.version) == ("two", option[1:].replace("tls", "TLSv").replace("_", "."))
                channel.close().result(_PATIENCE)
            finally:
                server.kill()


@needs_curl
def test_curl_chooses_its_protocol_by_alpn(certificates: Certificates, serve_tls: Callable[..., int]) -> None:
    class Hello(ChannelInboundHandler[bytes]):
        def channel_read(self, ctx: Any, msg: bytes) -> None:
            ctx.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n")
            ctx.close()

    stages = {"http/1.1": lambda channel: [Hello()]}
    port = serve_tls(certificates.server(alpn=["http/1.1"]), lambda channel: [AlpnHandler(stages)])
    url = f"https://localhost:{port}/"
    for version in ("--tlsv1.2", "--tlsv1.3"):
        done = subprocess.run(
            ["curl", "-sS", "--fail", version, "--tls-max", version[-3:], "--cacert", certificates["ca.pem"], url],
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")
    done = subprocess.run(["curl", "-sS", url], capture_output=True, timeout=_PATIENCE, check=False)
    assert done.returncode == 60  # whom it does not trust


# -- Python's own sockets ---------------------------------------------------------------------------


def _dial(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
    try:
        return context.wrap_socket(plain, server_hostname="localhost")
    except BaseException:
        plain.close()
        raise


def _exchange(client: ssl.SSLSocket, data: bytes) -> bytes:
    """Send ``data`` and receive as much, on one thread: two may not use one ``SSLSocket`` at once."""
    received = bytearray()
    unsent = memoryview(data)
    client.setblocking(False)
    while len(received) < len(data):
        select.select([client], [client] if unsent else [], [], _PATIENCE)
        try:
            unsent = unsent[client.send(unsent) :] if unsent else unsent
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass  # no room
        try:
            while chunk := client.recv(65536):
                received += chunk
            break
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            continue  # nothing more for now
    client.settimeout(_PATIENCE)
    return bytes(received)


class Echo(ChannelInboundHandler[bytes]):
    def channel_read(self, ctx: Any, msg: bytes) -> None:
        ctx.write(msg)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_megabytes_come_back_and_half_closing_loses_nothing(
    certificates: Certificates, serve_tls: Callable[..., int], version: ssl.TLSVersion
) -> None:
    port = serve_tls(certificates.server(), lambda channel: [Echo()])
    data = bytes(range(256)) * 40_000
    with _dial(port, certificates.client_context(maximum_version=version)) as client:
        assert _exchange(client, data) == data
        client.unwrap().close()


def test_a_peer_that_does_not_read_is_not_read_from(certificates: Certificates, serve_tls: Callable[..., int]) -> None:
    channels: list[Any] = []

    def stages(channel: Any) -> list[Any]:
        channels.append(channel)
        return [Echo()]

    port = serve_tls(certificates.server(), stages)
    with _dial(port, certificates.client_context()) as client:
        client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.sendall(bytes(1 << 28))
        (channel,) = channels
        assert not channel.is_writable
        assert channel.pending_write_bytes < 2 << 20


def test_our_client_with_pythons_server(certificates: Certificates, loops: EventLoopGroup) -> None:
    context = certificates.server_context()
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as threads:

        def answer() -> bytes:
            plain, _ = listener.accept()
            with context.wrap_socket(plain, server_side=True) as server:
                said = b""
                while chunk := server.recv(65536):
                    said += chunk
                server.sendall(b"heard " + said)
                server.unwrap().close()
            return said

        heard = threads.submit(answer)
        diary = Diary({"eof": lambda ctx: ctx.close()})
        bootstrap = Bootstrap(loops, lambda channel: [diary], tls=certificates.client())
        channel = bootstrap.connect(f"tls://localhost:{listener.getsockname()[1]}").result(_PATIENCE)
        channel.write(b"x" * 100_000)
        channel.shutdown_output()
        channel.close_future.result(_PATIENCE)
        assert heard.result(_PATIENCE) == b"x" * 100_000
        assert diary.received == b"heard " + b"x" * 100_000
        assert diary.errors == []


def test_two_hundred_handshakes_at_once(certificates: Certificates, serve_tls: Callable[..., int]) -> None:
    port = serve_tls(certificates.server(), lambda channel: [Echo()])
    context = certificates.client_context()
    plain = [socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) for _ in range(200)]
    clients = [context.wrap_socket(sock, server_hostname="localhost", do_handshake_on_connect=False) for sock in plain]
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda client: client.do_handshake(), clients))
        for number, client in enumerate(clients):
            client.sendall(b"%d\n" % number)
        for number, client in enumerate(clients):
            assert client.recv(100) == b"%d\n" % number
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("said", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\xff" * 4])
def test_a_stalled_handshake_is_given_up_and_leaves_nothing(
    certificates: Certificates, serve_tls: Callable[..., int], said: bytes
) -> None:
    diary = Diary()
    port = serve_tls(certificates.server(handshake_timeout=0.1), lambda channel: [diary])
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as client:
        client.sendall(said)
        assert client.recv(100) == b""
    assert "within 0.1 s" in str(diary.error)


# -- tls:// -----------------------------------------------------------------------------------------


def test_connecting_fails_with_the_reason_of_the_handshake(
    certificates: Certificates, serve_tls: Callable[..., int], loops: EventLoopGroup
) -> None:
    port = serve_tls(certificates.server(), lambda channel: [Diary({"TlsError": lambda ctx: ctx.close()})])
    diary = Diary()
    for tls, host, reason in (
        (None, "localhost", "unable to get local issuer certificate"),
        (certificates.client(server_hostname="other.example"), "127.0.0.1", "mismatch"),
    ):
        diary.log.clear()
        bootstrap = Bootstrap(loops, lambda channel: [(channel.id, diary)], tls=tls)
        with pytest.raises(TlsError, match=reason):
            bootstrap.connect(f"tls://{host}:{port}").result(_PATIENCE)
    assert diary.errors == []  # the promise had it


def test_connecting_to_somebody_who_hangs_up_or_says_nothing_fails(
    certificates: Certificates, loops: EventLoopGroup
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tls = certificates.client(handshake_timeout=0.1)
        bootstrap = Bootstrap(loops, lambda channel: [Diary()], tls=tls)
        address = f"tls://localhost:{listener.getsockname()[1]}"
        with pytest.raises(TlsError, match=r"within 0\.1 s"):
            bootstrap.connect(address).result(_PATIENCE)
        listener.accept()[0].close()
        bootstrap = Bootstrap(loops, lambda channel: [Diary()], tls=certificates.client())
        future = bootstrap.connect(address)
        plain, _ = listener.accept()
        with plain:
            plain.recv(5)
            plain.sendall(b"HTTP/1.1 400 Bad Request\r\n")
            with pytest.raises(TlsError, match="speaks plain HTTP"):
                future.result(_PATIENCE)
        future = bootstrap.connect(address)
        plain, _ = listener.accept()
        with plain:
            assert future.cancel()
            plain.settimeout(_PATIENCE)
            plain.recv(65536)  # the ClientHello
            with pytest.raises(ConnectionError):
                plain.recv(65536)  # the connection was given up, not closed in good order
    with pytest.raises(Exception, match="refused"):
        bootstrap.connect(address).result(_PATIENCE)


def test_channels_of_both_kinds_share_a_limit(certificates: Certificates, loops: EventLoopGroup) -> None:
    server = ServerBootstrap(
        loops, initializer=lambda channel: [Echo()], tls=certificates.server(), max_connections=1
    ).bind("tls://127.0.0.1:0", "tcp://127.0.0.1:0")
    secret, plain = (int(address.rpartition(":")[2]) for address in server.addresses)
    assert [address.partition(":")[0] for address in server.addresses] == ["tls", "tcp"]
    with _dial(secret, certificates.client_context()) as first:
        first.sendall(b"one")
        assert first.recv(10) == b"one"
        with socket.create_connection(("127.0.0.1", plain), timeout=0.2) as second:
            second.sendall(b"two")
            with pytest.raises(TimeoutError):
                second.recv(10)
            first.close()
            second.settimeout(_PATIENCE)
            assert second.recv(10) == b"two"


def test_closing_a_server_says_goodbye(certificates: Certificates, loops: EventLoopGroup) -> None:
    server = ServerBootstrap(
        loops,
        initializer=lambda channel: [Echo()],
        tls=certificates.server(),
        options=ChannelOptions(close_timeout=1),
    ).bind("tls://127.0.0.1:0")
    with _dial(int(server.addresses[0].rpartition(":")[2]), certificates.client_context()) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        assert server.drain(0.01) == 1
        assert client.recv(1) == b""  # without close_notify it would raise


def test_one_port_for_tls_and_plain_text(certificates: Certificates, loops: EventLoopGroup) -> None:
    tls = certificates.server()

    def stages(channel: Any) -> list[Any]:
        return [
            SniffHandler((probes.tls, lambda channel: [tls.handler(), Facts()]), otherwise=lambda channel: [Echo()])
        ]

    server = ServerBootstrap(loops, initializer=stages).bind("tcp://127.0.0.1:0")
    port = int(server.addresses[0].rpartition(":")[2])
    with _dial(port, certificates.client_context()) as client:
        assert client.recv(100) == b"('TLSv1.3', 'localhost', None, [], False)\n"
        client.sendall(b"secret")
        assert client.recv(100) == b"secret"
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as plain:
        plain.sendall(b"plain")
        assert plain.recv(100) == b"plain"


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="redis-cli is not installed")
def test_redis_cli_with_tls_and_a_client_certificate(certificates: Certificates, serve_tls: Callable[..., int]) -> None:
    class Store(ChannelInboundHandler[Any]):
        def channel_read(self, ctx: Any, msg: Any) -> None:
            ctx.write(redis.SimpleString("PONG") if msg[0].upper() == b"PING" else redis.SimpleString("OK"))

    port = serve_tls(
        certificates.server(client_ca=certificates["ca.pem"]), lambda channel: redis.server_stack() >> Store()
    )
    identity = ("--cert", certificates["client.pem"], "--key", certificates["client.key"])
    command = ("redis-cli", "--tls", "--cacert", certificates["ca.pem"], "-h", "localhost", "-p", str(port))
    done = subprocess.run([*command, *identity, "PING"], capture_output=True, timeout=_PATIENCE, check=True)
    assert done.stdout == b"PONG\n"
    refused = subprocess.run([*command, "PING"], capture_output=True, timeout=_PATIENCE, check=False)
    assert b"PONG" not in refused.stdout
