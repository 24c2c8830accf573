"""The client and a server that half of the world's sites run: nginx."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_net.codecs import http
from pipeline_net.handlers import ClientTls

_BIG = bytes(range(256)) * 40_000  # 10 MB
_TEXT = b"a line of text, and another one\n" * 1000

_CONFIG = """
daemon off;
worker_processes 1;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen unix:{folder}/plain.sock;
        listen unix:{folder}/tls.sock ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        root {folder}/files;
        gzip on;
        gzip_types *;
        gzip_vary on;
        client_max_body_size 100m;
        location /big {{ gzip off; }}
        location /moved {{ return 302 /text; }}
        location /closing/ {{ alias {folder}/files/; keepalive_timeout 0; }}
        location /uploads/ {{ alias {folder}/uploads/; dav_methods PUT DELETE; create_full_put_path on; }}
        location /small/ {{ alias {folder}/uploads/; dav_methods PUT; client_max_body_size 1k; }}
        location /echo {{ return 200 "$request_method $http_host $http_user_agent"; }}
        location /teapot {{ return 503; }}
    }}
}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, certificates: Any) -> Iterator[Path]:
    """Where nginx listens (``plain.sock``, ``tls.sock``), and what it serves (``files``, ``uploads``)."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    folder = tmp_path_factory.mktemp("nginx")
    for name in ("files", "uploads"):
        (folder / name).mkdir()
    (folder / "files" / "big").write_bytes(_BIG)
    (folder / "files" / "text").write_bytes(_TEXT)
    user = "user root;\n" if os.getuid() == 0 else ""  # its workers would be somebody who cannot look into our folder
    (folder / "nginx.conf").write_text(user + _CONFIG.format(folder=folder, certificate=certificates.server))
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not (folder / "tls.sock").exists() or not (folder / "nginx.pid").exists():
            assert process.poll() is None, (folder / "error.log").read_text()
            assert time.monotonic() < deadline, "nginx does not listen"
            time.sleep(0.005)
        yield folder
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(params=["plain", "tls"])
def nginx(request: pytest.FixtureRequest, folder: Path, certificates: Any) -> Iterator[http.Client]:
    """A client of nginx, with TLS and without."""
    scheme = "https" if request.param == "tls" else "http"
    with http.Client(
        base_url=f"{scheme}://localhost",
        address=f"unix://{folder}/{request.param}.sock",
        tls=ClientTls(ca=certificates.authority),
    ) as client:
        yield client


def test_kept_alive(nginx: http.Client, books: Any) -> None:
    for _ in range(20):
        assert nginx.get("/echo").text == "GET localhost pipeline_net"
    assert books(nginx) == (1, 1)


def test_whole_and_in_parts(nginx: http.Client, books: Any) -> None:
    assert nginx.get("/big").body == _BIG
    with nginx.stream("GET", "/big") as response:
        assert response.length == len(_BIG)
        assert b"".join(response) == _BIG
    assert books(nginx) == (1, 1)


def test_chunks_and_gzip(nginx: http.Client, books: Any) -> None:
    response = nginx.get("/text")
    assert (response.headers["transfer-encoding"], response.headers["vary"]) == ("chunked", "Accept-Encoding")
    assert response.body == _TEXT
    with nginx.stream("GET", "/text") as parts:
        assert b"".join(parts) == _TEXT
    assert books(nginx) == (1, 1)


def test_ranges(nginx: http.Client, books: Any) -> None:
    response = nginx.get("/big", headers={"range": "bytes=1000-1999"})
    assert (response.status, response.headers["content-range"]) == (206, f"bytes 1000-1999/{len(_BIG)}")
    assert response.body == _BIG[1000:2000]
    assert nginx.get("/big", headers={"range": f"bytes={len(_BIG)}-"}).status == 416
    assert nginx.get("/big", headers={"if-none-match": response.headers["etag"]}).status == 304
    assert nginx.head("/big").headers["content-length"] == str(len(_BIG))
    assert books(nginx) == (1, 1)


def test_redirects(nginx: http.Client) -> None:
    response = nginx.get("/moved", follow_redirects=False)
    assert response.status == 302
    # nginx writes an absolute Location, with the host that it was asked for.
    assert nginx.get("/moved").body == _TEXT


def test_uploads(nginx: http.Client, folder: Path) -> None:
    with (folder / "files" / "big").open("rb") as file:
        for body in (_BIG, file, (_BIG[at : at + 100_000] for at in range(0, len(_BIG), 100_000))):
            (folder / "uploads" / "big").unlink(missing_ok=True)
            assert nginx.put("/uploads/big", body=body).status in (201, 204)
            assert (folder / "uploads" / "big").read_bytes() == _BIG
    assert nginx.delete("/uploads/big").status == 204


def test_100_continue(nginx: http.Client, folder: Path) -> None:
    started = time.monotonic()
    response = nginx.put("/uploads/new", body=b"x" * 100_000, headers={"expect": "100-continue"})
    assert response.status in (201, 204)
    assert time.monotonic() - started < 0.9, "nginx has said 100"
    assert (folder / "uploads" / "new").stat().st_size == 100_000


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("expects", [False, True])
def test_an_upload_that_is_refused_at_once(nginx: http.Client, chunked: bool, expects: bool, books: Any) -> None:
    body: Any = [b"x" * 100_000] * 500 if chunked else b"x" * 50_000_000
    response = nginx.put("/small/x", body=body, headers={"expect": "100-continue"} if expects else {})
    assert (response.status, response.reason) == (413, "Request Entity Too Large")
    assert books(nginx) == (0, 0)
    assert nginx.get("/echo").status == 200


def test_connection_close(nginx: http.Client, books: Any) -> None:
    for _ in range(3):
        response = nginx.get("/closing/text")
        assert (response.headers["connection"], response.body) == ("close", _TEXT)
        assert books(nginx) == (0, 0)


def test_errors(nginx: http.Client) -> None:
    assert nginx.get("/nothing").status == 404
    assert nginx.post("/text", body=b"x").status == 405
    assert nginx.get("/teapot").status == 503
    with pytest.raises(http.StatusError, match="404 Not Found"):
        nginx.get("/nothing").raise_for_status()
