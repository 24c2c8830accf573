"""Clients that do not read their response: what becomes of the threads, with one thread only."""

from __future__ import annotations

import io
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from pipeline_net import WorkerPool
from pipeline_net.codecs.http import Deadlines
from pipeline_net.gateways.errors import ClientDisconnectedError
from pipeline_net.gateways.wsgi import WsgiSite
from pipeline_net.gateways.wsgi_server import WsgiOptions
from pipeline_net.testing import EmbeddedLoop

from .conftest import body_of, serving_wsgi
from .test_wsgi import get

_WAIT = 20.0
_BLOCK = bytes(65536)
_BLOCKS = 512
_SIZE = 65536 * _BLOCKS  # 32 MiB: more than kernels keep for a connection
_path: ContextVar[str] = ContextVar("_path")


class Site:
    """``/file`` and ``/blocks`` are long, all else is short; notes on which threads it was, and that it was closed."""

    def __init__(self) -> None:
        self.threads: set[int] = set()
        self.paths: set[str] = set()
        self.closed = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        _path.set(environ["PATH_INFO"])
        if environ["PATH_INFO"] == "/blocks":
            return self._blocks()
        if environ["PATH_INFO"] == "/file":
            descriptor, path = tempfile.mkstemp()
            os.unlink(path)
            os.truncate(descriptor, _SIZE)
            answer: Iterable[bytes] = environ["wsgi.file_wrapper"](_File(descriptor, self.closed))
            return answer
        return [b"short"]

    def _blocks(self) -> Iterator[bytes]:
        try:
            for _ in range(_BLOCKS):
                yield _BLOCK
                self.threads.add(threading.get_ident())
                self.paths.add(_path.get())
        finally:
            self.closed.set()


class _File(io.FileIO):
    """Says when it is closed."""

    def __init__(self, descriptor: int, is_closed: threading.Event) -> None:
        super().__init__(descriptor)
        self._is_closed = is_closed

    def close(self) -> None:
        super().close()
        self._is_closed.set()


@contextmanager
def slow_reader(port: int, target: str) -> Iterator[socket.socket]:
    """Ask for something long, and read the first byte of it."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.settimeout(_WAIT)
        client.connect(("127.0.0.1", port))
        client.sendall(f"GET {target} HTTP/1.0\r\n\r\n".encode())
        assert client.recv(1) == b"H"
        yield client


def _rest_of(client: socket.socket) -> bytes:
    pieces = []
    while piece := client.recv(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


_ANY = WsgiOptions(any_thread=True)
_EACH = [("/file", WsgiOptions()), ("/blocks", _ANY), ("/blocks", WsgiOptions())]


@pytest.mark.parametrize(("target", "options"), [("/file", WsgiOptions()), ("/blocks", _ANY)])
def test_who_does_not_read_takes_no_thread(target: str, options: WsgiOptions) -> None:
    site = Site()
    with serving_wsgi(site, options=options, threads=1) as port, slow_reader(port, target) as first:
        with slow_reader(port, target), slow_reader(port, target):
            assert get(port).endswith(b"short")
            assert not site.closed.is_set()
        assert body_of(_rest_of(first)) == bytes(_SIZE)
        assert site.closed.wait(_WAIT)
    assert site.paths <= {target}, "a context variable is that of the response, whoever had the thread in between"


@pytest.mark.parametrize(("target", "options"), _EACH)
def test_what_was_begun_is_closed_when_the_client_goes_away(target: str, options: WsgiOptions) -> None:
    site = Site()
    with serving_wsgi(site, options=options, threads=1) as port:
        with slow_reader(port, target):
            assert not site.closed.is_set()
        assert site.closed.wait(_WAIT)
        assert get(port).endswith(b"short")


@pytest.mark.parametrize("any_thread", [False, True])
def test_what_was_begun_is_closed_when_the_server_ends(any_thread: bool) -> None:
    site = Site()
    with ExitStack() as clients:
        with serving_wsgi(site, options=WsgiOptions(any_thread=any_thread, patience=0.0), threads=1) as port:
            clients.enter_context(slow_reader(port, "/blocks"))
        assert site.closed.is_set()


def test_without_being_told_an_iterator_stays_on_its_thread_which_waits_for_the_deadline() -> None:
    site = Site()
    deadlines = Deadlines(idle=0.5)
    with (
        serving_wsgi(site, options=WsgiOptions(deadlines=deadlines), threads=2) as port,
        slow_reader(port, "/blocks"),
        slow_reader(port, "/blocks"),
    ):
        assert get(port).endswith(b"short")  # when the deadline of one of them has passed
        assert site.closed.is_set()
    assert len(site.threads) <= 2


def test_a_thread_waits_for_a_body_until_the_deadline() -> None:
    raised: list[BaseException] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST":
            try:
                environ["wsgi.input"].read()
            except OSError as exc:
                raised.append(exc)
                raise
        start_response("200 OK", [])
        return [b"short"]

    options = WsgiOptions(deadlines=Deadlines(body=0.2))
    with serving_wsgi(app, options=options, threads=1) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(_WAIT)
        client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf")
        assert _rest_of(client).startswith(b"HTTP/1.1 408 ")
        client.close()
        assert get(port).endswith(b"short")
    assert [type(exc) for exc in raised] == [ClientDisconnectedError]


def test_what_finds_no_place_in_the_pool_tries_again() -> None:
    loop = EmbeddedLoop()
    go_on, ran = threading.Event(), threading.Event()
    with WorkerPool(1, queue_limit=1) as pool:
        site = WsgiSite(Site(), pool, any_thread=True)
        jobs = [pool.submit(go_on.wait, _WAIT) for _ in range(2)]
        site.go_on(loop, ran.set)
        assert loop.next_deadline() is not None
        go_on.set()
        for job in jobs:
            job.result(_WAIT)
        loop.advance(1.0)
        assert ran.wait(_WAIT)
    late = threading.Event()
    site.go_on(loop, late.set)
    assert late.is_set(), "a pool that has ended leaves nothing open"
