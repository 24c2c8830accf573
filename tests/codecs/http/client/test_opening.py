"""How connections are made: TLS, tunnels, and what goes wrong on the way."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net.codecs import http
from pipeline_net.handlers import ClientTls, ServerTls

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def _who(request: http.FullRequest) -> http.FullResponse:
    return http.FullResponse(200, {}, f"{request.method} {request.target} {request.headers.items()}".encode())


def _tunnel(to: int, answer: bytes = b"HTTP/1.1 200 Go on\r\n\r\n") -> Callable[[Any], None]:
    """Make a proxy that leads everybody to a port of this machine."""

    def behaviour(peer: Any) -> None:
        heads.append(peer.head())
        peer.say(answer)
        if b" 200 " not in answer:
            return
        with socket.create_connection(("127.0.0.1", to)) as server:

            def back() -> None:
                with contextlib.suppress(OSError):
                    while data := server.recv(65536):
                        peer.say(data)

            thread = threading.Thread(target=back)
            thread.start()
            with contextlib.suppress(OSError):
                while data := peer.sock.recv(65536):
                    server.sendall(data)
            with contextlib.suppress(OSError):  # it may have gone by itself
                server.shutdown(socket.SHUT_RDWR)
            thread.join()

    heads: list[str] = []
    behaviour.heads = heads  # type: ignore[attr-defined]  # what the proxy was asked, for the test to see
    return behaviour


# -- TLS ------------------------------------------------------------------------------------------


def test_https(site: Any, certificates: Any, books: Any) -> None:
    server = site(_who, tls=certificates.server)
    with http.Client(tls=ClientTls(ca=certificates.authority)) as client:
        for _ in range(3):
            assert client.get(server.url).text.startswith("GET / [('host', '127.0.0.1:")
        assert books(client) == (1, 1)
        assert client.get(server.url.replace("127.0.0.1", "localhost")).status == 200
        assert len(client.post(server.url, body=b"x" * 1_000_000).body) > 0


def test_a_stranger_is_not_talked_to(site: Any, certificates: Any, client: http.Client) -> None:
    server = site(_who, tls=certificates.server)
    with pytest.raises(http.ConnectError, match=r"no connection: .*certificate") as caught:
        client.get(server.url)
    assert type(caught.value.__cause__).__name__ == "TlsError"
    assert server.seen == []


def test_the_certificate_must_be_for_the_host(site: Any, certificates: Any) -> None:
    server = site(_who, tls=certificates.server)
    with (
        http.Client(address=server.address.replace("tls", "tcp"), tls=ClientTls(ca=certificates.authority)) as client,
        pytest.raises(http.ConnectError, match=r"[Hh]ostname|name|match"),
    ):
        client.get("https://other.example/")
    assert server.seen == []


def test_a_server_that_wants_http_2_is_not_spoken_to(site: Any, certificates: Any) -> None:
    server = site(_who, tls=ServerTls(certificates.server, alpn=["h2"]))
    tls = ClientTls(ca=certificates.authority, alpn=["h2"])
    with http.Client(tls=tls) as client, pytest.raises(http.ConnectError, match="the server has chosen 'h2'"):
        client.get(server.url)


def test_a_server_that_does_not_shake_hands(scripted: Any, certificates: Any) -> None:
    server = scripted(lambda peer: peer.wait_for_end())
    with http.Client() as client, pytest.raises(http.RequestTimeoutError, match="'tls'"):
        client.get(f"https://127.0.0.1:{server.port}/", timeouts=http.Timeouts(tls=0.05))


def test_a_server_that_speaks_plain_text(scripted: Any, client: http.Client) -> None:
    server = scripted(lambda peer: peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with pytest.raises(http.ConnectError):
        client.get(f"https://127.0.0.1:{server.port}/")


def test_a_body_that_ends_without_a_goodbye_is_no_body(scripted: Any, certificates: Any) -> None:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server)

    def behaviour(peer: Any) -> None:
        with context.wrap_socket(peer.sock, server_side=True, suppress_ragged_eofs=True) as tls:
            tls.recv(65536)
            tls.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
            peer.sock = socket.socket(fileno=tls.detach())  # and no close_notify

    server = scripted(behaviour)
    with http.Client(tls=ClientTls(ca=certificates.authority)) as client, pytest.raises(http.ResponseError):
        client.get(f"https://127.0.0.1:{server.port}/")


# -- TCP ------------------------------------------------------------------------------------------


def test_nobody_listens(client: http.Client) -> None:
    with pytest.raises(http.ConnectError, match=r"http://127.0.0.1:1/x: no connection: .*Connection refused") as caught:
        client.get("http://127.0.0.1:1/x")
    assert caught.value.__cause__ is not None


def test_nobody_has_that_name(client: http.Client) -> None:
    with pytest.raises(http.ConnectError, match="no connection"):
        client.get("http://nobody.invalid/")


def test_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        port = deaf.getsockname()[1]
        full = [socket.socket() for _ in range(4)]
        for sock in full:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        try:
            with http.Client() as client, pytest.raises(http.RequestTimeoutError, match="'connect'"):
                client.get(f"http://127.0.0.1:{port}/", timeouts=http.Timeouts(connect=0.1))
        finally:
            for sock in full:
                sock.close()


# -- proxies --------------------------------------------------------------------------------------


def test_a_proxy_for_http_gets_the_whole_url(scripted: Any) -> None:
    heads: list[str] = []

    def behaviour(peer: Any) -> None:
        while head := peer.head():
            heads.append(head)
            peer.say(OK)

    proxy = scripted(behaviour)
    with http.Client(proxy=f"http://us:er@127.0.0.1:{proxy.port}") as client:
        assert client.get("http://one.invalid/a?b").text == "ok"
        assert client.get("http://two.invalid:81/").text == "ok"
    assert [head.splitlines()[0] for head in heads] == [
        "GET http://one.invalid/a?b HTTP/1.1",
        "GET http://two.invalid:81/ HTTP/1.1",
    ]
    assert "proxy-authorization: Basic dXM6ZXI=" in heads[0]
    assert proxy.connections == 1, "one connection serves all"


def test_a_tunnel_for_https(scripted: Any, site: Any, certificates: Any) -> None:
    server = site(_who, tls=certificates.server)
    behaviour = _tunnel(server.port)
    proxy = scripted(behaviour)
    tls = ClientTls(ca=certificates.authority)
    with http.Client(proxy=f"http://us:er@127.0.0.1:{proxy.port}", tls=tls) as client:
        for _ in range(2):
            text = client.get(f"https://localhost:{server.port}/x", headers={"Proxy-Authorization": "Basic y"}).text
            assert text.startswith("GET /x ")
            assert "proxy-authorization" not in text.lower()
    authority = f"localhost:{server.port}"
    assert behaviour.heads == [  # type: ignore[attr-defined]  # see _tunnel
        "\r\n".join([f"CONNECT {authority} HTTP/1.1", f"host: {authority}", "proxy-authorization: Basic dXM6ZXI="])
    ]


@pytest.mark.parametrize("status", [407, 403, 502, 302])
def test_a_proxy_that_refuses(scripted: Any, status: int) -> None:
    proxy = scripted(_tunnel(1, b"HTTP/1.1 %d No\r\nLocation: http://evil/\r\nContent-Length: 2\r\n\r\nno" % status))
    with http.Client(proxy=proxy.url) as client, pytest.raises(http.ProxyError) as caught:
        client.get("https://a.invalid/")
    assert caught.value.status == status
    assert f"answered {status} No to CONNECT" in str(caught.value)


def test_a_proxy_that_speaks_for_the_server(scripted: Any) -> None:
    proxy = scripted(lambda peer: (peer.head(), peer.say(b"HTTP/1.1 200 OK\r\n\r\n" + OK), peer.wait_for_end()))
    with http.Client(proxy=proxy.url) as client, pytest.raises(http.HttpClientError):
        client.get("https://a.invalid/")


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0\r\n", b"HTTP/1.1 2"])
def test_a_proxy_that_is_none(scripted: Any, answer: bytes) -> None:
    proxy = scripted(lambda peer: (peer.head(), peer.say(answer)))
    with http.Client(proxy=proxy.url) as client, pytest.raises(http.ProxyError, match="no way through the proxy"):
        client.get("https://a.invalid/")


def test_a_proxy_that_is_silent(scripted: Any) -> None:
    proxy = scripted(lambda peer: peer.wait_for_end())
    with http.Client(proxy=proxy.url) as client, pytest.raises(http.RequestTimeoutError, match="'tls'"):
        client.get("https://a.invalid/", timeouts=http.Timeouts(tls=0.05))


def test_a_proxy_that_is_not_there() -> None:
    with http.Client(proxy="http://127.0.0.1:1") as client:
        for url in ("http://a.invalid/", "https://a.invalid/"):
            with pytest.raises(http.ProxyError, match=r"no way through the proxy http://127.0.0.1:1/"):
                client.get(url)


def test_the_server_behind_a_tunnel_must_be_who_it_says(scripted: Any, site: Any, certificates: Any) -> None:
    proxy = scripted(_tunnel(site(_who, tls=certificates.server).port))
    with (
        http.Client(proxy=proxy.url, tls=ClientTls(ca=certificates.authority)) as client,
        pytest.raises(http.ConnectError, match="no connection"),
    ):
        client.get("https://other.example/")


def test_the_environment_names_the_proxy(scripted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def behaviour(peer: Any) -> None:
        peer.head()
        peer.say(OK)

    proxy = scripted(behaviour)
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.Client() as client:
        assert client.get("http://a.invalid/").text == "ok"
        with pytest.raises(http.ConnectError):
            client.get("http://127.0.0.1:1/")
    with http.Client(proxy=None) as client, pytest.raises(http.ConnectError):
        client.get("http://a.invalid/")
