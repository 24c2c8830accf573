"""The ASGI example, with httpx for a client."""

from __future__ import annotations

from collections.abc import Callable

import httpx


def test_the_asgi_example_says_hello_streams_and_takes_uploads(start_example: Callable[..., str]) -> None:
    url = start_example("asgi_app.py").replace("tcp://", "http://")
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    with httpx.Client(base_url=url, timeout=20, trust_env=False) as client:
        assert client.get("/", headers=handshake).status_code == 403, "it speaks no WebSocket"
        assert client.get("/").text == "Hello, world\n"
        assert client.get("/stream").text == "0\n1\n2\n3\n4\n"
        assert client.put("/upload", content=bytes(1_000_000)).text == "1000000 bytes\n"
