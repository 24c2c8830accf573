"""Bodies whose length nobody has said: collected before the application is called, which goes by CONTENT_LENGTH."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from pipeline_net.codecs.http import Limits
from pipeline_net.gateways.wsgi_server import WsgiOptions

from .conftest import body_of, serving_wsgi, without_date

_HEAD = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"


class Counting:
    """Says how long the body is, by its CONTENT_LENGTH and by itself."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.calls += 1
        said = environ["CONTENT_LENGTH"]
        first = environ["wsgi.input"].readline()
        rest = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{said} {len(first)} {len(rest)}".encode()]


def _ask(port: int, pieces: Iterator[bytes]) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:

        def send() -> None:
            try:
                for piece in pieces:
                    client.sendall(piece)
            except OSError:
                pass  # it has been told already that this is too much

        sender = threading.Thread(target=send)
        sender.start()
        received = b""
        while chunk := client.recv(65536):
            received += chunk
        sender.join(20)
    return without_date(received)


def _chunked(size: int) -> Iterator[bytes]:
    yield _HEAD
    yield b"5\r\none\r\n\r\n"
    for at in range(0, size, 10_000):
        count = min(10_000, size - at)
        yield b"%x\r\n" % count + b"x" * count + b"\r\n"
    yield b"0\r\n\r\n"


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
def test_its_length_is_found_out(size: int) -> None:
    with serving_wsgi(Counting()) as port:
        assert body_of(_ask(port, _chunked(size))) == b"%d 5 %d" % (size + 5, size)


def test_a_body_above_the_limit_is_a_413_and_never_reaches_the_application() -> None:
    app = Counting()
    with serving_wsgi(app, options=WsgiOptions(limits=Limits(max_body=100_000), patience=20.0)) as port:
        assert _ask(port, _chunked(3_000_000)).startswith(b"HTTP/1.1 413 ")
    assert app.calls == 0


def test_a_client_that_breaks_off_never_reaches_the_application() -> None:
    app = Counting()
    with serving_wsgi(app) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(_HEAD + b"5\r\none\r\n\r\n")
        assert body_of(_ask(port, _chunked(10))) == b"15 5 10"
    assert app.calls == 1


def test_who_waits_to_be_asked_is_asked() -> None:
    with (
        serving_wsgi(Counting()) as port,
        socket.create_connection(("127.0.0.1", port), timeout=20) as client,
    ):
        client.sendall(_HEAD[:-2] + b"expect: 100-continue\r\n\r\n")
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"5\r\none\r\n\r\n0\r\n\r\n")
        received = b""
        while chunk := client.recv(65536):
            received += chunk
    assert body_of(without_date(received)) == b"5 5 0"
