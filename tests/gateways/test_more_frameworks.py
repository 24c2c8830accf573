"""FastAPI and Quart, as people write them; and what Django and Flask do when something goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import fastapi
import flask
import httpx
import pytest
import quart
from fastapi.responses import FileResponse, StreamingResponse

from .conftest import Asgi, serving, serving_wsgi

Run = Callable[[Awaitable[Any]], Any]

_UPLOAD = bytes(range(256)) * 4096  # a mebibyte
_SOURCE = Path(__file__).read_bytes()


@contextlib.asynccontextmanager
async def _client(asgi: Asgi) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{asgi.port}", timeout=20, trust_env=False) as client:
        yield client


def _fastapi_app(events: list[str]) -> fastapi.FastAPI:
    @contextlib.asynccontextmanager
    async def lifespan(app: fastapi.FastAPI) -> AsyncIterator[dict[str, str]]:
        events.append("startup")
        yield {"color": "red"}
        events.append("shutdown")

    app = fastapi.FastAPI(lifespan=lifespan)

    @app.get("/items/{number}")
    async def item(number: int, request: fastapi.Request, q: str | None = None) -> dict[str, Any]:
        return {"number": number, "q": q, "color": request.state.color}

    @app.get("/blocking")
    def blocking() -> str:
        return "from a thread"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[str]:
            for number in range(10):
                await asyncio.sleep(0)
                yield str(number)

        return StreamingResponse(pieces())

    @app.get("/later")
    async def later(tasks: fastapi.BackgroundTasks) -> str:
        tasks.add_task(events.append, "background")
        return "later"

    @app.post("/upload")
    async def upload(request: fastapi.Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    @app.get("/file")
    async def file() -> FileResponse:
        return FileResponse(__file__)

    @app.get("/broken")
    async def broken() -> None:
        raise ValueError("this is broken")

    @app.get("/refused")
    async def refused(x_token: Annotated[str, fastapi.Header()]) -> str:
        return x_token

    return app


def test_fastapi(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    events: list[str] = []

    async def main() -> None:
        async with serving(_fastapi_app(events)) as asgi, _client(asgi) as client:
            assert (await client.get("/items/7?q=é")).json() == {"number": 7, "q": "é", "color": "red"}
            assert (await client.get("/items/x")).status_code == 422
            assert (await client.get("/refused")).status_code == 422
            assert (await client.get("/refused", headers={"x-token": "t"})).json() == "t"
            assert (await client.get("/refused", headers={"x_token": "t"})).status_code == 422
            assert (await client.get("/blocking")).json() == "from a thread"
            assert (await client.get("/stream")).text == "0123456789"
            assert (await client.post("/upload", content=_UPLOAD)).json() == len(_UPLOAD)
            assert (await client.get("/file")).content == _SOURCE
            assert (await client.get("/file", headers={"range": "bytes=0-2"})).content == b'"""'
            assert (await client.head("/file")).status_code == 405
            assert (await client.get("/broken")).status_code == 500
            assert (await client.get("/later")).json() == "later"
            assert "paths" in (await client.get("/openapi.json")).json()

    run(main())
    assert events == ["startup", "background", "shutdown"]
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ValueError]


def _quart_app(events: list[str]) -> quart.Quart:
    app = quart.Quart("shop")

    @app.before_serving
    async def startup() -> None:
        events.append("startup")

    @app.after_serving
    async def shutdown() -> None:
        events.append("shutdown")

    @app.get("/")
    async def hello() -> str:
        return f"hello {quart.request.args.get('name')}"

    @app.get("/stream")
    async def stream() -> Any:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(10):
                await asyncio.sleep(0)
                yield str(number).encode()

        return pieces()

    @app.post("/upload")
    async def upload() -> str:
        size = 0
        async for chunk in quart.request.body:
            size += len(chunk)
        return str(size)

    @app.get("/later")
    async def later() -> str:
        async def work() -> None:
            events.append("background")

        app.add_background_task(work)
        return "later"

    @app.get("/broken")
    async def broken() -> str:
        raise ValueError("this is broken")

    return app


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_quart(run: Run) -> None:
    events: list[str] = []

    async def main() -> None:
        async with serving(_quart_app(events)) as asgi, _client(asgi) as client:
            assert (await client.get("/?name=Ann")).text == "hello Ann"
            assert (await client.head("/")).headers["content-length"] == "10"
            assert (await client.get("/stream")).text == "0123456789"
            assert (await client.post("/upload", content=_UPLOAD)).text == str(len(_UPLOAD))
            assert (await client.get("/broken")).status_code == 500
            assert (await client.get("/later")).text == "later"

    run(main())
    assert events == ["startup", "background", "shutdown"]


def test_flask_when_something_goes_wrong(caplog: pytest.LogCaptureFixture) -> None:
    app = flask.Flask("shop")

    @app.get("/broken")
    def broken() -> str:
        raise ValueError("this is broken")

    @app.get("/half")
    def half() -> flask.Response:
        def pieces() -> Iterator[bytes]:
            yield b"half of "
            raise ValueError("this breaks off")

        return flask.Response(pieces())

    @app.get("/who")
    def who() -> str:
        return str(flask.request.headers.get("X-Forwarded-For"))

    with (
        caplog.at_level(logging.CRITICAL, "shop"),
        serving_wsgi(app) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as client,
    ):
        assert client.get("/broken").status_code == 500
        assert client.get("/who", headers={"X_Forwarded_For": "10.0.0.1"}).text == "None"
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/half")
        assert client.get("/who").text == "None"
