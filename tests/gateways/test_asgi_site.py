"""The application on one loop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pipeline_net.gateways.asgi_server import serve_asgi
from pipeline_net.gateways.asgi_site import AsgiSite

from .conftest import Message, Receive, Send, serving


def test_each_request_has_a_copy_of_the_state() -> None:
    seen: list[Any] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["shared"] = []
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        seen.append(dict(scope["state"]))
        scope["state"]["shared"].append("seen by all")
        scope["state"]["own"] = True
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    async def main() -> None:
        async with serving(app) as asgi:
            await asgi.get()
            await asgi.get()

    asyncio.run(main())
    assert [sorted(state) for state in seen] == [["shared"], ["shared"]]
    assert seen[1]["shared"] == ["seen by all"] * 2


def test_names_with_an_underscore_are_left_out() -> None:
    seen: list[Any] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            seen.extend(scope["headers"])
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})

    async def main() -> None:
        async with serving(app) as asgi:
            await asgi.get("/", "X_Forwarded_For: 10.0.0.1", "X-Real-IP: a_b", "x_: y")

    asyncio.run(main())
    assert seen == [(b"host", b"x"), (b"connection", b"close"), (b"x-real-ip", b"a_b")]


def test_a_client_on_a_unix_socket_has_no_address(tmp_path: Any) -> None:
    seen: list[Any] = []
    path = str(tmp_path / "app.sock")

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            seen.append((scope["client"], scope["server"]))
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})

    async def main() -> None:
        ready, stop = asyncio.Event(), asyncio.Event()
        task = asyncio.ensure_future(serve_asgi(app, f"unix://{path}", ready=lambda server: ready.set(), stop=stop))
        await ready.wait()
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        await reader.read()
        writer.close()
        stop.set()
        await task

    asyncio.run(main())
    assert seen == [(None, (path, None))]


def test_what_makes_no_sense_is_refused_at_construction() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None: ...

    async def main() -> None:
        with pytest.raises(TypeError, match="scope, receive and send"):
            AsgiSite("app")  # type: ignore[arg-type]  # that is the point
        with pytest.raises(ValueError, match="root path"):
            AsgiSite(app, root_path="/x/")
        assert "AsgiSite of" in repr(AsgiSite(app))
        assert AsgiSite(app).is_here

    asyncio.run(main())
