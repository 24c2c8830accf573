"""An ASGI application without a framework: hello, a stream, an upload, and what happens at start and end.

    python examples/asgi_app.py

Try it with ``curl -N http://127.0.0.1:8000/stream`` and ``curl -T some-file http://127.0.0.1:8000/upload``.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from pipeline_net.gateways.asgi_server import run_asgi

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close"})  # nobody speaks it here: a 403
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    if scope["path"] == "/stream":
        for number in range(5):
            await send({"type": "http.response.body", "body": b"%d\n" % number, "more_body": True})
            await asyncio.sleep(scope["state"]["pause"])
        await send({"type": "http.response.body"})
    elif scope["path"] == "/upload":
        size, more = 0, True
        while more:  # as it comes: the file is never in memory
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        await send({"type": "http.response.body", "body": b"%d bytes\n" % size})
    else:
        await send({"type": "http.response.body", "body": b"Hello, world\n"})


async def lifespan(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    await receive()
    scope["state"]["pause"] = 0.01  # here, pools are opened …
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})  # … and here they are closed


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--address", default="tcp://127.0.0.1:8000")
    options.add_argument("--loops", type=int, default=1)
    chosen = options.parse_args()
    run_asgi(
        app,
        chosen.address,
        loops=chosen.loops,
        ready=lambda addresses: print("listening on", *addresses, flush=True),
    )


if __name__ == "__main__":
    main()
