"""Clients that say that their request was all get what an application takes long to make."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from pipeline_net.codecs.http import Deadlines
from pipeline_net.gateways.asgi_server import AsgiOptions
from pipeline_net.gateways.wsgi_server import WsgiOptions

from .conftest import body_of, serving, serving_wsgi

_WAIT = 10.0  # seconds; on a busy machine
_IMPATIENT = Deadlines(idle=0.1)
_LONG = 0.5  # seconds that the application takes


def _ask(port: int) -> bytes:
    """Send a request, shut our side, and read to the end."""
    with socket.create_connection(("127.0.0.1", port), _WAIT) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_asgi(run: Callable[[Awaitable[Any]], Any]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"  # for all that anybody knows
        await asyncio.sleep(_LONG)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"at last"})

    async def main() -> bytes:
        async with serving(app, AsgiOptions(deadlines=_IMPATIENT)) as site:
            return await asyncio.to_thread(_ask, site.port)

    assert body_of(run(main())) == b"at last"


def test_wsgi() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        threading.Event().wait(_LONG)
        start_response("200 OK", [("Content-Length", "7")])
        return [b"at last"]

    with serving_wsgi(app, options=WsgiOptions(deadlines=_IMPATIENT)) as port:
        assert body_of(_ask(port)) == b"at last"
