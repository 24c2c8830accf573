"""ContentCompression and who asks without wanting the body: HEAD, conditional requests, and curl's round trips."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import http
from pipeline_net.testing import EmbeddedChannel

_TEXT = b"".join(b"%d bottles of beer on the wall\n" % n for n in range(100))
_LARGE = _TEXT * 100
_NOISE = random.Random(1).randbytes(2000)
_HTML = {"content-type": "text/html", "etag": '"1"'}
_ONE_OFF = ("date",)

_needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


class _Says(ChannelInboundHandler[http.FullRequest, None, Any]):
    """Says the same to GET and to HEAD."""

    def __init__(self, *parts: Any) -> None:
        self._parts = parts

    def channel_read(self, ctx: ChannelHandlerContext[None, Any], msg: http.FullRequest) -> None:
        for part in self._parts:
            ctx.write(part)


def _ask(method: str, *parts: Any, more: str = "", accept: str = "gzip", version: str = "1.1") -> tuple[bytes, bytes]:
    """The head and the body of what is answered."""
    channel = EmbeddedChannel(
        http.server_stack(date=False), http.ContentCompression(), http.RequestAggregator(), _Says(*parts)
    )
    channel.write_inbound(f"{method} / HTTP/{version}\r\nHost: a\r\nAccept-Encoding: {accept}\r\n{more}\r\n".encode())
    channel.run_pending()
    head, _, body = b"".join(channel.outbound).partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([http.FullResponse(200, _HTML, _TEXT)], id="whole"),
        pytest.param([http.FullResponse(200, _HTML, _LARGE)], id="whole and large"),
        pytest.param([http.FullResponse(200, _HTML, _NOISE)], id="whole, and no smaller when compressed"),
        pytest.param([http.FullResponse(200, _HTML, b"short")], id="whole and short"),
        pytest.param([http.FullResponse(200, {"content-type": "image/png"}, _TEXT)], id="a picture"),
        pytest.param([http.Response(200, _HTML), http.Data(_TEXT), http.END], id="in parts"),
        pytest.param(
            [http.Response(200, {**_HTML, "content-length": str(len(_TEXT))}), http.Data(_TEXT), http.END],
            id="in parts with a length",
        ),
        pytest.param(
            [http.Response(200, {**_HTML, "content-length": "5"}), http.Data(b"short"), http.END], id="in short parts"
        ),
    ],
)
@pytest.mark.parametrize("accept", ["gzip", "identity", "br", "gzip, identity;q=0"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_head_gets_the_head_of_get(parts: list[Any], accept: str, version: str) -> None:
    wanted, body = _ask("GET", *parts, accept=accept, version=version)
    assert body
    assert _ask("HEAD", *parts, accept=accept, version=version) == (wanted, b"")


def test_who_answers_head_without_the_body_announces_no_plain_length() -> None:
    """RFC 9110 8.6: "unless its field value equals the decimal number of octets that would have been sent"."""
    told = http.FullResponse(200, {**_HTML, "content-length": str(len(_TEXT))})
    head, body = _ask("HEAD", told)
    assert (head.split(b"\r\n")[1:], body) == (
        [
            b"content-type: text/html",
            b"vary: accept-encoding",
            b'etag: W/"1"',
            b"content-encoding: gzip",
            b"transfer-encoding: chunked",
        ],
        b"",
    )
    in_parts = [http.Response(200, {**_HTML, "content-length": str(len(_TEXT))}), http.END]
    assert _ask("HEAD", *in_parts) == _ask("HEAD", told)
    short = http.FullResponse(200, {**_HTML, "content-length": "5"})
    assert b"\r\ncontent-length: 5\r\n" in _ask("HEAD", short)[0]
    assert b"content-encoding" not in _ask("HEAD", short)[0]


@pytest.mark.parametrize(
    ("condition", "accept", "headers", "etag", "varies"),
    [
        ('W/"1"', "gzip", {"etag": '"1"'}, 'W/"1"', True),
        ('"0", W/"1"', "gzip", {"etag": '"1"'}, 'W/"1"', True),
        ('"1"', "gzip", {"etag": '"1"'}, '"1"', True),
        ('W/"1"', "identity", {"etag": '"1"'}, '"1"', True),
        ('W/"1"', "gzip", {"etag": '"1"', "content-type": "image/png"}, '"1"', False),
        ('W/"1"', "gzip", {"etag": '"1"', "content-encoding": "br"}, '"1"', False),
        ('W/"1"', "gzip", {"etag": '"1"', "cache-control": "no-transform"}, '"1"', False),
        ('W/"1"', "gzip", {"etag": 'W/"1"'}, 'W/"1"', True),
        ("*", "gzip", {}, None, True),
    ],
)
def test_a_304_has_the_etag_and_the_vary_of_the_200(
    condition: str, accept: str, headers: dict[str, str], etag: str | None, varies: bool
) -> None:
    for parts in ([http.FullResponse(304, headers)], [http.Response(304, headers), http.END]):
        for method in ("GET", "HEAD"):
            head, body = _ask(method, *parts, more=f"If-None-Match: {condition}\r\n", accept=accept)
            assert head.startswith(b"HTTP/1.1 304 ")
            assert (f"\r\netag: {etag}".encode() in head) is (etag is not None)
            assert (b"\r\nvary: accept-encoding" in head) is varies
            assert body == b""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The URL of a page that a real server has compressed, and a folder for curl."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "page.html").write_bytes(_TEXT)

    def pipeline(_: Any) -> Any:
        return http.server_stack() >> http.ContentCompression() >> http.StaticFiles(root)

    with EventLoopGroup(1) as loops, ServerBootstrap(loops, initializer=pipeline).bind("tcp://127.0.0.1:0") as server:
        yield f"{server.addresses[0]}/page.html".replace("tcp://", "http://"), tmp_path


def _curl(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["curl", "-sS", *arguments], cwd=folder, capture_output=True, timeout=30, check=True)
    return done.stdout.decode()


def _fields(answer: str) -> dict[str, str]:
    lines = [line.partition(": ") for line in answer.splitlines()[1:] if line]
    return {name: value for name, _, value in lines if name not in _ONE_OFF}


@_needs_curl
def test_curl_keeps_what_was_compressed_and_asks_whether_it_is_still_good(site: tuple[str, Path]) -> None:
    url, folder = site
    status = ("-o", "page", "-w", "%{http_code}", "--compressed")
    assert _curl(folder, *status, "--etag-save", "tag", url) == "200"
    assert (folder / "page").read_bytes() == _TEXT
    assert (folder / "tag").read_text().startswith('W/"')
    assert _curl(folder, *status, "--etag-compare", "tag", url) == "304"
    told = _fields(_curl(folder, "-D", "-", "-o", "page", "--compressed", "--etag-compare", "tag", url))
    assert told["etag"] == (folder / "tag").read_text().strip()
    assert told["vary"] == "accept-encoding"
    (folder / "root" / "page.html").write_bytes(_TEXT + b"one more")
    assert _curl(folder, *status, "--etag-compare", "tag", url) == "200"
    assert (folder / "page").read_bytes() == _TEXT + b"one more"


@_needs_curl
@pytest.mark.parametrize("options", [(), ("--compressed",)])
def test_curl_is_told_the_same_by_head_and_get(site: tuple[str, Path], options: tuple[str, ...]) -> None:
    url, folder = site
    got = _fields(_curl(folder, "-D", "-", "-o", "page", *options, url))
    told = _fields(_curl(folder, "-I", *options, url))
    for fields in (got, told):
        if options:  # the length of what is compressed need not be told
            fields.pop("content-length", None)
            fields.pop("transfer-encoding", None)
    assert told == got
    assert ("content-encoding" in told) is bool(options)
