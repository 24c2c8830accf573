"""StaticFiles in a pipeline: which requests are its own, what they are answered, and what is given back."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import (
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    FileRegion,
    PoolFullError,
    TransparentHandler,
)
from pipeline_net.codecs import http
from pipeline_net.testing import EmbeddedChannel

_LARGE = bytes(range(256)) * 1000


class Next(ChannelInboundHandler[Any]):
    """What sits behind, and gets what is not for files."""

    def __init__(self) -> None:
        self.read: list[Any] = []
        self.errors: list[BaseException] = []

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self.read.append(msg)
        if isinstance(msg, http.FullRequest | http.End):
            ctx.write(http.FullResponse(200, None, b"next"))

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self.errors.append(exc)


class Answer:
    def __init__(self, head: bytes, body: bytes) -> None:
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = http.Headers([(n, v) for n, _, v in (line.partition(": ") for line in lines[1:])])
        self.body = body


class Site:
    def __init__(self, root: Path, *stages: Any, options: ChannelOptions | None = None, **settings: Any) -> None:
        self.files = http.StaticFiles(root, **settings)
        self.next = Next()
        self.channel = EmbeddedChannel(
            http.server_stack(date=False, limits=http.Limits(max_pipelined=4)),
            *stages,
            self.files,
            self.next,
            options=options,
        )

    def ask(self, target: str, *lines: str, method: str = "GET", body: str = "") -> Answer:
        self.send(target, *lines, method=method, body=body)
        return self.take()

    def send(self, target: str, *lines: str, method: str = "GET", body: str = "") -> None:
        more = "".join(line + "\r\n" for line in lines)
        if body:
            more += f"Content-Length: {len(body)}\r\n"
        self.channel.write_inbound(f"{method} {target} HTTP/1.1\r\nHost: a\r\n{more}\r\n{body}".encode())

    def take(self) -> Answer:
        head, *rest = self.channel.outbound
        self.channel.outbound.clear()
        if isinstance(head, memoryview):
            head = bytes(head)
        head, _, body = head.partition(b"\r\n\r\n")
        return Answer(head, body + b"".join(map(_bytes_of, rest)))


def _bytes_of(msg: Any) -> bytes:
    if isinstance(msg, FileRegion):
        return _LARGE[msg.offset : msg.offset + msg.count]  # the file is closed as soon as it is sent
    return bytes(msg)


def _open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (root / "index.html").write_text("<h1>index</h1>")
    (root / "a b.txt").write_text("hello, world")
    (root / "a.css").write_text("body {}")
    (root / "a.css.gz").write_bytes(gzip.compress(b"body {}", mtime=0))
    (root / "large.bin").write_bytes(_LARGE)
    (root / "sub" / "x.json").write_text("{}")
    before = _open_descriptors()
    yield root
    assert _open_descriptors() == before, "a descriptor was left open"


class TestFiles:
    @pytest.mark.parametrize("front", ["", "http://a", "HTTP://a:80", "ftp://a"])
    def test_a_target_has_the_path_that_every_stage_sees(self, root: Path, front: str) -> None:
        site = Site(root)
        host = front.partition("://")[2] or "a"
        site.channel.write_inbound(f"GET {front}/a.css?x HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert site.take().body == b"body {}"

    def test_a_small_file(self, root: Path) -> None:
        answer = Site(root).ask("/a%20b.txt?query")
        facts = (root / "a b.txt").stat()
        assert (answer.status, answer.body) == (200, b"hello, world")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["content-length"] == "12"
        assert answer.headers["etag"] == f'"{facts.st_mtime_ns:x}-c"'
        assert answer.headers["x-content-type-options"] == "nosniff"

    @pytest.mark.parametrize("in_pool", [True, False])
    def test_a_large_file_is_sent_by_the_kernel(self, in_pool: bool, root: Path) -> None:
        site = Site(root, in_pool=in_pool)
        site.channel.peer_window = 0
        site.send("/large.bin")
        assert any(isinstance(msg, FileRegion) for msg in site.channel.unsent)
        bodies: list[bytes] = []
        site.channel.peer_window = 100_000
        while site.channel.unsent:
            site.channel.run_pending()
            bodies += [_bytes_of(msg) for msg in site.channel.outbound]
            site.channel.outbound.clear()
            site.channel.peer_window = 100_000
        assert b"".join(bodies).partition(b"\r\n\r\n")[2] == _LARGE
        assert site.channel.is_open

    def test_head_costs_the_same_however_large_the_file_is(self, root: Path) -> None:
        written: list[Any] = []

        class Watch(TransparentHandler[Any]):
            def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: Any) -> None:
                written.append(msg)
                ctx.write(msg, promise)

        os.truncate(root / "large.bin", 1 << 40)
        answer = Site(root, Watch()).ask("/large.bin", method="HEAD")
        assert answer.headers["content-length"] == str(1 << 40)
        assert [type(msg) for msg in written] == [http.FullResponse]

    def test_head_says_the_same_without_the_body(self, root: Path) -> None:
        site = Site(root)
        for target in ("/a%20b.txt", "/large.bin", "/none"):
            head, get = site.ask(target, method="HEAD"), None
            assert head.body == b""
            site.channel.peer_window = None
            site.send(target)
            get = b"".join(bytes(m) for m in site.channel.outbound if not isinstance(m, FileRegion))
            site.channel.outbound.clear()
            assert get.startswith(f"HTTP/1.1 {head.status} ".encode())
            assert f"\r\ncontent-length: {head.headers['content-length']}\r\n".encode() in get

    @pytest.mark.parametrize(
        ("target", "lines", "status", "body"),
        [
            ("/a%20b.txt", ["Range: bytes=0-4"], 206, b"hello"),
            ("/a%20b.txt", ["Range: bytes=-5"], 206, b"world"),
            ("/a%20b.txt", ["Range: bytes=12-"], 416, b"416 Range Not Satisfiable\n"),
            ("/a%20b.txt", ["If-None-Match: *"], 304, b""),
            ("/a%20b.txt", ["If-Match: nothing"], 412, b"412 Precondition Failed\n"),
            ("/large.bin", ["If-None-Match: *"], 304, b""),
            ("/large.bin", ["If-Match: nothing"], 412, b"412 Precondition Failed\n"),
            ("/large.bin", ["Range: bytes=300000-"], 416, b"416 Range Not Satisfiable\n"),
        ],
    )
    def test_conditions_and_ranges(self, target: str, lines: list[str], status: int, body: bytes, root: Path) -> None:
        answer = Site(root).ask(target, *lines)
        assert (answer.status, answer.body) == (status, body)

    def test_a_neighbour_that_is_compressed_already(self, root: Path) -> None:
        site = Site(root, precompressed=("br", "gzip"))
        plain, zipped = site.ask("/a.css"), site.ask("/a.css", "Accept-Encoding: gzip, br")
        assert (plain.body, gzip.decompress(zipped.body)) == (b"body {}", b"body {}")
        assert plain.headers["vary"] == zipped.headers["vary"] == "accept-encoding"
        assert zipped.headers["content-encoding"] == "gzip"
        assert zipped.headers["content-type"] == "text/css; charset=utf-8"
        assert plain.headers["etag"] != zipped.headers["etag"]
        assert site.ask("/a.css", "Accept-Encoding: gzip;q=0.5, identity").body == b"body {}"

    def test_headers_of_the_owner(self, root: Path) -> None:
        site = Site(root, cache_control="max-age=60", headers={"x-frame-options": "DENY"})
        for lines in ([], ["If-None-Match: *"]):
            answer = site.ask("/a.css", *lines)
            assert (answer.headers["cache-control"], answer.headers["x-frame-options"]) == ("max-age=60", "DENY")


class TestFolders:
    def test_an_index_stands_for_its_folder(self, root: Path) -> None:
        assert Site(root).ask("/").body == b"<h1>index</h1>"

    def test_a_folder_without_its_slash_is_redirected(self, root: Path) -> None:
        answer = Site(root).ask("/sub?a=b")
        assert (answer.status, answer.headers["location"]) == (301, "/sub/?a=b")

    def test_it_is_listed_only_if_the_owner_says_so(self, root: Path) -> None:
        assert Site(root).ask("/sub/").status == 404
        site = Site(root, listing=True)
        answer = site.ask("/sub/")
        assert b'<a href="./x.json">x.json</a>' in answer.body
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert site.ask("/sub/", method="HEAD").headers["content-length"] == str(len(answer.body))


class TestWhoseRequest:
    def test_what_is_not_below_the_prefix_goes_on(self, root: Path) -> None:
        site = Site(root, prefix="/static/")
        assert site.ask("/static/a.css").body == b"body {}"
        assert site.ask("/other", method="POST", body="hello").body == b"next"
        assert [type(msg) for msg in site.next.read] == [http.Request, http.Data, http.End]
        assert site.ask("/staticx").body == b"next"
        assert site.ask("/static").headers["location"] == "/static/"
        assert site.ask("http://a/static/a.css").body == b"body {}"
        assert site.ask("*", method="OPTIONS").body == b"next"

    def test_below_the_root_nothing_goes_on_so_that_nobody_waits_for_an_answer(self, root: Path) -> None:
        site = Site(root)
        answer = site.ask("*", method="OPTIONS")
        assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD")
        assert site.ask("/a.css").body == b"body {}"
        answer = site.ask("a:1", method="CONNECT")
        assert (answer.status, answer.headers["connection"]) == (501, "close")
        assert not site.channel.is_open
        assert site.next.read == []

    def test_the_body_of_a_request_for_files_is_dropped(self, root: Path) -> None:
        site = Site(root)
        answer = site.ask("/a.css", method="POST", body="hello")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
        assert site.ask("/a.css", body="hello").body == b"body {}"
        assert site.next.read == []

    def test_whole_requests_do_as_well(self, root: Path) -> None:
        site = Site(root, http.RequestAggregator(), prefix="/static/")
        assert site.ask("/static/a.css").body == b"body {}"
        assert site.ask("/").body == b"next"

    def test_several_at_work_are_answered_in_order(self, root: Path) -> None:
        site = Site(root)
        requests = "".join(f"GET /{name} HTTP/1.1\r\nHost: a\r\n\r\n" for name in ("large.bin", "a.css", "none"))
        site.channel.write_inbound(requests.encode())
        sent = b"".join(b"" if isinstance(msg, FileRegion) else bytes(msg) for msg in site.channel.outbound)
        assert [part[:3] for part in sent.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"404"]


class TestRefusals:
    @pytest.mark.parametrize(
        "target",
        [
            *("/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/sub/../../secret.txt", "/..%5csecret.txt"),
            *("/%2e%2e%2fsecret.txt", "//secret.txt", "/a.css%00.txt", "/a.css/", "/sub/x.json/..", "/%"),
            *("/none", "/.hidden", "/link", "/sub/none", "//evil.example/%2e%2e", "/" + "a" * 300),
        ],
    )
    def test_what_is_not_to_be_seen_is_not_there(self, target: str, root: Path) -> None:
        (root / "link").symlink_to(root.parent / "secret.txt")
        (root / ".hidden").write_text("hidden")
        answer = Site(root).ask(target)
        assert (answer.status, answer.body) == (404, b"404 Not Found\n")
        assert "location" not in answer.headers

    @pytest.mark.parametrize(
        ("failure", "status"),
        [
            (PermissionError(13, "no"), 403),
            (OSError(24, "too many open files"), 503),
            (OSError(16, "changed while it was read"), 503),
            (OSError(5, "the disk is broken"), 500),
            (LookupError("a mistake"), 500),
        ],
    )
    def test_what_goes_wrong_while_a_file_is_opened(
        self, failure: Exception, status: int, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any, **__: Any) -> Any:
            raise failure

        monkeypatch.setattr("pipeline_net.codecs.http.files.finding.Finder.find", fail)
        site = Site(root)
        if status == 500:
            with pytest.raises(type(failure)):
                site.ask("/a.css")
        else:
            assert site.ask("/a.css").status == status
            assert site.ask("/a.css").status == status, "what was counted was given back"

    def test_a_pool_that_is_full(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        site = Site(root, max_open_files=1)

        def full(*_: Any) -> Any:
            raise PoolFullError("it is full")

        monkeypatch.setattr(site.channel.loop, "run_blocking", full)
        for _ in range(2):
            answer = site.ask("/a.css")
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")

    def test_only_so_many_files_are_open(self, root: Path) -> None:
        options = ChannelOptions(write_buffer_high=10 * len(_LARGE))
        site = Site(root, max_open_files=2, options=options)
        site.channel.peer_window = 0
        for _ in range(3):
            site.send("/large.bin")
        before = _open_descriptors()
        site.channel.peer_window = None
        site.channel.run_pending()
        sent = b"".join(b"" if isinstance(msg, FileRegion) else bytes(msg) for msg in site.channel.outbound)
        assert [part[:3] for part in sent.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"503"]
        site.channel.outbound.clear()
        assert _open_descriptors() == before - 2
        assert site.ask("/a.css").status == 200


class TestEnds:
    @pytest.mark.parametrize("end", ["abort", "close", "remove"])
    def test_a_connection_that_ends_gives_its_files_back(self, end: str, root: Path) -> None:
        site = Site(root)
        site.channel.peer_window = 0
        site.send("/large.bin")
        site.send("/large.bin")
        if end == "abort":
            site.channel.abort()
        elif end == "close":
            site.channel.close()
            site.channel.advance(1000)
        else:
            site.channel.pipeline.remove(site.files)
        site.channel.run_pending()

    @pytest.mark.parametrize("target", ["/large.bin", "/a.css", "/none"])
    @pytest.mark.parametrize("is_removed", [False, True])
    def test_one_that_ends_while_a_file_is_looked_for(self, target: str, is_removed: bool, root: Path) -> None:
        site = Site(root, max_open_files=1)
        end = (lambda: site.channel.pipeline.remove(site.files)) if is_removed else site.channel.abort
        site.channel.loop.execute(end)  # before the pool's answer
        site.send(target)
        assert site.channel.outbound == []
        assert site.channel.loop.shared["http.files"].count == 0


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"root": "/none"}, "root must be a folder, and '/none' is none"),
        ({"prefix": "static/"}, "prefix must begin and end with a slash"),
        ({"prefix": "/static"}, "prefix must begin and end with a slash"),
        ({"prefix": "/a/../"}, "prefix must begin and end with a slash"),
        ({"index": ["a/b"]}, "index must be names of files"),
        ({"index": [""]}, "index must be names of files"),
        ({"precompressed": ["lzma"]}, "a precompressed coding is one of gzip, br, zstd, not 'lzma'"),
        ({"max_open_files": 0}, "max_open_files must be at least 1, and is 0"),
        ({"max_ranges": 0}, "max_ranges must be at least 1, and is 0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], complaint: str, root: Path) -> None:
    with pytest.raises(ValueError, match=complaint):
        http.StaticFiles(**{"root": root, **settings})


def test_a_system_that_cannot_open_below_a_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline_net.codecs.http.files.static_files.CAN_OPEN_BELOW", False)
    with pytest.raises(ValueError, match="openat"):
        http.StaticFiles(root)


def test_compressed_on_the_way_it_is_the_same(root: Path) -> None:
    (root / "large.txt").write_bytes(b"hello, world\n" * 20_000)
    site = Site(root, http.ContentCompression())
    site.send("/large.txt", "Accept-Encoding: gzip")
    head, _, body = b"".join(map(_bytes_of, site.channel.outbound)).partition(b"\r\n\r\n")
    assert b"content-encoding: gzip" in head
    assert b"accept-ranges" not in head
    assert b'etag: W/"' in head
    content = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        content += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    assert gzip.decompress(content) == b"hello, world\n" * 20_000
