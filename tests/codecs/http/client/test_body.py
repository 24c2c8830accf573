"""Bodies: what may be one, what can be sent twice, and how it is read."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import FileRegion
from pipeline_net.codecs.http.client.body import RequestBody, as_body
from pipeline_net.testing import EmbeddedChannel


def _read(body: RequestBody | None) -> tuple[list[bytes], BaseException | None]:
    """Read a body to its end, one piece at a time."""
    assert body is not None
    channel = EmbeddedChannel()
    reader = body.open(channel.loop)
    pieces: list[bytes] = []
    outcome: list[Any] = []
    for _ in range(1000):
        reader.next(lambda piece, error: outcome.append((piece, error)))
        channel.run_pending()
        piece, error = outcome.pop()
        if piece is None:
            reader.close()
            return pieces, error
        if isinstance(piece, FileRegion):
            piece.file.seek(piece.offset)
            piece = piece.file.read(piece.count)
        pieces.append(bytes(piece))
    raise AssertionError("there is no end to it")


@pytest.mark.parametrize(
    ("given", "pieces", "length", "can_repeat"),
    [
        (b"abc", [b"abc"], 3, True),
        (b"", [], 0, True),
        (bytearray(b"abc"), [b"abc"], 3, True),
        (memoryview(b"abc"), [b"abc"], 3, True),
        ("ä", [b"\xc3\xa4"], 2, True),
        ([b"a", "ä", bytearray(b"b")], [b"a", b"\xc3\xa4", b"b"], None, True),
        (io.BytesIO(b"abc"), [b"abc"], None, False),
        (b"x" * 600_000, None, 600_000, True),
    ],
)
def test_what_is_there_already(given: Any, pieces: Any, length: int | None, can_repeat: bool) -> None:
    body = as_body(given)
    assert body is not None
    assert (body.length, body.can_repeat) == (length, can_repeat)
    read, error = _read(body)
    assert error is None
    if pieces is None:
        assert len(read) > 1
        assert b"".join(read) == given
    else:
        assert read == pieces
    if can_repeat:
        assert _read(body) == (read, None)


def test_a_generator_is_read_once() -> None:
    body = as_body(bytes([number]) for number in b"abc")
    assert body is not None
    assert (body.length, body.can_repeat) == (None, False)
    assert _read(body) == ([b"a", b"b", b"c"], None)


def test_what_a_generator_raises_ends_the_body() -> None:
    def broken() -> Iterator[bytes]:
        yield b"a"
        raise LookupError("no more")

    pieces, error = _read(as_body(broken()))
    assert (pieces, repr(error)) == ([b"a"], "LookupError('no more')")
    pieces, error = _read(as_body([1]))
    assert isinstance(error, TypeError)


def test_a_file_from_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 60_000)
    with path.open("rb") as file:
        file.seek(10)
        body = as_body(file)
        assert body is not None
        assert (body.length, body.can_repeat) == (599_990, True)
        assert repr(body).startswith("<body from <FileRegion 10+599990 of ")
        for _ in range(2):
            pieces, error = _read(body)
            assert (b"".join(pieces), error) == (path.read_bytes()[10:], None)
        region = as_body(FileRegion(file, 5, 7))
    _, error = _read(region)
    assert isinstance(error, ValueError), "the file is closed"


def test_a_file_that_decompresses_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "packed"
    path.write_bytes(gzip.compress(b"0123456789"))
    with gzip.open(path, "rb") as file:
        body = as_body(file)
        assert body is not None
        assert (body.length, body.can_repeat) == (None, False)
        assert _read(body) == ([b"0123456789"], None)


def test_a_pipe_is_read_once() -> None:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as pipe:
        os.write(write, b"through the pipe")
        os.close(write)
        body = as_body(pipe)
        assert body is not None
        assert (body.length, body.can_repeat) == (None, False)
        assert _read(body) == ([b"through the pipe"], None)


def test_a_file_that_is_open_for_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    with path.open() as file, pytest.raises(TypeError, match="binary mode"):
        as_body(file)


@pytest.mark.parametrize("given", [5, object(), {"a": "b"}])
def test_what_is_no_body(given: Any) -> None:
    with pytest.raises(TypeError, match="a body is bytes"):
        as_body(given)


async def _pieces() -> AsyncIterator[bytes]:
    yield b"a"


def test_an_async_iterable_needs_an_asyncio_loop() -> None:
    with pytest.raises(TypeError, match="no asyncio loop runs here"):
        as_body(_pieces())

    async def make() -> RequestBody | None:
        return as_body(_pieces())

    body = asyncio.run(make())
    assert body is not None
    assert not body.can_repeat
    pieces, error = _read(body)  # the loop that should read it is closed
    assert (pieces, type(error)) == ([], RuntimeError)


def test_nothing_is_no_body() -> None:
    assert as_body(None) is None
