"""The WSGI stage on the wire: raw applications on a pool, raw clients."""

from __future__ import annotations

import io
import logging
import select
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

import pytest

from pipeline_net import EventLoopGroup, ServerBootstrap, WorkerPool
from pipeline_net.codecs.http import Limits
from pipeline_net.gateways.errors import ClientDisconnectedError
from pipeline_net.gateways.wsgi import WsgiSite, wsgi_stack
from pipeline_net.gateways.wsgi_server import WsgiOptions

from .conftest import body_of, serving_wsgi, without_date

Environ = dict[str, Any]
Start = Callable[..., Any]

_TEXT = [("Content-Type", "text/plain")]
_WAIT = 20.0


def hello(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", _TEXT)
    return [b"hello"]


def ask(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=_WAIT) as client:
        client.sendall(request)
        received = b""
        while chunk := client.recv(65536):
            received += chunk
    return without_date(received)


def get(port: int, target: str = "/", *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = [f"{method} {target} HTTP/{version}", "host: x", "connection: close", *headers, "", ""]
    return ask(port, "\r\n".join(lines).encode("latin-1"))


def post(port: int, body: bytes) -> bytes:
    return ask(
        port, b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    )


def test_a_list_is_sent_as_one_response_with_its_length() -> None:
    with serving_wsgi(hello) as port:
        assert get(port) == (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello"
        )


def test_a_valid_application_is_called_validly() -> None:
    """wsgiref's validator stands between, and raises at whatever PEP 3333 forbids, on either side."""

    def echo(environ: Environ, start_response: Start) -> Iterator[bytes]:
        body = environ["wsgi.input"]
        start_response("201 Made", _TEXT)
        yield body.read(3)
        yield body.readline(100)
        yield from body.readlines(10)
        yield from body
        environ["wsgi.errors"].flush()

    with serving_wsgi(validator(echo)) as port:
        answer = post(port, b"one\ntwo\nthree\nfour")
        assert answer.startswith(b"HTTP/1.1 201 Made\r\n")
        chunks = body_of(answer).split(b"\r\n")
        assert b"".join(chunks[1:-1:2]) == b"one\ntwo\nthree\nfour"
        assert get(port, "/a%20b?c=d", "cookie: a").startswith(b"HTTP/1.1 201")
        assert get(port, method="HEAD").endswith(b"\r\n\r\n")


def test_each_block_is_sent_before_the_next_one_is_asked_for() -> None:
    go_on = threading.Event()

    def app(environ: Environ, start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", _TEXT)
        yield b"first"
        assert go_on.wait(_WAIT)
        yield b""
        yield b"second"

    with serving_wsgi(app) as port, socket.create_connection(("127.0.0.1", port), timeout=_WAIT) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        received = b""
        while not received.endswith(b"5\r\nfirst\r\n"):
            received += client.recv(1000)
        go_on.set()
        while chunk := client.recv(1000):
            received += chunk
        assert received.endswith(b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n")


def test_write_and_the_iterable_both_end_up_in_the_body() -> None:
    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        write = start_response("200 OK", [*_TEXT, ("Content-Length", "6")])
        write(b"abc")
        return [b"def"]

    with serving_wsgi(app) as port:
        assert body_of(get(port)) == b"abcdef"


def test_an_error_before_the_first_byte_replaces_the_head() -> None:
    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", _TEXT)
        try:
            raise ValueError("oh")
        except ValueError:
            start_response("503 Busy", _TEXT, sys.exc_info())
        return [b"sorry"]

    with serving_wsgi(app) as port:
        answer = get(port)
        assert answer.startswith(b"HTTP/1.1 503 Busy\r\n")
        assert body_of(answer) == b"sorry"


def _late_error(environ: Environ, start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", _TEXT)
    yield b"some"
    try:
        raise ValueError("this is broken")
    except ValueError:
        start_response("500 Broken", _TEXT, sys.exc_info())
    yield b"unreachable"


def _raises(environ: Environ, start_response: Start) -> Iterable[bytes]:
    raise ValueError("this is broken")


def _no_start(environ: Environ, start_response: Start) -> Iterable[bytes]:
    return [b"body"]


def _twice(environ: Environ, start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", _TEXT)
    start_response("200 OK", _TEXT)
    return []


def _bad(status: Any, headers: Any, *blocks: Any) -> Any:
    def app(environ: Environ, start_response: Start) -> Iterator[Any]:
        start_response(status, headers)
        yield from blocks

    return app


@pytest.mark.parametrize(
    ("app", "said", "cut"),
    [
        (_raises, "this is broken", False),
        (_no_start, "without calling start_response", False),
        (_twice, "a second time", False),
        (_bad("OK", _TEXT), "three digits", False),
        (_bad(200, _TEXT), "text such as", False),
        (_bad("101 Switch", _TEXT), "from 200 to 999", False),
        (_bad("200 OK", ()), "a list of pairs", False),
        (_bad("200 OK", [("a", "b\r\nc: d")], b"x"), "control character", False),
        (_bad("200 O\r\nK", _TEXT, b"x"), "reason phrase", False),
        (_bad("200 OK", [("Content-Length", "1")], b"xx"), "1 bytes longer", False),
        (_bad("200 OK", _TEXT, "text"), "is bytes", False),
        (_bad("200 OK", [("Content-Length", "5")], b"xx"), "3 bytes shorter", True),
        (_late_error, "this is broken", True),
    ],
)
def test_an_application_that_fails_is_a_500_or_a_cut_and_a_line_in_the_log(
    app: Any, said: str, cut: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "pipeline_net.wsgi"), serving_wsgi(app) as port:
        answer = get(port)
        if cut:
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert not answer.endswith(b"0\r\n\r\n")
        else:
            assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
            assert b"connection: close\r\n" in answer
    assert said in caplog.text


def test_close_is_called_whatever_happens() -> None:
    closed: list[str] = []

    class Result:
        def __init__(self, path: str) -> None:
            self.path = path

        def __iter__(self) -> Iterator[bytes]:
            yield b"some"
            if self.path == "/raises":
                raise ValueError("oh")

        def close(self) -> None:
            closed.append(self.path)

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", _TEXT)
        return Result(environ["PATH_INFO"])

    with serving_wsgi(app) as port:
        get(port, "/fine")
        get(port, "/raises")
    assert closed == ["/fine", "/raises"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("with_length", [False, True])
def test_a_file_is_sent_by_the_kernel_from_where_it_stands(method: str, with_length: bool) -> None:
    class File:
        """A real file whose read() must not be called."""

        def __init__(self) -> None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - the gateway closes it
            self._file.write(b"x" * 100 + b"y" * 300_000)
            self._file.seek(100)
            self.fileno, self.tell, self.seek = self._file.fileno, self._file.tell, self._file.seek
            self.closed = False

        def read(self, size: int) -> bytes:
            raise AssertionError("the kernel could have sent it")

        def close(self) -> None:
            self.closed = True
            self._file.close()

    files: list[File] = []

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [*_TEXT, ("Content-Length", "200000")] if with_length else list(_TEXT))
        files.append(File())
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](files[-1])
        return wrapped

    with serving_wsgi(app) as port:
        answer = get(port, method=method)
    size = 200_000 if with_length else 300_000
    assert b"ontent-%b: %d\r\n" % (b"Length" if with_length else b"length", size) in answer
    assert body_of(answer) == (b"y" * size if method == "GET" else b"")
    assert files[0].closed


def test_what_is_no_file_is_read() -> None:
    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [*_TEXT, ("Content-Length", "6")])
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](io.BytesIO(b"abcdef"), 4)
        return wrapped

    with serving_wsgi(app) as port:
        assert body_of(get(port)) == b"abcdef"


def test_an_application_waits_for_a_client_that_does_not_read() -> None:
    sent = 0
    idle = threading.Event()

    def app(environ: Environ, start_response: Start) -> Iterator[bytes]:
        nonlocal sent
        start_response("200 OK", _TEXT)
        for _ in range(1024):
            yield bytes(32768)
            sent += 32768

    with serving_wsgi(app) as port, socket.create_connection(("127.0.0.1", port), timeout=_WAIT) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        client.recv(1)
        before = -1
        while before != sent:
            before = sent
            idle.wait(0.1)  # time for the application to send what it can
        assert sent < 16 * 1024 * 1024
        total = 0
        while chunk := client.recv(1 << 20):
            total += len(chunk)
        assert total > 1024 * 32768


def test_an_upload_that_nobody_reads_waits_at_the_client() -> None:
    size = 32 * 1024 * 1024
    go_on = threading.Event()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        assert go_on.wait(_WAIT)
        count = 0
        while block := environ["wsgi.input"].read(100_000):
            count += len(block)
        start_response("200 OK", _TEXT)
        return [str(count).encode()]

    options = WsgiOptions(limits=Limits(max_body=size), patience=_WAIT)
    with (
        serving_wsgi(app, options=options) as port,
        socket.create_connection(("127.0.0.1", port), timeout=0.3) as client,
    ):
        client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % size)
        block, sent = bytes(65536), 0
        try:
            while sent < size:
                sent += client.send(block)
        except TimeoutError:
            assert sent < size // 2
        go_on.set()
        client.settimeout(_WAIT)
        client.sendall(bytes(size - sent))
        answer = b""
        while chunk := client.recv(1000):
            answer += chunk
        assert sent < size  # else it had not waited
        assert body_of(answer) == str(size).encode()


def test_a_client_that_goes_away_is_an_error_for_who_waits_for_it() -> None:
    told: list[type] = []
    ended = threading.Event()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        try:
            if environ["REQUEST_METHOD"] == "POST":
                environ["wsgi.input"].read()
            write = start_response("200 OK", _TEXT)
            while True:
                write(bytes(65536))
        except OSError as exc:
            told.append(type(exc))
            ended.set()
            raise

    with serving_wsgi(app) as port:
        for request in (
            b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nsome",
            b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        ):
            ended.clear()
            with socket.create_connection(("127.0.0.1", port), timeout=_WAIT) as client:
                client.sendall(request)
                if request.startswith(b"GET"):
                    client.recv(1)
            assert ended.wait(_WAIT)
    assert told == [ClientDisconnectedError, ClientDisconnectedError]


def test_100_continue_is_sent_when_the_application_reads() -> None:
    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        body = environ["wsgi.input"].read() if environ["PATH_INFO"] == "/read" else b""
        start_response("200 OK", _TEXT)
        return [body]

    head = "POST {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n"
    with serving_wsgi(app) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=_WAIT) as client:
            client.sendall(head.format("/read").encode())
            assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(b"body")
            assert body_of(client.recv(1000)) == b"body"
        assert ask(port, head.format("/").encode()).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_pool_without_room_is_a_503() -> None:
    go_on = threading.Event()

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        assert go_on.wait(_WAIT)
        return hello(environ, start_response)

    with WorkerPool(1, queue_limit=1) as pool, EventLoopGroup(1) as loops:
        site = WsgiSite(app, pool)
        server = ServerBootstrap(loops, initializer=lambda channel: wsgi_stack(site)).bind("tcp://127.0.0.1:0")
        port = int(server.addresses[0].rpartition(":")[2])
        clients = [socket.create_connection(("127.0.0.1", port), timeout=_WAIT) for _ in range(3)]
        answers = []
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        (first, *_), _, _ = select.select(clients, [], [], _WAIT)
        answers.append(first.recv(1000))
        go_on.set()
        for client in clients:
            if client is not first:
                answers.append(client.recv(1000))
            client.close()
    assert [answer[9:12] for answer in answers] == [b"503", b"200", b"200"]


def test_bodyless_statuses_and_tunnels() -> None:
    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("204 No Content", [("Content-Length", "0"), ("Transfer-Encoding", "chunked")])
        return iter([b"body"])

    with serving_wsgi(app) as port:
        assert get(port) == b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"
        assert ask(port, b"CONNECT x:80 HTTP/1.1\r\nhost: x:80\r\n\r\n").startswith(b"HTTP/1.1 501")


def test_what_makes_no_sense_is_refused_at_construction() -> None:
    with WorkerPool(1) as pool:
        with pytest.raises(TypeError, match="environ and start_response"):
            WsgiSite("app", pool)  # type: ignore[arg-type]  # that is the point
        with pytest.raises(ValueError, match="root path"):
            WsgiSite(hello, pool, root_path="x/")
        with pytest.raises(ValueError, match="max_pipelined must be 1"):
            wsgi_stack(WsgiSite(hello, pool), limits=Limits(max_pipelined=2))
