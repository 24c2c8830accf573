"""The upload example, used by a browser, curl, requests, httpx, and clients that go in the middle."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

_SIZE = 5 * 1024 * 1024


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "uploads"


@pytest.fixture
def url(start_example: Callable[..., str], folder: Path) -> str:
    return start_example("upload.py", "--folder", str(folder)).replace("tcp://", "http://")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "é large.bin"
    path.write_bytes(hashlib.shake_128(b"large").digest(_SIZE))
    return path


def test_a_browser_sends_a_file_and_its_bar_moves(browser: Chrome, url: str, folder: Path, large: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def said() -> str:
        return browser.find_element(By.ID, "said").text

    browser.get(url)
    browser.find_element(By.NAME, "title").send_keys("Käse & Brot")
    browser.find_element(By.NAME, "file").send_keys(str(large))
    # 5 MiB pass in an instant otherwise, and the bar would have no time to move.
    browser.execute_cdp_cmd("Network.enable", {})
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 4 * 1024 * 1024}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", slow)
    browser.find_element(By.TAG_NAME, "button").click()
    WebDriverWait(browser, 30, poll_frequency=0.05).until(lambda _: said() == "Done")
    steps = browser.execute_script("return window.steps")
    assert steps == sorted(steps)
    assert len(set(steps)) >= 3
    assert 0 < steps[0] < 1
    assert steps[-1] == 1
    assert browser.find_element(By.ID, "bar").get_property("value") == 1
    assert (folder / "1-é large.bin").read_bytes() == large.read_bytes()
    assert browser.find_element(By.CSS_SELECTOR, "#list li").text == f"1-é large.bin, {_SIZE} bytes"
    browser.refresh()
    assert browser.find_element(By.CSS_SELECTOR, "#list li").text == f"1-é large.bin, {_SIZE} bytes"
    browser.get("about:blank")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
class TestCurl:
    def _curl(self, *arguments: str) -> Any:
        done = subprocess.run(("curl", "-s", *arguments), capture_output=True, timeout=30, check=True)
        return json.loads(done.stdout)

    def test_a_form_with_two_files(self, url: str, folder: Path, large: Path) -> None:
        reply = self._curl(
            *("--form-string", 'title=a "title"; with = marks', "-F", f"file=@{large}"),
            *("-F", f'file=@{large};filename="../../etc/x\\"y.bin";type=a/b', f"{url}/upload"),
        )
        assert reply["fields"] == [["title", 'a "title"; with = marks']]
        assert [file["saved_as"] for file in reply["files"]] == ["1-é large.bin", "2-x_y.bin"]
        assert reply["files"][1]["name"] == '../../etc/x"y.bin'
        for file in reply["files"]:
            assert (folder / file["saved_as"]).read_bytes() == large.read_bytes()

    def test_a_chunked_form_and_one_that_waits_for_100(self, url: str, large: Path) -> None:
        for header in ("Transfer-Encoding: chunked", "Expect: 100-continue"):
            assert self._curl("-H", header, "-F", f"file=@{large}", f"{url}/upload")["files"][0]["size"] == _SIZE

    def test_a_urlencoded_form(self, url: str) -> None:
        reply = self._curl("--data-urlencode", "a=é & +", "-d", "b=1", f"{url}/upload")
        assert reply == {"fields": [["a", "é & +"], ["b", "1"]], "files": []}


def test_requests(url: str, folder: Path, large: Path) -> None:
    with open(large, "rb") as file, requests.Session() as session:
        files: Any = [("file", ("é.bin", file, "a/b")), ("small", ("s.txt", b"\r\n--x"))]
        reply = session.post(f"{url}/upload", data=[("a", "1"), ("a", "ü")], files=files, timeout=20)
        assert reply.status_code == 201
        assert reply.json()["fields"] == [["a", "1"], ["a", "ü"]]
        assert (folder / "1-é.bin").read_bytes() == large.read_bytes()
        assert (folder / "2-s.txt").read_bytes() == b"\r\n--x"
        assert session.post(f"{url}/upload", json={}, timeout=20).status_code == 415


def test_httpx(url: str, folder: Path, large: Path) -> None:
    with open(large, "rb") as file, httpx.Client() as client:
        files: Any = {"file": ('a"b\\c.bin', file), "empty": ("empty.txt", b"")}
        reply = client.post(f"{url}/upload", data={"a": ["1", "2"]}, files=files)
        assert reply.status_code == 201
        assert reply.json()["fields"] == [["a", "1"], ["a", "2"]]
        assert sorted(file["size"] for file in reply.json()["files"]) == [0, _SIZE]
        assert client.get(f"{url}/none").status_code == 404
        assert client.get(url).text.count("<li>") == 2


def test_a_client_that_goes_in_the_middle_leaves_nothing(url: str, folder: Path) -> None:
    host, port = url.removeprefix("http://").split(":")
    head = (
        b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: 100000000\r\n\r\n--b\r\n"
        b'Content-Disposition: form-data; name="f"; filename="x"\r\n\r\n'
    )
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(head + b"y" * 2_000_000)
    assert requests.get(url, timeout=20).status_code == 200
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("method", "path"), [("PUT", "/upload"), ("GET", "/upload"), ("POST", "/elsewhere")])
def test_a_form_that_is_sent_in_another_way_is_not_kept(url: str, folder: Path, method: str, path: str) -> None:
    answer = requests.request(method, url + path, files={"file": ("a.txt", b"hello")}, timeout=20)
    assert answer.status_code == 404
    assert list(folder.iterdir()) == []
