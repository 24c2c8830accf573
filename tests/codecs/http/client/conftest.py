"""Servers for a client to talk to: a good one of ours, and one that does what a test tells it, however nasty."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import http

_PATIENCE = 10.0  # seconds; more than any test waits for anything

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine's environment says about proxies is nothing to these tests."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Peer:
    """One connection, seen from the server."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        """How many connections there were before."""
        self._unread = b""

    def _more(self) -> bool:
        data = self.sock.recv(65536)
        self._unread += data
        return bool(data)

    def head(self) -> str:
        """Read the head of a request; empty when the client hangs up instead."""
        while b"\r\n\r\n" not in self._unread:
            if not self._more():
                return ""
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        return head.decode("latin-1")

    def take(self, count: int) -> bytes:
        """Read ``count`` bytes behind a head."""
        while len(self._unread) < count and self._more():
            pass
        data, self._unread = self._unread[:count], self._unread[count:]
        return data

    def say(self, data: bytes) -> None:
        self.sock.sendall(data)

    def wait_for_end(self) -> bytes:
        """Read until the client hangs up; whatever came."""
        try:
            while self._more():
                pass
        except ConnectionError:
            pass  # it has cut us off, which is an end, too
        return self._unread

    def reset(self) -> None:
        """Cut the connection off, without a goodbye."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


Behaviour = Callable[[Peer], object]


class Scripted:
    """Runs ``behaviour(peer)`` in a thread for each connection, and closes it then; ``heads`` are for behaviours."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.heads: list[str] = []
        self.connections = 0
        self.errors: list[BaseException] = []
        self._behaviour = behaviour
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._accepting = threading.Thread(target=self._accept, name="scripted")
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # it was closed, which is how the test ends
            sock.settimeout(_PATIENCE)
            self._socks.append(sock)
            thread = threading.Thread(target=self._run, args=(Peer(sock, self.connections),), name="scripted")
            self.connections += 1
            self._threads.append(thread)
            thread.start()

    def _run(self, peer: Peer) -> None:
        try:
            self._behaviour(peer)
        except ConnectionError:
            pass  # a client that hangs up is what many tests are about
        except BaseException as exc:  # noqa: BLE001 - the test gets it
            self.errors.append(exc)
        finally:
            peer.sock.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for thread in self._threads:
            thread.join(_PATIENCE)
        assert self.errors == []


@pytest.fixture
def scripted() -> Iterator[Callable[[Behaviour], Scripted]]:
    """``scripted(behaviour)`` is a server with a ``url``."""
    servers: list[Scripted] = []

    def make(behaviour: Behaviour) -> Scripted:
        servers.append(Scripted(behaviour))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


class _App(ChannelInboundHandler[http.FullRequest]):
    def __init__(self, answer: Callable[[http.FullRequest], Any]) -> None:
        self._answer = answer

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: http.FullRequest) -> None:
        ctx.write(self._answer(msg))

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        ctx.close()  # a client that goes away in the middle is what some tests are about


class Site:
    """A good server: ``answer(request)`` makes each response; ``seen`` are the requests."""

    def __init__(
        self, loops: EventLoopGroup, answer: Callable[[http.FullRequest], Any], address: str, tls: Any
    ) -> None:
        self.seen: list[http.FullRequest] = []
        self._answer = answer
        limits = http.Limits(max_body=10**8)
        self._server = ServerBootstrap(
            loops,
            initializer=lambda channel: (
                http.server_stack(limits=limits) >> http.RequestAggregator(max_body=10**8) >> _App(self._note)
            ),
            tls=tls,
        ).bind(address if tls is None else address.replace("tcp:", "tls:"))
        self.address = self._server.addresses[0]
        self.port = int(self.address.rpartition(":")[2]) if "://127" in self.address else 0
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"

    def _note(self, request: http.FullRequest) -> Any:
        self.seen.append(request)
        return self._answer(request)

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._server.channels)


@pytest.fixture
def site() -> Iterator[Callable[..., Site]]:
    """``site(answer, address="tcp://127.0.0.1:0", tls=None)`` is a server with a ``url``."""
    with EventLoopGroup(1, name="site") as loops:
        yield lambda answer, address="tcp://127.0.0.1:0", tls=None: Site(loops, answer, address, tls)


def echo(request: http.FullRequest) -> http.FullResponse:
    """Answer with what was asked."""
    return http.FullResponse(200, {"content-type": "text/plain"}, f"{request.method} {request.target}".encode())


@pytest.fixture
def echoing(site: Callable[..., Site]) -> Site:
    """A site that says which method and target it was asked for."""
    return site(echo)


class Certificates:
    """``authority`` vouches for ``server``, a file with certificate and key for localhost and 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
        self.authority, self.server = str(folder / "ca.pem"), str(folder / "server.pem")
        (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
        for command in (
            (
                "req",
                "-x509",
                *ec,
                "-addext",
                "keyUsage=critical,keyCertSign",
                "-subj",
                "/CN=Test CA",
                "-keyout",
                "ca.key",
                "-out",
                "ca.pem",
            ),
            ("req", *ec, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"),
            ("x509", "-req", "-in", "server.csr", *signed, "-days", "2", "-extfile", "names", "-out", "server.crt"),
        ):
            subprocess.run(["openssl", *command], cwd=folder, capture_output=True, timeout=30, check=True)
        (folder / "server.pem").write_text((folder / "server.crt").read_text() + (folder / "server.key").read_text())


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return Certificates(tmp_path_factory.mktemp("http-certificates"))


@pytest.fixture
def on_loop() -> Callable[[http.Client, Callable[[], Any]], Any]:
    """``on_loop(client, look)`` runs ``look()`` on the client's loop, behind what is under way."""

    def run(client: http.Client, look: Callable[[], Any]) -> Any:
        found: SimpleQueue[Any] = SimpleQueue()
        client.loop.execute(lambda: found.put(look()))
        return found.get(timeout=_PATIENCE)

    return run


@pytest.fixture
def books(on_loop: Any) -> Callable[[http.Client], tuple[int, int]]:
    """``books(client)``: how many connections there are, and how many of them nobody uses."""
    return lambda client: tuple(on_loop(client, lambda: (client._pool.connections, client._pool.idle)))


@pytest.fixture
def client() -> Iterator[http.Client]:
    """A client with a loop of its own."""
    with http.Client() as made:
        yield made
