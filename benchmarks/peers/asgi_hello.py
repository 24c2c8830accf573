"""The raw ASGI application that says hello: no framework, the least that the interface allows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

_START: Final[dict[str, Any]] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", b"13")],
}
_BODY: Final[dict[str, Any]] = {"type": "http.response.body", "body": b"Hello, world\n"}


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] == "http":
        await send(_START)
        await send(_BODY)
