"""Our reverse proxy in front of nginx: ranges, HEAD, gzip, 304, chunks, and many clients."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pipeline_net import EventLoopGroup, ServerBootstrap
from pipeline_net.gateways.proxy import ReverseProxy, proxy_stack

_LARGE = bytes(range(256)) * (16 * 4096)  # 16 MiB
_TEXT = b"All work and no play makes Jack a dull boy.\n" * 500


@pytest.fixture
def nginx(start_nginx: Callable[..., Any]) -> Any:
    started = start_nginx(
        "gzip on; gzip_proxied any; gzip_types text/plain; absolute_redirect off; keepalive_requests 7;"
        " location /upload { dav_methods PUT; create_full_put_path on; client_max_body_size 64m; }"
        " location /moved { return 302 /text.txt; }"
    )
    (started.folder / "html" / "large").write_bytes(_LARGE)
    (started.folder / "html" / "text.txt").write_bytes(_TEXT)
    return started


@pytest.fixture
def port(nginx: Any) -> Iterator[int]:
    with EventLoopGroup(1) as group:
        proxy = ReverseProxy(nginx.address)
        server = ServerBootstrap(group, initializer=lambda channel: proxy_stack(proxy)).bind("tcp://127.0.0.1:0")
        yield int(server.addresses[0].rpartition(":")[2])


@pytest.fixture
def client(port: int) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    yield connection
    connection.close()


def _ask(
    client: http.client.HTTPConnection, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    client.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = client.getresponse()
    return response.status, response.headers, response.read()


def test_whole_files_and_parts_of_them(client: http.client.HTTPConnection) -> None:
    status, headers, body = _ask(client, "GET", "/large")
    assert (status, headers["accept-ranges"], hashlib.sha256(body).digest()) == (
        200,
        "bytes",
        hashlib.sha256(_LARGE).digest(),
    )
    status, headers, body = _ask(client, "GET", "/large", Range="bytes=1000-1999")
    assert (status, headers["content-range"], body) == (206, f"bytes 1000-1999/{len(_LARGE)}", _LARGE[1000:2000])
    status, headers, _ = _ask(client, "GET", "/large", Range="bytes=0-1,5-6")
    assert (status, headers["content-type"][:20]) == (206, "multipart/byteranges")
    assert _ask(client, "GET", "/large", Range=f"bytes={len(_LARGE)}-")[0] == 416
    status, headers, body = _ask(client, "HEAD", "/large")
    assert (status, headers["content-length"], body) == (200, str(len(_LARGE)), b"")


def test_what_has_not_changed_and_what_is_not_there(client: http.client.HTTPConnection) -> None:
    _, headers, _ = _ask(client, "GET", "/text.txt")
    for _ in range(3):
        assert _ask(client, "GET", "/text.txt", If_None_Match=headers["etag"])[::2] == (304, b"")
    assert _ask(client, "GET", "/none")[0] == 404
    assert _ask(client, "POST", "/text.txt", b"x")[0] == 405
    assert _ask(client, "GET", "/moved")[1]["location"] == "/text.txt"


def test_compressed_on_the_way_in_chunks(client: http.client.HTTPConnection) -> None:
    for _ in range(20):  # more than nginx takes on one connection
        status, headers, body = _ask(client, "GET", "/text.txt", Accept_Encoding="gzip")
        assert (status, headers["content-encoding"], headers["transfer-encoding"]) == (200, "gzip", "chunked")
        assert gzip.decompress(body) == _TEXT


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_uploads(client: http.client.HTTPConnection, nginx: Any, framing: str) -> None:
    body = _LARGE if framing == "length" else (_LARGE[at : at + 50_000] for at in range(0, len(_LARGE), 50_000))
    assert _ask(client, "PUT", "/upload/file", body)[0] == 201
    assert (nginx.folder / "html" / "upload" / "file").read_bytes() == _LARGE


def test_many_clients_at_once(port: int) -> None:
    together = threading.Barrier(8)

    def ask(number: int) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        together.wait(20)
        right = 0
        for turn in range(25):
            start = (number * 7919 + turn * 104729) % (len(_LARGE) - 50_000)
            body = _ask(connection, "GET", "/large", Range=f"bytes={start}-{start + 49_999}")[2]
            right += body == _LARGE[start : start + 50_000]
        connection.close()
        return right

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [25] * 8


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_sees_what_it_sees_without_us(port: int, nginx: Any) -> None:
    for path in ("text.txt", "large", "none"):
        whole = [
            subprocess.run(
                ("curl", "-s", "--compressed", f"{url}/{path}"), capture_output=True, timeout=30, check=True
            ).stdout
            for url in (nginx.url, f"http://127.0.0.1:{port}")
        ]
        assert whole[0] == whole[1]
