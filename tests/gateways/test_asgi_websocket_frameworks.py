"""WebSockets of Starlette and FastAPI, as people write them, and served by the command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI, WebSocketException
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect as connect_and_wait

from .conftest import Asgi, serving

Run = Callable[[Awaitable[Any]], Any]


def client(asgi: Asgi, path: str, **settings: Any) -> connect:
    return connect(f"ws://127.0.0.1:{asgi.port}{path}", proxy=None, **settings)


async def _echo(ws: WebSocket) -> None:
    await ws.accept(subprotocol=ws.scope["subprotocols"][0] if ws.scope["subprotocols"] else None)
    async for text in ws.iter_text():
        await ws.send_text(f"{ws.path_params['name']}: {text}")


async def _json(ws: WebSocket) -> None:
    await ws.accept(headers=[(b"x-who", b"me")])
    await ws.send_json({"asked": ws.query_params["q"], "cookies": ws.cookies, "url": str(ws.url)})
    await ws.send_json(await ws.receive_json(), mode="binary")
    await ws.close(4000, "done")


async def _deny(ws: WebSocket) -> None:
    await ws.send_denial_response(JSONResponse({"no": "entry"}, 402, {"x-why": "money"}))


async def _fails(ws: WebSocket) -> None:
    await ws.accept()
    raise ZeroDivisionError


_CODES: list[int] = []


class _Endpoint(WebSocketEndpoint):
    encoding = "bytes"

    async def on_receive(self, websocket: WebSocket, data: bytes) -> None:
        await websocket.send_bytes(data[::-1])

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        _CODES.append(close_code)


STARLETTE = Starlette(
    routes=[
        Route("/", lambda request: PlainTextResponse("a page")),
        Mount("/in", routes=[WebSocketRoute("/echo/{name}", _echo)]),
        WebSocketRoute("/json", _json),
        WebSocketRoute("/deny", _deny),
        WebSocketRoute("/fails", _fails),
        WebSocketRoute("/endpoint", _Endpoint),
    ]
)


def test_starlette(run: Run) -> None:
    async def main() -> None:
        async with serving(STARLETTE) as asgi:
            assert (await asgi.get()).endswith(b"a page")
            async with client(asgi, "/in/echo/ann", subprotocols=["x"]) as ws:
                assert ws.subprotocol == "x"
                for text in ("hello", "ä", ""):
                    await ws.send(text)
                    assert await ws.recv() == f"ann: {text}"
            async with client(asgi, "/json?q=1", additional_headers={"cookie": "a=b"}) as ws:
                assert ws.response is not None
                assert ws.response.headers["x-who"] == "me"
                url = f"ws://127.0.0.1:{asgi.port}/json?q=1"
                assert await ws.recv() == '{"asked":"1","cookies":{"a":"b"},"url":"' + url + '"}'
                await ws.send('{"n": [1, 2]}')
                assert await ws.recv() == b'{"n":[1,2]}'
                await ws.wait_closed()
                assert (ws.close_code, ws.close_reason) == (4000, "done")
            async with client(asgi, "/endpoint") as ws:
                await ws.send(b"abc")
                assert await ws.recv() == b"cba"
                await ws.close(4444)
            while not _CODES:
                await asyncio.sleep(0)
            assert _CODES.pop() == 4444

    run(main())


def test_starlette_refuses(run: Run) -> None:
    async def main() -> None:
        async with serving(STARLETTE) as asgi:
            with pytest.raises(InvalidStatus) as denied:
                await client(asgi, "/deny")
            response = denied.value.response
            assert (response.status_code, response.headers["x-why"], response.body) == (402, "money", b'{"no":"entry"}')
            with pytest.raises(InvalidStatus) as unknown:
                await client(asgi, "/nowhere")
            assert unknown.value.response.status_code in (403, 404)
            async with client(asgi, "/fails") as ws:
                with pytest.raises(ConnectionClosedError):
                    await ws.recv()
                assert ws.close_code == 1011

    run(main())


def _fastapi() -> FastAPI:
    app = FastAPI()
    room: set[WebSocket] = set()

    def who(ws: WebSocket, token: str | None = None) -> str:
        if token is None:
            raise WebSocketException(code=1008, reason="no token")
        return token

    @app.websocket("/chat")
    async def chat(ws: WebSocket, name: str = Depends(who)) -> None:
        await ws.accept()
        room.add(ws)
        try:
            while True:
                text = await ws.receive_text()
                for other in list(room):
                    await other.send_text(f"{name}: {text}")
        except WebSocketDisconnect:
            room.discard(ws)

    @app.get("/many")
    async def many() -> dict[str, int]:
        return {"many": len(room)}

    return app


def test_fastapi_with_several_clients_in_one_room(run: Run) -> None:
    async def main() -> None:
        async with serving(_fastapi()) as asgi:
            with pytest.raises(InvalidStatus):
                await client(asgi, "/chat")
            async with client(asgi, "/chat?token=ann") as ann, client(asgi, "/chat?token=bob") as bob:
                await ann.send("hi")
                assert await ann.recv() == "ann: hi"
                # Bob may have come later than Ann has spoken.
                await bob.send("ho")
                assert await ann.recv() == "bob: ho"
                assert (await asgi.get("/many")).endswith(b'{"many":2}')
            while not (await asgi.get("/many")).endswith(b'{"many":0}'):
                await asyncio.sleep(0.01)

    run(main())


def test_the_command_serves_websockets(start_program: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "chatter.py").write_text(
        "async def app(scope, receive, send):\n"
        "    assert scope['type'] == 'websocket', 'no lifespan here'\n"
        "    await receive()\n"
        "    await send({'type': 'websocket.accept'})\n"
        "    await send({'type': 'websocket.send', 'text': (await receive())['text'].upper()})\n"
    )
    arguments = ("-m", "pipeline_net", "asgi", "chatter:app", "--address", "tcp://127.0.0.1:0")
    program = start_program(*arguments, cwd=tmp_path)
    with connect_and_wait(program.addresses[0].replace("tcp", "ws"), proxy=None) as ws:
        ws.send("hello")
        assert ws.recv() == "HELLO"
