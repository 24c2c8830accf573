"""StaticFiles and real peers: curl, slow and rude clients, TLS; and what nginx answers to the same requests."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_net.codecs.http import ContentCompression

Serve = Callable[..., str]

_TEXT = bytes(range(32, 127)) * 10 + b"and some more of it, so that it is a thousand bytes.."[:50]
_TIME = 784_111_777
_THEN, _LATER, _EARLIER = (
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:38 GMT",
    "Sun, 06 Nov 1994 08:49:36 GMT",
)
_needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "t.txt").write_bytes(_TEXT)
    (root / "empty.txt").write_bytes(b"")
    (root / "large.bin").write_bytes(bytes(range(256)) * 8192)  # 2 MiB
    (root / "page.html").write_bytes(b"<p>hello, world</p>\n" * 5000)
    for name in ("t.txt", "empty.txt"):
        os.utime(root / name, (_TIME, _TIME))
    return root


def _curl(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["curl", "-sS", *arguments], cwd=folder, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode("latin-1")


def _url(address: str) -> str:
    return address.replace("tcp://", "http://")


@_needs_curl
class TestCurl:
    def test_it_gets_parts_and_goes_on_where_it_was(self, root: Path, tmp_path: Path, serve_files: Serve) -> None:
        url = _url(serve_files(root))
        assert _curl(tmp_path, "-r", "0-9", f"{url}/t.txt") == _TEXT[:10].decode()
        several = _curl(tmp_path, "-r", "0-9,-5", f"{url}/t.txt")
        assert several.count("content-range: bytes ") == 2
        (tmp_path / "half").write_bytes((root / "large.bin").read_bytes()[:1_000_000])
        _curl(tmp_path, "-C", "-", "-o", "half", f"{url}/large.bin")
        assert (tmp_path / "half").read_bytes() == (root / "large.bin").read_bytes()

    def test_it_asks_whether_something_has_changed(self, root: Path, tmp_path: Path, serve_files: Serve) -> None:
        url = _url(serve_files(root))
        status = ("-o", "out", "-w", "%{http_code}")
        assert _curl(tmp_path, *status, "-z", _THEN, f"{url}/t.txt") == "304"
        assert _curl(tmp_path, *status, "-z", _EARLIER, f"{url}/t.txt") == "200"
        assert _curl(tmp_path, *status, "--etag-save", "tag", f"{url}/t.txt") == "200"
        assert _curl(tmp_path, *status, "--etag-compare", "tag", f"{url}/t.txt") == "304"
        (root / "t.txt").write_bytes(b"new")
        assert _curl(tmp_path, *status, "--etag-compare", "tag", f"{url}/t.txt") == "200"

    def test_it_takes_what_is_compressed_on_the_way(self, root: Path, tmp_path: Path, serve_files: Serve) -> None:
        url = _url(serve_files(root, ContentCompression))
        size = _curl(tmp_path, "--compressed", "-o", "out", "-w", "%{size_download}", f"{url}/page.html")
        assert int(size) < 2000
        assert (tmp_path / "out").read_bytes() == (root / "page.html").read_bytes()

    @pytest.mark.parametrize(
        "path", ["/../secret", "/..%2fsecret", "/%2e%2e/secret", "/sub/..%5c..%5csecret", "/link", "/t.txt%00"]
    )
    def test_it_gets_nothing_from_outside(self, path: str, root: Path, tmp_path: Path, serve_files: Serve) -> None:
        (tmp_path / "secret").write_text("secret")
        (root / "link").symlink_to(tmp_path / "secret")
        assert _curl(tmp_path, "--path-as-is", _url(serve_files(root)) + path) == "404 Not Found\n"


# -- nginx ----------------------------------------------------------------------------------------------


def _ask(path: str, target: str, headers: dict[str, str], method: str = "GET") -> tuple[int, Any, bytes]:
    connection = http.client.HTTPConnection("a", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(10)
        connection.sock.connect(path)
        connection.request(method, target, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


# Each {} is the server's own tag.
_QUESTIONS: list[dict[str, str]] = [
    {},
    *({"Range": f"bytes={ranges}"} for ranges in ("0-0", "0-499", "500-", "-1", "-1000", "-5000", "999-", "999-5000")),
    *({"Range": f"bytes={ranges}"} for ranges in ("1000-", "1000-1001", "5-2", "a-b", "1", "-", "", "0-1,x")),
    *({"Range": f"bytes={ranges}"} for ranges in ("0-0,-1", "0-9, 20-29 ,500-", "1000-,0-1", "1000-,2000-")),
    {"Range": "bytes=0-,0-0"},
    {"Range": "bytes=" + ",".join(f"{n * 2}-{n * 2}" for n in range(16))},
    {"Range": "bytes=" + ",".join(f"{n * 2}-{n * 2}" for n in range(17))},
    {"Range": "lines=0-1"},
    *({"If-Modified-Since": date} for date in (_THEN, _LATER, _EARLIER, "yesterday")),
    *({"If-Unmodified-Since": date} for date in (_THEN, _LATER, _EARLIER)),
    *({"If-None-Match": tag} for tag in ("{}", "W/{}", '"x", {}', '"x"', "*")),
    *({"If-Match": tag} for tag in ("{}", "W/{}", '"x", {}', '"x"', "*")),
    {"If-None-Match": '"x"', "If-Modified-Since": _THEN},
    {"If-None-Match": "{}", "If-Modified-Since": _EARLIER},
    {"If-Match": '"x"', "If-None-Match": "{}"},
    {"If-Match": "{}", "If-None-Match": "{}"},
    *({"Range": "bytes=0-9", "If-Range": validator} for validator in ("{}", '"x"', "W/{}", _THEN, _EARLIER, "x")),
    {"Range": "bytes=0-9", "If-None-Match": "{}"},
    {"Range": "bytes=0-9", "If-Match": '"x"'},
    {"Range": "bytes=5000-", "If-Range": '"x"'},
]

_NO_RANGES = {f"bytes={ranges}" for ranges in ("5-2", "a-b", "1", "-", "", "0-1,x")}


def _why_different(method: str, target: str, question: dict[str, str]) -> str | None:
    """Say why we and nginx differ, where we do."""
    if question.get("Range") in _NO_RANGES:
        return "RFC 9110 14.2: an invalid Range is ignored, for which nginx says 416"
    if "Range" in question and method == "HEAD":
        return "RFC 9110 14.2: a Range is ignored unless the method is GET, and nginx answers one of HEAD"
    if "Range" in question and target == "/empty.txt":
        return "RFC 9110 15.5.17: no byte of an empty file can be had; nginx sends the whole of nothing"
    if question.get("If-None-Match") == "{}" and "If-Modified-Since" in question:
        return "RFC 9110 13.1.3: with If-None-Match, If-Modified-Since is ignored, and nginx looks at both"
    return None


def _labelled(question: dict[str, str]) -> str:
    return "; ".join(f"{name}: {value}" for name, value in question.items())


def test_conditions_and_ranges_are_answered_as_nginx_does(
    root: Path, tmp_path: Path, serve_files: Serve, nginx: Callable[[Path], str]
) -> None:
    ours = serve_files(root, address=f"unix://{tmp_path}/ours").removeprefix("unix://")
    theirs = nginx(root)
    differences = []
    for target in ("/t.txt", "/empty.txt", "/none.txt"):
        for method in ("GET", "HEAD"):
            for question in _QUESTIONS:
                seen = []
                for server in (ours, theirs):
                    tag = _ask(server, target, {})[1].get("etag", '"none"')
                    headers = {name: value.replace("{}", tag) for name, value in question.items()}
                    status, got, body = _ask(server, target, headers, method)
                    is_multipart = str(got.get("content-type")).startswith("multipart/")
                    facts: list[Any] = [status, got.get("content-range"), is_multipart]
                    if 200 <= status < 300:
                        facts.append(
                            body.lower().count(b"content-range: bytes")
                            if is_multipart
                            else (body, got["content-length"])
                        )
                    seen.append(facts)
                if seen[0] != seen[1] and _why_different(method, target, question) is None:
                    differences.append(f"{method} {target} {_labelled(question)}: {seen[0]} and not {seen[1]}")
    assert "\n".join(differences) == ""


# -- slow and rude ones ---------------------------------------------------------------------------------


def _open_files(folder: Path) -> int:
    """How many descriptors of this process lead into a folder."""
    count = 0
    for number in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{number}").startswith(str(folder))
        except OSError:
            continue  # the one that has listed them
    return count


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="there is no /proc")
def test_who_goes_away_leaves_no_file_open(root: Path, serve_files: Serve, dial: Callable[[str], Any]) -> None:
    (root / "huge.bin").write_bytes(b"")
    os.truncate(root / "huge.bin", 1 << 30)  # a hole
    address = serve_files(root)
    clients = [dial(address) for _ in range(5)]
    for client in clients:
        client.sendall(b"GET /huge.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(15) == b"HTTP/1.1 200 OK"
    assert _open_files(root) == 5
    for client in clients:
        client.close()
    last = dial(address)
    while _open_files(root):  # each question is a turn of the loop, and more
        last.sendall(b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n")
        assert last.recv(1000).startswith(b"HTTP/1.1 404")


def test_a_file_that_is_cut_off_while_it_is_sent_ends_the_connection(
    root: Path, serve_files: Serve, dial: Callable[[str], Any]
) -> None:
    os.truncate(root / "large.bin", 1 << 28)
    client = dial(serve_files(root))
    client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
    head = client.recv(1000)
    assert b"content-length: 268435456\r\n" in head
    os.truncate(root / "large.bin", 1000)
    received = len(head)
    try:
        while data := client.recv(1 << 20):
            received += len(data)
    except ConnectionResetError:
        pass  # that says it, too
    assert received < 1 << 28
