"""nginx in front of our servers, and the fixture that starts it."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from typing import Any

StartNginx = Callable[..., Any]


def test_nginx_serves_a_file_on_a_port_that_the_kernel_chose(start_nginx: StartNginx) -> None:
    first, second = start_nginx(), start_nginx("location /teapot { return 418; }")
    (first.folder / "html" / "a.txt").write_text("hello\n")
    with urllib.request.urlopen(f"{first.url}/a.txt", timeout=10) as response:
        assert (response.read(), response.headers["content-type"]) == (b"hello\n", "text/plain")
    assert first.port != second.port
    first.stop()
    assert '"GET /a.txt HTTP/1.1" 200' in first.requests[0]
