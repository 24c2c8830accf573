"""Proxies that are spoken to by TLS: what is in the clear inside it, and TLS inside TLS."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline_net.codecs import http
from pipeline_net.handlers import ClientTls

from .test_opening import _tunnel, _who

Front = Callable[[int], str]


@pytest.fixture
def tls_front(certificates: Any) -> Iterator[Front]:
    """``tls_front(port)`` is the URL of a TLS server of asyncio's, which passes everything on to a port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="front")
    thread.start()
    relays: set[Any] = set()

    async def pass_on(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                to.write(data)
                await to.drain()
        except OSError:
            pass
        finally:
            to.close()

    async def serve(port: int) -> Any:
        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            relays.add(asyncio.current_task())
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pass_on(reader, far_writer), pass_on(far_reader, writer))

        return await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)

    servers: list[Any] = []

    def front(port: int) -> str:
        servers.append(asyncio.run_coroutine_threadsafe(serve(port), loop).result(10))
        return f"https://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}"

    async def end() -> None:
        for server in servers:
            server.close()
        if relays:
            await asyncio.wait(relays, timeout=10)
        await asyncio.sleep(0)

    yield front
    asyncio.run_coroutine_threadsafe(end(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def _client(certificates: Any, proxy: str, **settings: Any) -> http.Client:
    return http.Client(proxy=proxy, tls=ClientTls(ca=certificates.authority), **settings)


def test_what_is_not_encrypted_itself_goes_to_the_proxy_as_it_is(
    echoing: Any, tls_front: Front, certificates: Any
) -> None:
    with _client(certificates, tls_front(echoing.port)) as client:
        for _ in range(2):
            assert client.get("http://example.org/a").text == "GET http://example.org/a"
    assert [request.headers["host"] for request in echoing.seen] == ["example.org"] * 2


def test_tls_inside_tls(scripted: Any, site: Any, tls_front: Front, certificates: Any, books: Any) -> None:
    server = site(_who, tls=certificates.server)
    behaviour = _tunnel(server.port)
    proxy = tls_front(scripted(behaviour).port).replace("//", "//us:er@")
    url = f"https://localhost:{server.port}"
    with _client(certificates, proxy) as client:
        for _ in range(3):
            assert client.get(f"{url}/a").text.startswith("GET /a [")
        assert len(client.post(url, body=b"x" * 1_000_000).body) > 0
        assert books(client) == (1, 1)
    authority = f"localhost:{server.port}"
    assert behaviour.heads == [  # type: ignore[attr-defined]  # see _tunnel
        f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\nproxy-authorization: Basic dXM6ZXI="
    ]


def test_a_large_answer_comes_through_both(scripted: Any, site: Any, tls_front: Front, certificates: Any) -> None:
    body = bytes(range(256)) * 20_000
    server = site(lambda request: http.FullResponse(200, None, body), tls=certificates.server)
    with _client(certificates, tls_front(scripted(_tunnel(server.port)).port)) as client:
        assert client.get(f"https://localhost:{server.port}/").body == body


def test_a_proxy_must_be_who_it_says(scripted: Any, tls_front: Front, site: Any, certificates: Any) -> None:
    behaviour = _tunnel(1)
    proxy = tls_front(scripted(behaviour).port)
    for url in ("https://localhost:1/", "http://localhost:1/"):
        with http.Client(proxy=proxy) as client, pytest.raises(http.ProxyError, match="certificate") as caught:
            client.get(url)
        assert caught.value.status == 0
    assert behaviour.heads == []  # type: ignore[attr-defined]  # see _tunnel


def test_the_server_behind_it_must_be_who_it_says(
    scripted: Any, site: Any, tls_front: Front, certificates: Any
) -> None:
    server = site(_who, tls=certificates.server)
    proxy = tls_front(scripted(_tunnel(server.port)).port)
    with _client(certificates, proxy) as client, pytest.raises(http.ConnectError, match="no connection: "):
        client.get(f"https://127.0.0.2:{server.port}/")  # no name of the certificate
    assert server.seen == []


def test_a_proxy_that_refuses(scripted: Any, tls_front: Front, certificates: Any) -> None:
    refuses = scripted(_tunnel(1, b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"))
    with _client(certificates, tls_front(refuses.port)) as client, pytest.raises(http.ProxyError) as caught:
        client.get("https://localhost:1/")
    assert caught.value.status == 407


def test_a_proxy_that_does_not_shake_hands(scripted: Any) -> None:
    silent = scripted(lambda peer: peer.wait_for_end())
    with http.Client(proxy=f"https://127.0.0.1:{silent.port}") as client:
        for url in ("https://localhost:1/", "http://localhost:1/"):
            with pytest.raises(http.RequestTimeoutError, match="'tls'"):
                client.get(url, timeouts=http.Timeouts(tls=0.05))


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_goes_the_same_way(scripted: Any, site: Any, tls_front: Front, certificates: Any) -> None:
    server = site(_who, tls=certificates.server)
    behaviour = _tunnel(server.port)
    proxy = tls_front(scripted(behaviour).port)
    url = f"https://localhost:{server.port}/"
    trust = ("--cacert", certificates.authority, "--proxy-cacert", certificates.authority)
    done = subprocess.run(["curl", "-sS", *trust, "--proxy", proxy, url], capture_output=True, timeout=30, check=True)
    assert done.stdout.startswith(b"GET / [")
    assert behaviour.heads[0].startswith(f"CONNECT localhost:{server.port} HTTP/1.1")  # type: ignore[attr-defined]  # see _tunnel
