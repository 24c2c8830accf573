"""Our servers behind nginx: kept connections, uploads that are not buffered, large bodies, and who the client is."""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, Never

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, EventLoopGroup, ServerBootstrap
from pipeline_net.bootstrap import Server
from pipeline_net.codecs import http as web
from pipeline_net.codecs.http.proxies import TrustedProxies
from pipeline_net.gateways.wsgi_server import WsgiOptions
from pipeline_net.handlers import ProxyProtocolDecoder, client_of

from .conftest import serving_wsgi

StartNginx = Callable[..., Any]

_LARGE = bytes(range(256)) * (20 * 4096)  # 20 MiB
_PASS = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass http://ours;'


class Mirror(ChannelInboundHandler[web.RequestPart, Never, web.ResponsePart]):
    """Says what it was asked, and what came with it; /large and /trailers are what they say."""

    def __init__(self) -> None:
        self._request = web.Request("GET", "/")
        self._body = hashlib.sha256()
        self._pieces = 0

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, web.Request):
            self._request, self._body, self._pieces = msg, hashlib.sha256(), 0
        elif isinstance(msg, web.Data):
            data: Any = msg.data
            self._body.update(data)
            self._pieces += 1
        else:
            self._answer(ctx)

    def _answer(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        request = self._request
        if request.path == "/large":
            ctx.write(web.FullResponse(200, None, _LARGE))
        elif request.path == "/trailers":
            for part in (web.Response(200, {"trailer": "sum"}), web.Data(b"hello"), web.End({"sum": "7"})):
                ctx.write(part)
        else:
            facts = {
                "method": request.method,
                "sha": self._body.hexdigest(),
                "pieces": self._pieces,
                "headers": dict(request.headers.items()),
                "client": client_of(ctx.channel)[0],
            }
            ctx.write(web.FullResponse(200, None, json.dumps(facts).encode()))


class Ours:
    """A server, and how many connections it was sent."""

    def __init__(self, group: EventLoopGroup) -> None:
        self.connections = 0
        bootstrap = ServerBootstrap(group, initializer=self._stages)
        self.server: Server = bootstrap.bind("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
        self.port, self.proxied_port = (int(address.rpartition(":")[2]) for address in self.server.addresses)

    def _stages(self, channel: Any) -> Any:
        self.connections += 1
        stack: Any = web.server_stack(limits=web.Limits(max_body=64 << 20)) >> Mirror()
        if channel.local_address[1] == self.proxied_port:
            return [ProxyProtocolDecoder(["127.0.0.1"]), *stack.handlers]
        return stack

    @property
    def upstream(self) -> str:
        return f"upstream ours {{ server 127.0.0.1:{self.port}; keepalive 4; }}"


@pytest.fixture
def ours() -> Iterator[Ours]:
    with EventLoopGroup(1) as group:
        yield Ours(group)


def _connect(nginx: Any) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=20)


def test_requests_of_many_methods_over_one_kept_connection(start_nginx: StartNginx, ours: Ours) -> None:
    nginx = start_nginx(f"location / {{ {_PASS} }}", http=ours.upstream)
    client = _connect(nginx)
    for method in ("GET", "POST", "PUT", "DELETE", "HEAD", "GET", "OPTIONS", "PATCH"):
        body = b"hello" if method in ("POST", "PUT", "PATCH") else None
        client.request(method, "/a?b", body)
        response = client.getresponse()
        said = response.read()
        assert response.status == 200
        if method != "HEAD":
            facts = json.loads(said)
            assert (facts["method"], facts["sha"]) == (method, hashlib.sha256(body or b"").hexdigest())
    client.close()
    assert ours.connections == 1


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("buffering", ["on", "off"])
def test_uploads_whole_and_as_they_come(start_nginx: StartNginx, ours: Ours, framing: str, buffering: str) -> None:
    options = f"client_max_body_size 64m; proxy_request_buffering {buffering};"
    nginx = start_nginx(f"location / {{ {_PASS} {options} }}", http=ours.upstream)
    client = _connect(nginx)
    pieces = [_LARGE[at : at + 65536] for at in range(0, len(_LARGE), 65536)]
    for _ in range(2):
        client.request("POST", "/", _LARGE if framing == "length" else iter(pieces), encode_chunked=True)
        facts = json.loads(client.getresponse().read())
        assert facts["sha"] == hashlib.sha256(_LARGE).hexdigest()
        assert ("Transfer-Encoding" in facts["headers"]) is (framing == "chunked" and buffering == "off")
        assert facts["pieces"] > 10
    client.close()
    assert ours.connections == 1


@pytest.mark.parametrize("path", ["/large", "/trailers"])
def test_large_responses_and_those_with_trailers(start_nginx: StartNginx, ours: Ours, path: str) -> None:
    nginx = start_nginx(f"location / {{ {_PASS} proxy_buffering off; }}", http=ours.upstream)
    client = _connect(nginx)
    for _ in range(3):
        client.request("GET", path)
        assert client.getresponse().read() == (_LARGE if path == "/large" else b"hello")
    client.close()
    assert ours.connections == 1


def test_the_proxy_protocol_tells_who_the_client_is(start_nginx: StartNginx, ours: Ours) -> None:
    nginx = start_nginx(stream=f"proxy_pass 127.0.0.1:{ours.proxied_port}; proxy_protocol on;")
    client = http.client.HTTPConnection("127.0.0.1", nginx.stream_port, timeout=20, source_address=("127.0.0.77", 0))
    client.request("POST", "/", b"hello")
    facts = json.loads(client.getresponse().read())
    client.close()
    assert (facts["client"], facts["sha"]) == ("127.0.0.77", hashlib.sha256(b"hello").hexdigest())


@pytest.mark.parametrize(("trusted", "seen"), [("127.0.0.1", ("127.0.0.77", "https")), ("", ("127.0.0.1", "http"))])
def test_an_application_behind_nginx_knows_its_client(
    start_nginx: StartNginx, trusted: str, seen: tuple[str, str]
) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps([environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]]).encode()]

    options = WsgiOptions(proxies=TrustedProxies(trusted))
    with serving_wsgi(app, options=options) as port:
        nginx = start_nginx(
            f"location / {{ {_PASS}"
            " proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto https; }",
            http=f"upstream ours {{ server 127.0.0.1:{port}; keepalive 4; }}",
        )
        client = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=20, source_address=("127.0.0.77", 0))
        client.request("GET", "/", headers={"X-Forwarded-For": "203.0.113.9"})  # anybody may write that
        assert tuple(json.loads(client.getresponse().read())) == seen
        client.close()


def test_an_application_behind_nginx_on_a_unix_socket(start_nginx: StartNginx, tmp_path: Any) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{environ['REMOTE_ADDR']} {environ['HTTP_HOST']}".encode()]

    options = WsgiOptions(proxies=TrustedProxies("unix"))
    with serving_wsgi(app, address=f"unix://{tmp_path}/app.sock", options=options):
        nginx = start_nginx(
            "location / { proxy_pass http://unix:" + str(tmp_path) + "/app.sock:/; proxy_set_header Host $http_host;"
            " proxy_set_header X-Forwarded-For $remote_addr; }"
        )
        with urllib.request.urlopen(nginx.url, timeout=20) as response:
            assert response.read() == f"127.0.0.1 127.0.0.1:{nginx.port}".encode()
