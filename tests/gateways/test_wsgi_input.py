"""wsgi.input: a stream whose reader waits on a thread for what the loop brings."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pipeline_net.gateways.errors import ClientDisconnectedError
from pipeline_net.gateways.wsgi_input import READ_AHEAD, RequestBody

_TEXT = b"one\ntwo\n\nthree" + b"x" * 50 + b"\nend"

Use = Callable[[Any], Any]


def _complete(data: bytes, piece: int) -> RequestBody:
    body = RequestBody(lambda: None)
    for at in range(0, len(data), piece):
        body.take_data(data[at : at + piece])
    body.take_end()
    return body


@pytest.mark.parametrize("piece", [1, 3, 1000])
@pytest.mark.parametrize(
    "use",
    [
        lambda body: body.read(),
        lambda body: body.read(None),
        lambda body: (body.read(0), body.read(5), body.read(5), body.read(1000), body.read(5)),
        lambda body: (body.readline(), body.readline(2), body.readline(-1), body.readline(0), body.read()),
        lambda body: body.readlines(),
        lambda body: (body.readlines(5), body.readlines(None), body.readlines()),
        lambda body: list(body),
    ],
)
def test_it_reads_as_any_file_does(use: Use, piece: int) -> None:
    assert use(_complete(_TEXT, piece)) == use(io.BytesIO(_TEXT))


def test_a_reader_waits_until_as_much_is_here_as_it_has_asked_for() -> None:
    asked = threading.Semaphore(0)
    body = RequestBody(asked.release)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(body.read, 6)
        assert asked.acquire(timeout=10)  # it waits
        for piece in (b"abc", b"def", b"ghi"):
            body.take_data(piece)
        assert reading.result(10) == b"abcdef"
        reading = pool.submit(body.readline)
        body.take_data(b"\nrest")
        assert reading.result(10) == b"ghi\n"
        reading = pool.submit(body.read)
        body.take_end()
        assert reading.result(10) == b"rest"


def test_it_says_when_enough_waits() -> None:
    body = RequestBody(lambda: None)
    assert body.take_data(bytes(READ_AHEAD - 1))
    assert not body.take_data(b"x")
    assert len(body.read(READ_AHEAD)) == READ_AHEAD
    assert body.take_data(b"x")


def test_a_client_that_is_gone_is_an_error_after_what_it_has_sent() -> None:
    body = RequestBody(lambda: None)
    body.take_data(b"some")
    body.take_disconnect()
    assert body.read(4) == b"some"
    with pytest.raises(ClientDisconnectedError, match="before the body"):
        body.read(1)


def test_a_client_that_goes_after_its_body_has_sent_it() -> None:
    body = _complete(b"all", 3)
    body.take_disconnect()
    assert body.read() == b"all"
    assert body.read() == b""
