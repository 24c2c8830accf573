"""The ASGI stage on the wire: raw applications, raw clients, on asyncio and on uvloop."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pipeline_net import EventLoop, ServerBootstrap
from pipeline_net.codecs.http import Limits
from pipeline_net.codecs.http.proxies import TrustedProxies
from pipeline_net.gateways.asgi import AsgiHandler, asgi_stack
from pipeline_net.gateways.asgi_server import AsgiOptions
from pipeline_net.gateways.asgi_site import AsgiSite
from pipeline_net.testing import EmbeddedChannel

from .conftest import Message, Receive, Send, body_of, serving, without_date

Run = Callable[[Awaitable[Any]], Any]

HELLO = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def hello(scope: Message, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send(HELLO)
        await send({"type": "http.response.body", "body": b"hello"})


def http_only(app: Any) -> Any:
    """Let an application say that it knows no lifespan."""

    async def wrapped(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"what is {scope['type']}?")
        await app(scope, receive, send)

    return wrapped


async def _echo(scope: Message, receive: Receive, send: Send) -> None:
    """Send back what comes, as it comes."""
    await send(HELLO)
    more = True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


echo = http_only(_echo)


def test_a_response_in_one_piece_has_its_length(run: Run) -> None:
    async def main() -> None:
        async with serving(hello) as asgi:
            assert await asgi.get() == (
                b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello"
            )

    run(main())


def test_a_response_in_several_pieces_is_chunked(run: Run) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(HELLO)
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"two", "more_body": True})
        await send({"type": "http.response.body"})

    async def main() -> None:
        async with serving(http_only(app)) as asgi:
            answer = await asgi.get()
            assert b"transfer-encoding: chunked" in answer
            assert body_of(answer) == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"

    run(main())


def test_requests_of_one_connection_are_answered_one_after_the_other(run: Run) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await asyncio.sleep(0.01)
        await send(HELLO)
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    async def main() -> None:
        async with serving(http_only(app)) as asgi:
            targets = ["/a", "/slow", "/b", "/slow", "/slow", "/c"]
            requests = [f"GET {target} HTTP/1.1\r\nhost: x\r\n\r\n" for target in targets]
            requests[-1] = requests[-1].replace("host: x", "host: x\r\nconnection: close")
            answer = await asgi.ask("".join(requests).encode())
            bodies = [part.partition(b"\r\n\r\n")[2].decode() for part in answer.split(b"HTTP/1.1 200 OK")[1:]]
            assert bodies == targets

    run(main())


def test_ten_thousand_pipelined_requests_do_not_recurse(run: Run) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] == "/later":
            await asyncio.sleep(0)
        await send(HELLO)
        await send({"type": "http.response.body", "body": b"x"})

    async def main() -> None:
        async with serving(http_only(app)) as asgi:
            for target in ("/", "/later"):
                request = f"GET {target} HTTP/1.1\r\nhost: x\r\n\r\n".encode()
                reader, writer = await asgi.open()
                writer.write(request * 10_000)
                count = 0
                while count < 10_000:
                    count += (await reader.readuntil(b"\r\n\r\nx")).startswith(b"HTTP/1.1 200 OK")
                writer.close()

    run(main())


def test_the_scope_says_what_was_asked(run: Run) -> None:
    scopes: list[Message] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await hello(scope, receive, send)

    async def main() -> int:
        async with serving(http_only(app), AsgiOptions(root_path="/api")) as asgi:
            await asgi.get("/a%20b/%C3%A4?x=%20&y", "X-Twice: 1", "X-Twice: 2")
            await asgi.ask(b"OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            await asgi.ask(b"GET http://x/there?q HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            await asgi.ask(b"GET http://x HTTP/1.0\r\nhost: x\r\n\r\n")
            return asgi.port

    port = run(main())
    first, options, absolute, old = scopes
    client, server, state = first.pop("client"), first.pop("server"), first.pop("state")
    assert first == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/api/a b/ä",
        "raw_path": b"/a%20b/%C3%A4",
        "query_string": b"x=%20&y",
        "root_path": "/api",
        "headers": [(b"host", b"x"), (b"connection", b"close"), (b"x-twice", b"1"), (b"x-twice", b"2")],
        "extensions": {"http.response.trailers": {}, "http.response.early_hint": {}, "http.response.pathsend": {}},
    }
    assert (client[0], server, state) == ("127.0.0.1", ("127.0.0.1", port), {})
    assert options["raw_path"] == b"*"
    assert (absolute["raw_path"], absolute["query_string"]) == (b"/there", b"q")
    assert (old["raw_path"], old["http_version"]) == (b"/", "1.0")


def test_after_the_response_receive_says_disconnect_and_send_is_ignored(run: Run) -> None:
    told: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        waiting: asyncio.Task[Message] = asyncio.create_task(receive())  # type: ignore[arg-type]  # a coroutine, as here
        await asyncio.sleep(0)
        assert (await waiting)["type"] == "http.request"
        waiting = asyncio.create_task(receive())  # type: ignore[arg-type]  # likewise
        await asyncio.sleep(0)
        await hello(scope, receive, send)
        await send({"type": "http.response.body", "body": b"more"})
        told.append((await waiting)["type"])
        told.append((await receive())["type"])

    async def main() -> None:
        async with serving(http_only(app)) as asgi:
            assert body_of(await asgi.get()) == b"hello"
            assert told == ["http.disconnect", "http.disconnect"]

    run(main())


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize(
    ("fails", "wire"),
    [
        ("at once", b"500"),
        ("after start", b"500"),
        ("returns", b"500"),
        ("returns after start", b"500"),
        ("midway", b"cut"),
        ("returns midway", b"cut"),
    ],
)
def test_an_application_that_fails_is_a_500_or_a_cut_and_a_line_in_the_log(
    run: Run, caplog: pytest.LogCaptureFixture, fails: str, wire: bytes, version: bytes
) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if "start" in fails or "midway" in fails:
            await send(HELLO)
        if "midway" in fails:
            await send({"type": "http.response.body", "body": b"some", "more_body": True})
            await asyncio.sleep(0.01)
        if not fails.startswith("returns"):
            raise ValueError("this is broken")

    async def main() -> None:
        async with serving(http_only(app)) as asgi:
            request = b"GET /a HTTP/%b\r\nhost: x\r\n\r\n" % version
            if wire == b"500":
                answer = await asgi.ask(request)
                assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
                assert b"connection: close\r\n" in answer
            elif version == b"1.1":
                answer = await asgi.ask(request)
                assert answer.endswith(b"4\r\nsome\r\n")  # and no last chunk
            else:
                with pytest.raises(ConnectionResetError):
                    await asgi.ask(request)

    with caplog.at_level(logging.ERROR, "pipeline_net.asgi"):
        run(main())
    (record,) = caplog.records
    assert "/a" in record.getMessage()
    assert (record.exc_info is not None) == (not fails.startswith("returns"))


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([{"type": "http.response.body"}], "http.response.start"),
        ([HELLO, HELLO], "http.response.body"),
        ([{"type": "nonsense"}], "nonsense"),
        ([{**HELLO, "status": 101}], "from 200 to 999"),
        ([{**HELLO, "status": "200"}], "from 200 to 999"),
        ([{**HELLO, "headers": [(b"a", b"b\r\nc: d")]}], "control character"),
        ([{**HELLO, "headers": [(b"a b", b"c")]}], "token"),
        ([HELLO, {"type": "http.response.body", "body": "text"}], "is bytes"),
        (
            [{**HELLO, "headers": [(b"content-length", b"3")]}, {"type": "http.response.body", "body": b"four"}],
            "Content-Length says 3",
        ),
    ],
)
def test_what_cannot_be_sent_is_told_to_who_sends_it(run: Run, messages: list[Message], said: str) -> None:
    raised: list[Exception] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        try:
            for message in messages:
                await send(message)
        except Exception as exc:
            raised.append(exc)
            raise

    async def main() -> None:
        async with serving(http_only(app)) as asgi:
            assert (await asgi.get()).startswith(b"HTTP/1.1 500")

    run(main())
    assert said in str(raised[0])


@pytest.mark.parametrize(
    ("status", "method", "wire"),
    [
        (204, "GET", b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"),
        (304, "GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\nconnection: close\r\n\r\n"),
        (200, "HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\n"),
        (205, "GET", b"HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_responses_without_a_body_have_none(run: Run, status: int, method: str, wire: bytes, streamed: bool) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"4"), (b"transfer-encoding", b"chunked"), (b"connection", b"keep-alive")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"body", "more_body": streamed})
        if streamed:
            await send({"type": "http.response.body"})

    async def main() -> None:
        async with serving(http_only(app)) as asgi:
            assert await asgi.get(method=method) == wire

    run(main())


def test_100_continue_is_sent_when_the_application_wants_the_body(run: Run) -> None:
    async def main() -> None:
        async with serving(echo) as asgi:
            reader, writer = await asgi.open()
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"body")
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
            writer.close()
        async with serving(hello) as asgi:  # does not want it
            head = b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n"
            assert (await asgi.ask(head)).startswith(b"HTTP/1.1 200 OK\r\n")

    run(main())


def test_trailers_and_early_hints_travel(run: Run) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
        await send({**HELLO, "trailers": True})
        await send({"type": "http.response.body", "body": b"hello"})
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"5")], "more_trailers": True})
        await send({"type": "http.response.trailers", "headers": [(b"x-more", b"6")]})

    async def main() -> None:
        async with serving(http_only(app)) as asgi:
            answer = await asgi.get()
            assert answer.startswith(
                b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n"
            )
            assert answer.endswith(b"5\r\nhello\r\n0\r\nx-sum: 5\r\nx-more: 6\r\n\r\n")

    run(main())


@pytest.mark.parametrize(
    ("request_head", "said"),
    [
        (
            b"GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
            b"WebSocket is not spoken here",
        ),
        (b"CONNECT x:80 HTTP/1.1\r\nhost: x:80\r\n\r\n", b"tunnels"),
    ],
)
def test_websocket_and_tunnels_are_refused(run: Run, request_head: bytes, said: bytes) -> None:
    async def main() -> None:
        async with serving(hello) as asgi:
            answer = await asgi.ask(request_head)
            assert answer.startswith(b"HTTP/1.1 501 Not Implemented\r\n")
            assert said in answer

    run(main())


def test_other_upgrades_are_not_taken_up(run: Run) -> None:
    async def main() -> None:
        async with serving(hello) as asgi:
            head = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n"
            assert (await asgi.ask(head)).startswith(b"HTTP/1.1 200 OK\r\n")

    run(main())


def test_forwarded_headers_count_from_trusted_peers_only(run: Run) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(HELLO)
        await send({"type": "http.response.body", "body": f"{scope['client'][0]} {scope['scheme']}".encode()})

    async def main() -> None:
        headers = ("x-forwarded-for: 192.0.2.1, 198.51.100.7", "x-forwarded-proto: https")
        async with serving(http_only(app)) as asgi:
            assert body_of(await asgi.get("/", *headers)) == b"127.0.0.1 http"
        async with serving(http_only(app), AsgiOptions(proxies=TrustedProxies("127.0.0.0/8"))) as asgi:
            assert body_of(await asgi.get("/", *headers)) == b"198.51.100.7 https"

    run(main())


def test_the_stage_wants_the_thread_of_its_asyncio_loop(caplog: pytest.LogCaptureFixture) -> None:
    async def make_site() -> AsgiSite:
        return AsgiSite(hello)

    site = asyncio.run(make_site())
    loop = EventLoop()
    loop.start()
    try:
        server = ServerBootstrap(loop, initializer=lambda channel: asgi_stack(site)).bind("tcp://127.0.0.1:0")
        port = int(server.addresses[0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            assert client.recv(10) == b""
    finally:
        loop.stop()
    assert "AsyncioHost" in caplog.text


def test_several_requests_at_a_time_are_refused_at_construction() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="max_pipelined must be 1"):
            asgi_stack(AsgiSite(hello), limits=Limits(max_pipelined=2))

    asyncio.run(main())


def test_a_message_of_somebody_else_passes() -> None:
    async def main() -> None:
        channel = EmbeddedChannel(AsgiHandler(AsgiSite(hello)))
        channel.write_inbound("text")
        assert channel.read_inbound() == "text"
        channel.finish()

    asyncio.run(main())


def test_the_helper_drops_dates_only() -> None:
    assert without_date(b"a: b\r\ndate: now\r\n\r\nx") == b"a: b\r\n\r\nx"
