"""The application on one loop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

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
