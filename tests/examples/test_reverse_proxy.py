"""The example of a reverse proxy, in front of the HTTP examples, asked by curl."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import pytest

Start = Callable[..., str]

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def _curl(*arguments: str) -> str:
    return subprocess.run(("curl", "-s", *arguments), capture_output=True, timeout=30, check=True, text=True).stdout


def test_it_passes_on_what_the_json_api_says(start_example: Start) -> None:
    origin = start_example("http_json_api.py")
    url = start_example("reverse_proxy.py", origin).replace("tcp://", "http://")
    assert '"buy milk"' in _curl("-d", '{"text": "buy milk"}', f"{url}/notes")
    said = _curl("-i", f"{url}/notes", f"{url}/notes/1")
    assert said.count("HTTP/1.1 200 OK") == 2
    assert said.count("via: 1.1 pipeline_net") == 2
    assert said.count("buy milk") == 2


def test_proxies_may_stand_in_a_row(start_example: Start) -> None:
    address = start_example("http_hello.py")
    for _ in range(3):
        address = start_example("reverse_proxy.py", address, "--trusted", "127.0.0.1")
    said = _curl("-i", address.replace("tcp://", "http://"))
    assert said.endswith("Hello, world\n")
    assert said.count("via: 1.1 pipeline_net") == 3
