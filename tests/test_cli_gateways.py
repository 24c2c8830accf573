"""pipeline-net asgi and pipeline-net wsgi, as they are typed."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from pipeline_net import cli

_APPS = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": (scope["root_path"] + scope["client"][0]).encode()})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})

async def cannot_start(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "there is no database"})

def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [(environ["SCRIPT_NAME"] + environ["REMOTE_ADDR"]).encode()]

def make():
    return wsgi

number = 7
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    (tmp_path / "gateway_apps.py").write_text(_APPS)
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: str, address: str = "tcp://127.0.0.1:0") -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline_net", *arguments, "--address", address],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield run
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


def _ask(said: str) -> bytes:
    host, _, port = said.removeprefix("listening on tcp://").rpartition(":")
    request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-forwarded-for: 192.0.2.1\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(request)
        received = b""
        while chunk := client.recv(1000):
            received += chunk
    return received.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("asgi", "gateway_apps:app"), b"127.0.0.1"),
        (("asgi", "gateway_apps:app", "--event-loop", "asyncio", "--loops", "2"), b"127.0.0.1"),
        (("asgi", "gateway_apps:app", "--root-path", "/x", "--forwarded-allow-ips", "127.0.0.0/8"), b"/x192.0.2.1"),
        (("wsgi", "gateway_apps:wsgi", "--threads", "2", "--loops", "2", "--any-thread"), b"127.0.0.1"),
        (("wsgi", "gateway_apps:make()", "--root-path", "/x", "--forwarded-allow-ips", "*"), b"/x192.0.2.1"),
    ],
)
def test_an_application_is_served_until_a_signal(
    start: Callable[..., tuple[subprocess.Popen[str], str]],
    arguments: tuple[str, ...],
    answer: bytes,
    number: signal.Signals,
) -> None:
    process, said = start(*arguments)
    assert said.startswith("listening on tcp://127.0.0.1:"), process.communicate(timeout=20)
    assert _ask(said) == answer
    process.send_signal(number)
    _, complaints = process.communicate(timeout=20)
    assert (process.returncode, complaints) == (0, "")


def _certificate(folder: Path) -> ssl.SSLContext:
    """Make a certificate whose key has a password; return what believes it."""
    subprocess.run(
        (
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-passout", "pass:swordfish"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
        ),
        capture_output=True,
        check=True,
        timeout=30,
    )
    return ssl.create_default_context(cafile=str(folder / "cert.pem"))


def _alpn(port: int, trust: ssl.SSLContext) -> str | None:
    """Tell which protocol the server chooses for a client that would like HTTP/2 better."""
    trust.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", port), 20) as plain,
        trust.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        return client.selected_alpn_protocol()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("what", [("asgi", "gateway_apps:app"), ("wsgi", "gateway_apps:wsgi")])
def test_tls_with_a_password_and_certificates_that_are_read_again(
    start: Callable[..., tuple[subprocess.Popen[str], str]], tmp_path: Path, what: tuple[str, str]
) -> None:
    trust = _certificate(tmp_path)
    (tmp_path / "password").write_text("swordfish\n")
    process, said = start(
        *(*what, "--tls-cert", "cert.pem", "--tls-key", "key.pem", "--tls-password-file", "password"),
        address="tls://127.0.0.1:0",
    )
    port = said.rpartition(":")[2]

    def ask() -> bytes:
        with urllib.request.urlopen(f"https://127.0.0.1:{port}/", context=trust, timeout=20) as response:
            return bytes(response.read())

    assert ask() == b"127.0.0.1"
    assert _alpn(int(port), trust) == "http/1.1"
    trust = _certificate(tmp_path)
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        ask()  # the server has the old one still
    process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while True:
        try:
            assert ask() == b"127.0.0.1"
            break
        except urllib.error.URLError:
            assert time.monotonic() < deadline
    assert _alpn(int(port), trust) == "http/1.1"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_an_application_on_a_unix_socket(
    start: Callable[..., tuple[subprocess.Popen[str], str]], tmp_path: Path
) -> None:
    path = tmp_path / "app.sock"
    _, said = start("asgi", "gateway_apps:app", "--forwarded-allow", "unix", address=f"unix://{path}")
    assert said == f"listening on unix://{path}"
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-forwarded-for: 192.0.2.1\r\n\r\n")
        assert client.makefile("rb").read().endswith(b"192.0.2.1")


def test_an_application_that_cannot_start_says_so_and_ends(
    start: Callable[..., tuple[subprocess.Popen[str], str]],
) -> None:
    process, said = start("asgi", "gateway_apps:cannot_start")
    _, complaints = process.communicate(timeout=20)
    assert (process.returncode, said) == (1, "")
    assert complaints == "pipeline-net: gateway_apps:cannot_start: there is no database\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["asgi", "gateway_apps:number"], "expected an application"),
        (["asgi", "gateway_apps:nothing"], "has no 'nothing'"),
        (["asgi", "gateway_apps:make"], "a function that makes one is named gateway_apps:make()"),
        (["asgi", "gateway_apps:wsgi"], "pipeline-net wsgi gateway_apps:wsgi serves it"),
        (["wsgi", "gateway_apps:app"], "pipeline-net asgi gateway_apps:app serves it"),
        (["asgi", "no_such_module:app"], "there is no module"),
        (["asgi", "gateway_apps:app", "--root-path", "x"], "root path"),
        (["wsgi", "gateway_apps:wsgi", "--forwarded-allow-ips", "nginx"], "trusted proxy"),
        (["asgi", "gateway_apps:app", "--loops", "2", "--address", "unix:///tmp/x.sock"], "only TCP"),
        (["asgi", "gateway_apps:app", "--tls-key", "key.pem"], "--tls-key is of no use without --tls-cert"),
        (["wsgi", "gateway_apps:wsgi", "--tls-ca", "ca.pem"], "--tls-ca is of no use without --tls-cert"),
        (["wsgi", "gateway_apps:wsgi", "--tls-cert", "none.pem"], "none.pem"),
        (["wsgi", "gateway_apps:wsgi", "--tls-cert", "x", "--tls-password-file", "none"], "--tls-password-file cannot"),
        (["wsgi", "gateway_apps:wsgi", "--address", "tls://127.0.0.1:0"], "it needs certificates"),
    ],
)
def test_what_cannot_be_served_is_explained(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    (tmp_path / "gateway_apps.py").write_text(_APPS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "gateway_apps", raising=False)
    try:
        assert cli.main(arguments) == 2
    finally:
        sys.modules.pop("gateway_apps", None)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--port", "8000"], "there is no --port: here it is --address tcp://HOST:PORT"),
        (["--host=0.0.0.0"], "there is no --host: here it is --address tcp://HOST:PORT"),
        (["--workers", "4"], "there is no --workers: here it is --loops N"),
    ],
)
def test_an_option_as_other_servers_have_it_is_told_what_it_is_called_here(
    capsys: pytest.CaptureFixture[str], option: list[str], said: str
) -> None:
    for command in ("asgi", "wsgi"):
        with pytest.raises(SystemExit):
            cli.main([command, "shop:app", *option])
        assert said in capsys.readouterr().err


def test_an_address_that_is_taken_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gateway_apps.py").write_text(_APPS)
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        with socket.create_server(("127.0.0.1", 0)) as other:
            address = f"tcp://127.0.0.1:{other.getsockname()[1]}"
            assert cli.main(["wsgi", "gateway_apps:wsgi", "--address", address]) == 1
    finally:
        sys.modules.pop("gateway_apps", None)
    assert "pipeline-net wsgi gateway_apps:wsgi --address" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--max-body", "--threads"])
def test_what_is_counted_is_a_whole_number(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["wsgi", "gateway_apps:wsgi", option, "0"])
    assert f"{option}: expected a whole number, 1 or more, not '0'" in capsys.readouterr().err


@pytest.mark.parametrize("patience", ["-1", "soon", "nan"])
def test_patience_is_a_number_of_seconds(patience: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["asgi", "x:y", "--patience", patience])
    assert "number of seconds" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_a_log_of_requests(start: Callable[..., tuple[subprocess.Popen[str], str]], tmp_path: Path, kind: str) -> None:
    app = "gateway_apps:app" if kind == "asgi" else "gateway_apps:wsgi"
    process, said = start(kind, app, "--access-log", "requests.log", "--forwarded-allow-ips", "127.0.0.1")
    _ask(said)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    (line,) = (tmp_path / "requests.log").read_text().splitlines()
    assert line.startswith("192.0.2.1 - - [")
    assert '"GET / HTTP/1.1" 200 ' in line


def test_a_log_of_requests_on_standard_output(start: Callable[..., tuple[subprocess.Popen[str], str]]) -> None:
    process, said = start("asgi", "gateway_apps:app", "--access-log", "-")
    _ask(said)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=20)
    assert '"GET / HTTP/1.1" 200 ' in output


def test_a_log_of_requests_that_cannot_be_opened(
    start: Callable[..., tuple[subprocess.Popen[str], str]],
) -> None:
    process, _ = start("wsgi", "gateway_apps:wsgi", "--access-log", "/nowhere/requests.log")
    assert process.wait(20) == 2
    assert process.stderr is not None
    assert "--access-log cannot be opened" in process.stderr.read()


_Start = Callable[..., tuple[subprocess.Popen[str], str]]


def _websocket_url(line: str) -> str:
    return line.removeprefix("listening on ").replace("tcp:", "ws:")


def test_websockets_are_not_compressed_and_may_be_large_by_default(start: _Start) -> None:
    _, line = start("asgi", "gateway_apps:app")
    with connect(_websocket_url(line), max_size=None) as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers
        client.send("x" * 1_000_000)
        assert client.recv(10) == "x" * 1_000_000


def test_how_websockets_are_spoken(start: _Start) -> None:
    _, line = start("asgi", "gateway_apps:app", "--ws-max-size", "10", "--ws-per-message-deflate", "true")
    with connect(_websocket_url(line)) as client:
        assert client.response is not None
        assert "permessage-deflate" in client.response.headers["Sec-WebSocket-Extensions"]
        client.send("x" * 10)
        assert client.recv(10) == "x" * 10
        client.send("x" * 11)
        with pytest.raises(ConnectionClosedError):
            client.recv(10)
        assert client.close_code == 1009


def _shake_hands(line: str) -> socket.socket:
    """A WebSocket that answers nothing."""
    host, port = line.removeprefix("listening on tcp://").split(":")
    client = socket.create_connection((host, int(port)), timeout=10)
    client.sendall(
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += client.recv(1)
    return client


def test_websockets_are_asked_whether_they_are_still_there(start: _Start) -> None:
    _, line = start("asgi", "gateway_apps:app", "--ws-ping-interval", "0.1", "--ws-ping-timeout", "0.2")
    with _shake_hands(line) as client:
        assert client.recv(1) == b"\x89", "a Ping"
        said = b""
        while b"\x03\xf3" not in said:  # 1011
            chunk = client.recv(1000)
            assert chunk
            said += chunk


def test_websockets_need_not_be_asked(start: _Start) -> None:
    _, line = start("asgi", "gateway_apps:app", "--ws-ping-interval", "0", "--ws-ping-timeout", "0.05")
    with _shake_hands(line) as client:
        client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.recv(1)


@pytest.mark.parametrize(
    "options",
    [
        ("--ws-max-size", "0"),
        ("--ws-ping-interval", "-1"),
        ("--ws-ping-timeout", "0"),
        ("--ws-per-message-deflate", "perhaps"),
    ],
)
def test_options_of_websockets_that_make_no_sense(options: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["asgi", "json:dumps", *options])
    assert exit_.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_wsgi_knows_no_websockets(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["wsgi", "json:dumps", "--ws-max-size", "10"])
    assert "--ws-max-size" in capsys.readouterr().err
