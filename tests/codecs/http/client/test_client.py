"""The client from outside: asking and waiting, from threads, from asyncio, on loops; beginning and end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import (
    AddressError,
    BlockingOperationError,
    ChannelClosedError,
    EventLoop,
    EventLoopGroup,
    FileRegion,
)
from pipeline_net.codecs import http


def _mirror(request: http.FullRequest) -> http.FullResponse:
    """Answer with the body, and its headers behind x-."""
    headers = [(f"x-{name}", value) for name, value in request.headers.items()]
    return http.FullResponse(200, [*headers, ("x-target", request.target)], request.body)


# -- asking ---------------------------------------------------------------------------------------


def test_what_is_sent_without_saying_anything(echoing: Any, client: http.Client) -> None:
    response = client.get(f"{echoing.url}/a?b#c")
    assert (response.status, response.text, str(response.url)) == (200, "GET /a?b", f"{echoing.url}/a?b")
    assert echoing.seen[0].headers.items() == [
        ("host", f"127.0.0.1:{echoing.port}"),
        ("user-agent", "pipeline_net"),
        ("accept", "*/*"),
        ("accept-encoding", "gzip, deflate"),
    ]


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete"])
def test_verbs(echoing: Any, client: http.Client, verb: str) -> None:
    assert getattr(client, verb)(f"{echoing.url}/x").text == f"{verb.upper()} /x"


def test_head_has_no_body(echoing: Any, client: http.Client) -> None:
    response = client.head(echoing.url)
    assert (response.body, response.headers["content-length"]) == (b"", "6")
    assert client.options_of(echoing.url).text == "OPTIONS /"


def test_bodies(site: Any, client: http.Client, tmp_path: Path) -> None:
    url = site(_mirror).url
    big = bytes(range(256)) * 8000
    path = tmp_path / "file"
    path.write_bytes(big)
    with path.open("rb") as file:
        for given, length in [
            (big, str(len(big))),
            (file, str(len(big))),
            ((big[at : at + 9999] for at in range(0, len(big), 9999)), None),
        ]:
            response = client.post(url, body=given)
            assert response.body == big
            assert response.headers.get("x-content-length") == length
            assert response.headers.get("x-transfer-encoding") == (None if length else "chunked")
        assert client.put(url, body=FileRegion(file, 3, 5)).body == big[3:8]
    response = client.post(url, json={"a": 1})
    assert (response.json(), response.headers["x-content-type"]) == ({"a": 1}, "application/json")
    assert client.post(url, form={"a": "b c"}).text == "a=b+c"
    assert client.post(url).headers["x-content-length"] == "0"


def test_params_and_headers(site: Any) -> None:
    mirror = site(_mirror)
    with http.Client(base_url=f"{mirror.url}/v1", headers={"X-A": "1", "User-Agent": "mine"}) as client:
        response = client.get("items", params={"q": "ä b"}, headers={"x-a": "2"})
        assert response.headers["x-target"] == "/v1/items?q=%C3%A4+b"
        assert response.headers.get_all("x-x-a") == ["2"]
        assert response.headers["x-user-agent"] == "mine"


def test_auth(site: Any) -> None:
    mirror = site(_mirror)
    name = "x-authorization"
    with http.Client(base_url=mirror.url, auth=("a", "b")) as client:
        assert client.get("/").headers[name] == "Basic YTpi"
        assert client.get("/", auth=http.BearerAuth("t")).headers[name] == "Bearer t"
        assert name not in client.get("/", auth=None).headers
        assert client.get("/", headers={"Authorization": "x"}).headers[name] == "x"
        with_user = client.get(mirror.url.replace("//", "//c:d@"))
        assert (with_user.headers[name], str(with_user.url)) == ("Basic Yzpk", f"{mirror.url}/")
        other = site(_mirror)
        assert name not in client.get(other.url).headers, "the base URL's secret is not for others"


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"body": b"", "json": {}}, TypeError),
        ({"body": 5}, TypeError),
        ({"headers": {"a": "b\r\nc: d"}}, Exception),
        ({"timeouts": 5}, TypeError),
        ({"max_body": -1}, ValueError),
        ({"auth": "a:b"}, TypeError),
        ({"headers": {"content-length": "7"}}, ValueError),
    ],
)
def test_mistakes_are_raised_where_they_are_made(client: http.Client, settings: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        client.execute("GET", "http://127.0.0.1:1/", **settings)


@pytest.mark.parametrize("url", ["/relative", "http://a b/", "ftp://a/", "http://a/\r\nX: y"])
def test_urls_that_lead_nowhere(client: http.Client, url: str) -> None:
    with pytest.raises(http.UrlError):
        client.execute("GET", url)


def test_a_limit_for_the_answer(site: Any, client: http.Client) -> None:
    url = site(lambda request: http.FullResponse(200, {}, b"x" * 1000)).url
    assert len(client.get(url, max_body=1000).body) == 1000
    with pytest.raises(http.ResponseTooLargeError, match="limit of 999 bytes"):
        client.get(url, max_body=999)


# -- from where -----------------------------------------------------------------------------------


def test_from_many_threads(echoing: Any, books: Any) -> None:
    found: list[str] = []
    options = http.ClientOptions(max_per_origin=3)
    with http.Client(base_url=echoing.url, options=options) as client:

        def ask(number: int) -> None:
            for each in range(20):
                found.append(client.get(f"/{number}/{each}").text)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert books(client) == (3, 3)
        assert repr(client) == f"<Client of {echoing.url}/: 3 connections, 3 idle>"
    assert sorted(found) == sorted(f"GET /{number}/{each}" for number in range(8) for each in range(20))


def test_from_asyncio(site: Any) -> None:
    async def main() -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(3):
                await asyncio.sleep(0)
                yield b"abc"

        async with http.Client(base_url=site(_mirror).url) as client:
            assert (await client.execute("POST", "/", body=pieces())).body == b"abcabcabc"
            answers = await asyncio.gather(*[client.execute("POST", "/", body=str(n)) for n in range(20)])
            assert [answer.text for answer in answers] == [str(n) for n in range(20)]

            async def broken() -> AsyncIterator[bytes]:
                yield b"a"
                raise LookupError("no more")

            with pytest.raises(LookupError, match="no more"):
                await client.execute("POST", "/", body=broken())
            with pytest.raises(TypeError, match="use execute"):
                client.post("/", body=pieces())
            with pytest.raises(TypeError, match="use async with"), client.stream("POST", "/", body=pieces()):
                raise AssertionError("nobody could read the body")
            async with client.stream("POST", "/", body=pieces()) as response:
                assert b"".join([part async for part in response]) == b"abcabcabc"

    asyncio.run(main())


def test_on_a_loop_nobody_waits(echoing: Any) -> None:
    with EventLoopGroup(2) as loops, http.Client(loops, base_url=echoing.url) as client:
        raised: list[BaseException] = []
        done = threading.Event()

        def wait() -> None:
            for attempt in (lambda: client.get("/"), lambda: client.stream("GET", "/").__enter__()):
                try:
                    attempt()
                except BlockingOperationError as exc:
                    raised.append(exc)
            client.execute("GET", "/").add_done_callback(lambda future: done.set())

        for loop in loops:
            done.clear()
            loop.execute(wait)
            assert done.wait(10)
        assert len(raised) == 4


def test_on_a_loop_that_somebody_drives(echoing: Any) -> None:
    loop = EventLoop()
    try:
        client = http.Client(loop, base_url=echoing.url)
        future = client.execute("GET", "/")
        while not future.done():
            loop.run_once(1.0)
        assert future.result().text == "GET /"
        closed = client.close()
        while not closed.done():
            loop.run_once(1.0)
    finally:
        loop.stop()


def test_unix_sockets(site: Any, tmp_path: Path) -> None:
    unix = site(_mirror, f"unix://{tmp_path}/s")
    with http.Client(address=unix.address) as client:
        assert client.get("http://docker/x").headers["x-host"] == "docker"


def test_inside_one_process(site: Any) -> None:
    site(_mirror, "local://inside")
    with http.Client(address="local://inside") as client:
        assert client.post("http://a/", body=b"x" * 100_000).body == b"x" * 100_000


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"base_url": "a"}, http.UrlError),
        ({"base_url": "http://a/?b"}, http.UrlError),
        ({"address": "nowhere"}, AddressError),
        ({"address": "tls://a:1"}, ValueError),
        ({"address": "tcp://a:1", "proxy": "http://p"}, ValueError),
        ({"proxy": "socks5://p"}, http.UrlError),
        ({"tls": 5}, TypeError),
        ({"auth": 5}, TypeError),
    ],
)
def test_impossible_clients(settings: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        http.Client(**settings)


# -- the end --------------------------------------------------------------------------------------


def test_a_closed_client_takes_no_more(echoing: Any) -> None:
    client = http.Client(base_url=echoing.url)
    client.get("/")
    client.close().result()
    client.close().result()
    assert client.is_closed
    assert repr(client) == f"<Client of {echoing.url}/: closed>"
    with pytest.raises(ChannelClosedError, match="is closed"):
        client.get("/")


def test_closing_waits_for_what_is_under_way(scripted: Callable[..., Any]) -> None:
    closing = threading.Event()

    def behaviour(peer: Any) -> None:
        peer.head()
        assert closing.wait(10)
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        peer.wait_for_end()

    client = http.Client()
    future = client.execute("GET", scripted(behaviour).url)
    closed = client.close()
    with pytest.raises(TimeoutError):
        closed.result(0.02)
    closing.set()
    assert future.result(10).text == "ok"
    closed.result(10)


def test_closing_does_not_wait_for_ever(scripted: Callable[..., Any]) -> None:
    options = http.ClientOptions(close_timeout=0.05)
    client = http.Client(options=options)
    future = client.execute("GET", scripted(lambda peer: peer.wait_for_end()).url)
    client.close().result(10)
    with pytest.raises(ChannelClosedError):
        future.result(10)


def test_when_its_loops_end_nobody_waits_for_ever(scripted: Callable[..., Any]) -> None:
    url = scripted(lambda peer: peer.wait_for_end()).url
    with EventLoopGroup(1) as loops:
        client = http.Client(loops, options=http.ClientOptions(max_per_origin=1))
        futures = [client.execute("GET", url) for _ in range(3)]
    for future in futures:
        with pytest.raises((ChannelClosedError, http.HttpClientError)):
            future.result(10)
    with pytest.raises(ChannelClosedError):
        client.execute("GET", url).result(10)


def test_idle_connections_do_not_keep_a_group_from_ending(scripted: Callable[..., Any]) -> None:
    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        peer.wait_for_end()

    loops = EventLoopGroup(1)
    http.Client(loops).get(scripted(behaviour).url)
    started = time.monotonic()
    loops.shutdown(10.0)
    assert time.monotonic() - started < 5


def test_cancelling_frees_the_place(scripted: Callable[..., Any]) -> None:
    def behaviour(peer: Any) -> None:
        if "/slow" in peer.head():
            peer.wait_for_end()
        else:
            peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    server = scripted(behaviour)
    with http.Client(base_url=server.url, options=http.ClientOptions(max_per_origin=1)) as client:
        slow = client.execute("GET", "/slow")
        waiting = client.execute("GET", "/waiting")
        quick = client.execute("GET", "/quick")
        assert waiting.cancel()
        assert slow.cancel()
        assert quick.result(10).text == "ok"

        async def main() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.execute("GET", "/slow"), 0.02)
            assert (await client.execute("GET", "/quick")).text == "ok"

        asyncio.run(main())


def test_who_never_says_https_does_not_pay_for_it() -> None:
    code = (
        "import sys; from pipeline_net.codecs import http\n"
        "found = {'ssl', 'asyncio', 'http.cookiejar', 'urllib.request', 'http.client'} & set(sys.modules)\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


@pytest.mark.parametrize("timeout", [5, None, (3, 5)])
def test_a_timeout_as_other_clients_have_it_is_told_what_it_is_called_here(client: http.Client, timeout: Any) -> None:
    unknown: Any = {"timeout": timeout}
    for ask in (
        lambda: client.get("http://127.0.0.1:1/", **unknown),
        lambda: client.execute("GET", "http://127.0.0.1:1/", **unknown),
        lambda: client.stream("GET", "http://127.0.0.1:1/", **unknown),
        lambda: http.Client(**unknown),
    ):
        with pytest.raises(TypeError, match=r"timeouts=Timeouts\(total=5\)"):
            ask()


def test_a_url_in_the_place_of_the_loops_is_told_where_it_belongs() -> None:
    url: Any = "http://127.0.0.1:1"
    with pytest.raises(TypeError, match=r"loops are an EventLoopGroup or an EventLoop, not .*: a URL is base_url=…"):
        http.Client(url)
