"""The static site, asked by curl and looked at in a browser."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

Start = Callable[..., str]

_FILES = Path(__file__).parent.parent.parent / "examples" / "static_site_files"


@pytest.fixture
def site(start_example: Start) -> str:
    return start_example("static_site.py").replace("tcp://", "http://")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_gets_files_and_parts_of_them(site: str) -> None:
    def curl(*arguments: str) -> bytes:
        return subprocess.run(["curl", "-sSf", *arguments], capture_output=True, timeout=30, check=True).stdout

    assert curl("--compressed", site + "/") == (_FILES / "index.html").read_bytes()
    assert curl("-r", "0-3", site + "/style.css") == b"body"
    assert curl(site + "/notes/milk.txt") == b"Buy milk.\n"


def test_a_client_that_has_it_already_is_told_so(site: str) -> None:
    with httpx.Client(base_url=site) as client:
        first = client.get("/style.css")
        assert first.headers["cache-control"] == "max-age=60"
        again = client.get("/style.css", headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_another_folder(start_example: Start, tmp_path: Path) -> None:
    (tmp_path / "large.txt").write_bytes(b"hello, world\n" * 20_000)
    site = start_example("static_site.py", "--folder", str(tmp_path)).replace("tcp://", "http://")
    with httpx.Client(base_url=site) as client:
        assert '<a href="./large.txt">large.txt</a>' in client.get("/").text
        answer = client.get("/large.txt")
        assert answer.headers["content-encoding"] in ("gzip", "deflate")
        assert answer.content == b"hello, world\n" * 20_000


def test_a_browser_shows_the_page_with_its_style_and_its_script(site: str, browser: Any) -> None:
    browser.get(site + "/")
    assert browser.find_element("css selector", "h1").value_of_css_property("color") == "rgba(0, 90, 156, 1)"
    for _ in range(1000):
        note = browser.find_element("id", "note").text
        if note != "…":
            break
    assert note == "Buy milk."
    browser.find_element("link text", "notes").click()
    assert browser.title == "/notes/"
    browser.find_element("link text", "plants.txt").click()
    assert "Water the plants." in browser.page_source
