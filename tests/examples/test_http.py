"""The HTTP examples, as processes, asked by real clients: curl, requests, httpx, nc, wrk and h2load."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

Start = Callable[..., str]

_HELLO = b"Hello, world\n"


def _needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def _url(address: str) -> str:
    return address.replace("tcp://", "http://")


def _run(*command: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(command, input=stdin, capture_output=True, timeout=30, check=True).stdout


@pytest.fixture
def hello(start_example: Start) -> str:
    return _url(start_example("http_hello.py"))


@pytest.fixture
def api(start_example: Start) -> str:
    return _url(start_example("http_json_api.py"))


@_needs("curl")
class TestCurl:
    def test_get_head_and_keep_alive(self, hello: str) -> None:
        assert _run("curl", "-s", hello) == _HELLO
        head = _run("curl", "-sI", hello).decode()
        assert head.startswith("HTTP/1.1 200 OK\r\n")
        assert "content-length: 13\r\n" in head
        said = _run("curl", "-sv", "--stderr", "-", hello, hello, f"{hello}/none").decode()
        assert len(re.findall("(?i)re-?using existing", said)) == 2
        assert "404 Not Found" in said

    def test_http_1_0(self, hello: str) -> None:
        assert b"connection: close" in _run("curl", "-s0i", hello)

    def test_a_body_that_is_announced_and_expected(self, hello: str, tmp_path: Path) -> None:
        (tmp_path / "body").write_bytes(b"x" * 500_000)
        said = _run(
            *("curl", "-sv", "--stderr", "-", "-H", "Expect: 100-continue", "--expect100-timeout", "20"),
            *("--data-binary", f"@{tmp_path / 'body'}", hello),
        ).decode()
        assert "100 Continue" in said
        assert "200 OK" in said

    def test_an_expectation_that_nobody_meets(self, hello: str) -> None:
        assert b"417 Expectation Failed" in _run("curl", "-si", "-H", "Expect: tea", "-d", "x", hello)

    def test_a_chunked_body(self, api: str) -> None:
        said = _run(
            *("curl", "-si", "-T", "-", "-X", "POST", "-H", "Transfer-Encoding: chunked", f"{api}/notes"),
            stdin=b'{"text": "' + b"y" * 50_000 + b'"}',
        )
        assert b"201 Created" in said
        assert len(json.loads(_run("curl", "-s", f"{api}/notes"))[0]["text"]) == 50_000

    def test_a_body_that_is_too_large(self, hello: str, api: str, tmp_path: Path) -> None:
        (tmp_path / "body").write_bytes(b"x" * 2_000_000)
        for url in (hello, f"{api}/notes"):
            for header in ("X: y", "Transfer-Encoding: chunked", "Expect: 100-continue"):
                said = subprocess.run(
                    ("curl", "-si", "-H", header, "--data-binary", f"@{tmp_path / 'body'}", url),
                    capture_output=True,
                    timeout=30,
                    check=False,  # curl may complain that it could not send everything
                ).stdout
                assert b"413 Content Too Large" in said


class TestRequests:
    def test_a_session(self, api: str) -> None:
        with requests.Session() as session:
            created = session.post(f"{api}/notes", json={"text": "é"}, timeout=10)
            assert (created.status_code, created.headers["location"]) == (201, "/notes/1")
            assert session.get(f"{api}/notes/1", timeout=10).json() == {"id": 1, "text": "é"}
            assert session.head(f"{api}/notes/1", timeout=10).status_code == 200
            assert session.put(f"{api}/notes/1", timeout=10).headers["allow"] == "GET, DELETE, HEAD, OPTIONS"
            assert session.get(f"{api}/notes/x", timeout=10).json() == {"error": "404 Not Found"}
            assert session.delete(f"{api}/notes/1", timeout=10).status_code == 204
            assert session.get(f"{api}/notes/1", timeout=10).status_code == 404
            assert session.post(f"{api}/notes", data=iter((b"{", b'"text"', b': "x"}')), timeout=10).status_code == 201
            assert session.post(f"{api}/notes", data=b"[" * 9000, timeout=10).status_code == 400


class TestHttpx:
    def test_a_client(self, api: str) -> None:
        with httpx.Client(base_url=api) as client:
            assert client.post("/notes", json={"text": "a"}).json() == {"id": 1, "text": "a"}
            assert client.get("/notes").json() == [{"id": 1, "text": "a"}]
            assert client.delete("/notes/1").status_code == 204
            assert client.get("/none").status_code == 404

    def test_work_that_blocks_holds_nobody_else_up(self, api: str) -> None:
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: httpx.get(f"{api}/slow").json(), range(8)))
        assert answers == [{"slept": 0.1}] * 8
        assert time.monotonic() - began < 8 * 0.1 + 5


@_needs("nc")
class TestNc:
    def test_requests_that_are_pipelined_are_answered_in_order(self, api: str) -> None:
        host, port = api.removeprefix("http://").split(":")
        paths = ["/notes", "/slow", "/none", "/slow", "/notes"]
        sent = "".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n" for path in paths)
        said = _run("nc", "-N", host, port, stdin=sent.encode())
        assert re.findall(rb"HTTP/1.1 (\d+)", said) == [b"200", b"200", b"404", b"200", b"200"]
        bodies: list[Any] = re.findall(rb"\r\n\r\n([\[{].*)\n", said)
        assert [json.loads(body) for body in bodies] == [
            [],
            {"slept": 0.1},
            {"error": "404 Not Found"},
            {"slept": 0.1},
            [],
        ]

    def test_what_is_no_http_is_told_so(self, hello: str) -> None:
        host, port = hello.removeprefix("http://").split(":")
        assert _run("nc", "-N", host, port, stdin=b"hello?\r\n").startswith(b"HTTP/1.1 400 Bad Request\r\n")


@_needs("wrk")
def test_wrk_sees_no_errors(hello: str) -> None:
    said = _run("wrk", "-t1", "-c16", "-d1s", hello).decode()
    assert "Socket errors" not in said
    assert "Non-2xx" not in said
    assert int(re.findall(r"(\d+) requests in", said)[0]) > 100


@_needs("h2load")
@pytest.mark.parametrize("pipelined", ["1", "8"])
def test_h2load_sees_no_errors(hello: str, pipelined: str) -> None:
    said = _run("h2load", "--h1", "-n2000", "-c10", "-m", pipelined, hello).decode()
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in said
    assert "2000 2xx, 0 3xx, 0 4xx, 0 5xx" in said
