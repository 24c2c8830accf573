"""How an application is served, whatever its interface is: TLS, stages in between, certificates read again."""

from __future__ import annotations

import logging
import shutil
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import ChannelInboundHandler, TlsError
from pipeline_net.gateways.serving import ServingOptions, reload_certificates
from pipeline_net.gateways.wsgi_server import WsgiOptions
from pipeline_net.handlers import ServerTls

from .conftest import serving_wsgi

_needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


def _make_certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        (
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"),
            *("-keyout", str(key), "-out", str(certificate)),
        ),
        capture_output=True,
        check=True,
        timeout=30,
    )
    return certificate, key


def _app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.url_scheme"].encode()]


@_needs_openssl
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_application_knows_whether_a_connection_is_encrypted(tmp_path: Path, scheme: str) -> None:
    certificate, key = _make_certificate(tmp_path)
    address = "tls://127.0.0.1:0" if scheme == "https" else "tcp://127.0.0.1:0"
    options = WsgiOptions(tls=(certificate, key) if scheme == "https" else None)
    trust = ssl.create_default_context(cafile=str(certificate))
    with (
        serving_wsgi(_app, address=address, options=options) as port,
        urllib.request.urlopen(f"{scheme}://127.0.0.1:{port}/", context=trust, timeout=20) as response,
    ):
        assert response.read() == scheme.encode()


@_needs_openssl
def test_certificates_are_read_again_and_broken_ones_are_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = ServingOptions(tls=_make_certificate(tmp_path))
    first = options.tls.context
    _make_certificate(tmp_path)
    with caplog.at_level(logging.INFO, "pipeline_net.gateways"):
        reload_certificates(options)
        second = options.tls.context
        (tmp_path / "cert.pem").write_text("rubbish")
        reload_certificates(options)
    assert first is not second
    assert options.tls.context is second
    assert [record.levelname for record in caplog.records] == ["INFO", "ERROR"]
    assert "stay as they were" in caplog.text


_OWN: dict[str, Any] = {
    "a certificate and its key": (lambda certificate, key: (certificate, key), "http/1.1"),
    "one of the user's own": (lambda certificate, key: ServerTls(certificate, key), None),
    "one of the user's own with words": (lambda certificate, key: ServerTls(certificate, key, alpn=["x/1"]), None),
    "a context of the user's own": (lambda certificate, key: _context(certificate, key), None),
}


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@_needs_openssl
@pytest.mark.parametrize(("make", "chosen"), _OWN.values(), ids=_OWN)
def test_http_is_offered_where_the_certificate_is_all_that_was_given(
    tmp_path: Path, make: Callable[[Path, Path], Any], chosen: str | None
) -> None:
    certificate, key = _make_certificate(tmp_path)
    trust = ssl.create_default_context(cafile=str(certificate))
    trust.set_alpn_protocols(["h2", "http/1.1"])
    options = WsgiOptions(tls=make(certificate, key))
    with (
        serving_wsgi(_app, address="tls://127.0.0.1:0", options=options) as port,
        socket.create_connection(("127.0.0.1", port), 20) as plain,
        trust.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        assert client.selected_alpn_protocol() == chosen


@_needs_openssl
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [("http/1.1,h2", "ALPN protocol: http/1.1"), ("h2", "No ALPN negotiated"), (None, "No ALPN negotiated")],
)
def test_openssl_hears_which_protocol_it_is(tmp_path: Path, offered: str | None, chosen: str) -> None:
    certificate, key = _make_certificate(tmp_path)
    offer = () if offered is None else ("-alpn", offered)
    with serving_wsgi(_app, address="tls://127.0.0.1:0", options=WsgiOptions(tls=(certificate, key))) as port:
        said = subprocess.run(
            ("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", str(certificate), "-ign_eof", *offer),
            input=b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            capture_output=True,
            check=True,
            timeout=30,
        ).stdout.decode()
    assert chosen in said
    assert "HTTP/1.1 200 OK" in said, "whoever offers something else is served all the same"


@_needs_openssl
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("option", ["--http1.1", "--http2"])
def test_curl_hears_which_protocol_it_is(tmp_path: Path, option: str) -> None:
    certificate, key = _make_certificate(tmp_path)
    options = WsgiOptions(tls=(certificate, key))
    with serving_wsgi(_app, address="tls://127.0.0.1:0", options=options) as port:
        done = subprocess.run(
            ("curl", "-sv", option, "--cacert", str(certificate), f"https://127.0.0.1:{port}/"),
            capture_output=True,
            check=True,
            timeout=30,
        )
    assert done.stdout == b"https"
    assert b"ALPN: server accepted http/1.1" in done.stderr


def test_a_certificate_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(TlsError, match=r"none\.pem"):
        ServingOptions(tls=str(tmp_path / "none.pem"))


def test_stages_sit_between_http_and_the_application() -> None:
    seen: list[str] = []

    class Note(ChannelInboundHandler[Any]):
        def channel_read(self, ctx: Any, msg: Any) -> None:
            seen.append(type(msg).__name__)
            ctx.fire_channel_read(msg)

    with (
        serving_wsgi(_app, options=WsgiOptions(stages=lambda: [Note()])) as port,
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as response,
    ):
        assert response.read() == b"http"
    assert seen == ["Request", "End"]
