"""Applications of Starlette, Django and Flask, with httpx for a client: hello, streaming, uploads, background work."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import django
import flask
import httpx
import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path as django_path
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from pipeline_net.gateways.asgi_server import AsgiOptions

from .conftest import Asgi, serving, serving_wsgi

Run = Callable[[Awaitable[Any]], Any]

_UPLOAD = bytes(range(256)) * 4096  # a mebibyte


@contextlib.asynccontextmanager
async def _client(asgi: Asgi) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{asgi.port}", timeout=20, trust_env=False) as client:
        yield client


def _blocking_client(port: int) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False)


class _Shop:
    """A Starlette application that uses what people use."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.background = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/", self.hello),
                Route("/sync", self.sync),
                Route("/stream", self.stream),
                Route("/upload", self.upload, methods=["POST"]),
                Route("/form", self.form, methods=["POST"]),
                Route("/background", self.in_background),
                Route("/timeout", self.timeout),
                Route("/group", self.group),
                Route("/broken", self.broken),
                Route("/endless", self.endless),
                Mount("/sub", routes=[Route("/state", self.state)]),
            ],
            lifespan=self.lifespan,
        )

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[dict[str, str]]:
        self.events.append("startup")
        yield {"color": "red"}
        self.events.append("shutdown")

    async def hello(self, request: Request) -> Response:
        return PlainTextResponse("hello")

    def sync(self, request: Request) -> Response:
        return PlainTextResponse(threading.current_thread().name)

    async def stream(self, request: Request) -> Response:
        async def pieces() -> AsyncIterator[str]:
            for number in range(100):
                await asyncio.sleep(0)
                yield f"{number} "

        return StreamingResponse(pieces())

    async def upload(self, request: Request) -> Response:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
        return JSONResponse({"size": size})

    async def form(self, request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    async def in_background(self, request: Request) -> Response:
        async def work() -> None:
            await asyncio.sleep(0.01)
            self.background.set()

        return PlainTextResponse("later", background=BackgroundTask(work))

    async def timeout(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(60)
        except TimeoutError:
            return PlainTextResponse("timed out")
        raise AssertionError("the timeout has not come")

    async def group(self, request: Request) -> Response:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0, number)) for number in range(3)]
        return JSONResponse([task.result() for task in tasks])

    async def broken(self, request: Request) -> Response:
        raise ValueError("this is broken")

    async def endless(self, request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            while True:
                yield bytes(65536)

        return StreamingResponse(pieces())

    async def state(self, request: Request) -> Response:
        return PlainTextResponse(f"{request.state.color} {request.url.path}")


def test_starlette(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        shop = _Shop()
        async with serving(shop.app) as asgi, _client(asgi) as client:
            assert (await client.get("/")).text == "hello"
            assert (await client.head("/")).headers["content-length"] == "5"
            assert (await client.get("/nowhere")).status_code == 404
            assert "thread" in (await client.get("/sync")).text.lower()
            assert (await client.get("/stream")).text == "".join(f"{number} " for number in range(100))
            assert (await client.post("/upload", content=_UPLOAD)).json() == {"size": len(_UPLOAD)}
            assert (await client.post("/form", content=_UPLOAD)).text == str(len(_UPLOAD))
            assert (await client.get("/background")).text == "later"
            assert not shop.background.is_set()
            assert (await client.get("/")).text == "hello"  # the connection does not wait for it
            await shop.background.wait()
            assert (await client.get("/timeout")).text == "timed out"
            assert (await client.get("/group")).json() == [0, 1, 2]
            assert (await client.get("/sub/state")).text == "red /sub/state"
            assert (await client.get("/broken")).status_code == 500
            async with client.stream("GET", "/endless") as response:
                assert response.status_code == 200
        assert shop.events == ["startup", "shutdown"]

    run(main())
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ValueError]  # and no disconnects


def test_starlette_under_a_root_path(run: Run) -> None:
    async def main() -> None:
        async with serving(_Shop().app, AsgiOptions(root_path="/api")) as asgi, _client(asgi) as client:
            assert (await client.get("/sub/state")).text == "red /api/sub/state"

    run(main())


def test_starlette_middleware_that_wraps_receive_and_send(run: Run) -> None:
    class Counting(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Response:
            body = await request.body()
            response: Response = await call_next(request)
            response.headers["x-size"] = str(len(body))
            return response

    async def echo(request: Request) -> Response:
        return Response(await request.body())

    async def main() -> None:
        app = Starlette(routes=[Route("/", echo, methods=["POST"])], middleware=[Middleware(Counting)])
        async with serving(app) as asgi, _client(asgi) as client:
            response = await client.post("/", content=_UPLOAD)
            assert response.content == _UPLOAD
            assert response.headers["x-size"] == str(len(_UPLOAD))

    run(main())


def test_a_client_that_breaks_off_its_upload_is_told_to_starlette(run: Run) -> None:
    told: list[type] = []

    async def upload(request: Request) -> Response:
        try:
            await request.body()
        except ClientDisconnect as exc:
            told.append(type(exc))
        return PlainTextResponse("too late")

    async def main() -> None:
        async with serving(Starlette(routes=[Route("/", upload, methods=["POST"])])) as asgi:
            _, writer = await asgi.open()
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nsome")
            await writer.drain()
            while not len(asgi.server.channels):
                await asyncio.sleep(0.001)
            writer.transport.abort()
            while not told:
                await asyncio.sleep(0.001)

    run(main())
    assert told == [ClientDisconnect]


# -- Django ---------------------------------------------------------------------------------------------


def _django_hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"hello {request.path}")


def _django_upload(request: HttpRequest) -> HttpResponse:
    size = 0
    while block := request.read(65536):
        size += len(block)
    return HttpResponse(str(size))


def _django_stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(str(number).encode() for number in range(10))


async def _django_async(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0)
    return HttpResponse("async", status=200)


def _django_empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


urlpatterns = [
    django_path("", _django_hello),
    django_path("upload", _django_upload),
    django_path("stream", _django_stream),
    django_path("async", _django_async),
    django_path("empty", _django_empty),
]


@pytest.fixture
def django_is_set_up() -> None:
    if not settings.configured:
        settings.configure(
            DEBUG=False,
            SECRET_KEY="tests",
            ALLOWED_HOSTS=["*"],
            ROOT_URLCONF=__name__,
            MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
            LOGGING_CONFIG=None,
            USE_TZ=True,
        )
        django.setup()


def _check_django(get: Callable[[str], httpx.Response], post: Callable[..., httpx.Response]) -> None:
    assert get("/").text == "hello /"
    assert get("/async").text == "async"
    assert get("/empty").status_code == 204
    assert get("/nowhere").status_code == 404
    assert post("/upload", content=_UPLOAD).text == str(len(_UPLOAD))


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators:Warning")
def test_django_on_asgi(run: Run, django_is_set_up: None) -> None:
    async def main() -> None:
        async with serving(ASGIHandler()) as asgi, _client(asgi) as client:
            answers = {name: await client.get(name) for name in ("/", "/async", "/empty", "/nowhere", "/stream")}
            answers["/upload"] = await client.post("/upload", content=_UPLOAD)
            _check_django(answers.__getitem__, lambda name, content: answers[name])
            assert answers["/stream"].text == "0123456789"

    run(main())


def test_django_on_wsgi(django_is_set_up: None) -> None:
    with serving_wsgi(WSGIHandler()) as port, _blocking_client(port) as client:
        _check_django(client.get, client.post)
        assert client.get("/stream").text == "0123456789"
        chunked = client.post("/upload", content=(_UPLOAD[at : at + 1000] for at in range(0, len(_UPLOAD), 1000)))
        assert chunked.text == str(len(_UPLOAD))


# -- Flask ----------------------------------------------------------------------------------------------


def test_flask() -> None:
    app = flask.Flask("shop")

    @app.get("/")
    def hello() -> str:
        return "hello"

    @app.post("/upload")
    def upload() -> dict[str, int]:
        size = 0
        while block := flask.request.stream.read(65536):
            size += len(block)
        return {"size": size}

    @app.get("/stream")
    def stream() -> flask.Response:
        return flask.Response(str(number) for number in range(10))

    @app.get("/file")
    def file() -> flask.Response:
        return flask.send_file(__file__, mimetype="text/plain")

    with serving_wsgi(app) as port, _blocking_client(port) as client:
        assert client.get("/").text == "hello"
        assert client.head("/").headers["content-length"] == "5"
        assert client.post("/upload", content=_UPLOAD).json() == {"size": len(_UPLOAD)}
        chunked = client.post("/upload", content=(_UPLOAD[at : at + 1000] for at in range(0, len(_UPLOAD), 1000)))
        assert chunked.json() == {"size": len(_UPLOAD)}
        assert client.get("/stream").text == "0123456789"
        with open(__file__, encoding="utf-8") as source:
            assert client.get("/file").text == source.read()
