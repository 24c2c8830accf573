"""The examples that speak TLS, talked to by ``openssl`` and by Python's own ``ssl``."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")

_EXAMPLES = Path(__file__).parent.parent.parent / "examples"

Start = Callable[..., str]


def _place(address: str) -> tuple[str, int]:
    host, _, port = address.partition("://")[2].rpartition(":")
    return host, int(port)


def _dial(address: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(_place(address), timeout=20)
    try:
        return context.wrap_socket(plain, server_hostname="localhost")
    except BaseException:
        plain.close()
        raise


def _make_certificates(folder: Path) -> None:
    """Let the example make them."""
    command = [sys.executable, str(_EXAMPLES / "mutual_tls.py"), "--folder", str(folder), "--only-certificates"]
    subprocess.run(command, timeout=30, check=True)


def test_tls_echo_with_a_certificate_of_ones_own(start_example: Start, tmp_path: Path) -> None:
    _make_certificates(tmp_path)
    files = ("--tls-cert", str(tmp_path / "server.pem"), "--tls-key", str(tmp_path / "server.key"))
    address = start_example("tls_echo.py", *files, address="tls://127.0.0.1:0")
    with _dial(address, ssl.create_default_context(cafile=tmp_path / "ca.pem")) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"


def test_tls_echo_with_a_certificate_made_on_the_spot(start_example: Start) -> None:
    host, port = _place(start_example("tls_echo.py", address="tls://127.0.0.1:0"))
    shown = ssl.get_server_certificate((host, port))
    context = ssl.create_default_context(cadata=shown)
    with _dial(f"tls://{host}:{port}", context) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"


def test_starttls(start_example: Start) -> None:
    address = start_example("starttls.py")
    with socket.create_connection(_place(address), timeout=20) as plain:
        lines = plain.makefile("rb")
        assert lines.readline() == b"220 mail.example at your service\r\n"
        plain.sendall(b"EHLO me\r\nWHOAMI\r\nSTARTTLS\r\n")
        answers = [lines.readline() for _ in range(4)]
        assert answers == [b"250-STARTTLS\r\n", b"250 mail.example\r\n", b"250 somebody\r\n", b"220 go ahead\r\n"]
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with context.wrap_socket(plain) as client:
            lines = client.makefile("rb")
            client.sendall(b"EHLO me\r\nWHOAMI\r\nQUIT\r\n")
            assert lines.readline() == b"250 mail.example\r\n"
            assert lines.readline() == b"250 somebody whom nobody else can hear\r\n"
            assert lines.readline() == b"221 goodbye\r\n"
            assert lines.readline() == b""


def test_mutual_tls(start_example: Start, tmp_path: Path) -> None:
    _make_certificates(tmp_path)
    address = start_example("mutual_tls.py", "--folder", str(tmp_path), address="tls://127.0.0.1:0")
    for name in ("ada", "bob"):
        context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        context.load_cert_chain(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        with _dial(address, context) as client:
            lines = client.makefile("rb")
            assert lines.readline() == f"Welcome, {name.title()}.\n".encode()
            client.sendall(b"hi\n")
            assert lines.readline() == f"{name.title()} said: hi\n".encode()


def test_mutual_tls_refuses_strangers(start_example: Start, tmp_path: Path) -> None:
    _make_certificates(tmp_path)
    address = start_example("mutual_tls.py", "--folder", str(tmp_path), address="tls://127.0.0.1:0")
    client = _dial(address, ssl.create_default_context(cafile=tmp_path / "ca.pem"))
    with client, pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
        client.recv(100)


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="redis-cli is not installed")
def test_the_redis_server_speaks_tls_with_redis_cli(start_example: Start, tmp_path: Path) -> None:
    _make_certificates(tmp_path)
    files = ("--tls-cert", str(tmp_path / "server.pem"), "--tls-key", str(tmp_path / "server.key"))
    host, port = _place(start_example("redis_server", *files, address="tls://127.0.0.1:0"))
    client = ["redis-cli", "-h", host, "-p", str(port)]

    def say(*words: str) -> str:
        done = subprocess.run([*client, *words], capture_output=True, text=True, timeout=20, check=False)
        return done.stdout + done.stderr

    trusting = ("--tls", "--cacert", str(tmp_path / "ca.pem"))
    assert say(*trusting, "SET", "greeting", "hello") == "OK\n"
    assert "OK" not in say("SET", "greeting", "plain")
    assert say(*trusting, "GET", "greeting") == "hello\n"
