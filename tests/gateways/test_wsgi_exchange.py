"""What a WSGI application may do with start_response, write and its files; the wire is test_wsgi's."""

from __future__ import annotations

import gc
import gzip
import io
import os
import tempfile
import weakref
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import ChannelFuture, EncodeError, PipelineError
from pipeline_net.codecs.http import FullResponse, Request, Response
from pipeline_net.gateways.wsgi_exchange import FileWrapper, WsgiExchange
from pipeline_net.testing import EmbeddedLoop

LOOP = EmbeddedLoop()


def _now(fn: Any) -> None:
    fn()


class Reply:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.parts: list[Any] = []
        self.loop = EmbeddedLoop()

    def begin(self, head: Response) -> None:
        self.parts.append(head.status)

    def send(self, data: bytes, is_last: bool, waits: bool) -> bool:
        self.parts.append((data, is_last))
        return True

    def send_whole(self, response: FullResponse) -> None:
        self.parts.append((response.status, response.body))

    def send_file(self, region: Any) -> ChannelFuture[None]:
        self.parts.append((region.offset, region.count))
        future: ChannelFuture[None] = ChannelFuture(LOOP)
        future.set_result(None)
        return future

    def end(self) -> None:
        self.parts.append("end")

    def give_up(self) -> None:
        self.parts.append("gave up")


def run(app: Any, method: str = "GET", sends_files: bool = True) -> list[Any]:
    reply = Reply()
    request = Request(method, "/", [])
    WsgiExchange(app, {}, request, reply, sends_files, _now).run()  # type: ignore[arg-type]  # it has the methods that are used
    LOOP.run_pending()
    return reply.parts


def _answer(result: Any, *headers: tuple[str, str], status: str = "200 OK") -> Any:
    def app(environ: Any, start_response: Any) -> Any:
        start_response(status, list(headers))
        return result

    return app


@pytest.mark.parametrize(
    ("result", "headers", "parts"),
    [
        ([], [], [(200, b"")]),
        ([b"a", b"", b"b"], [], [(200, b"ab")]),
        ((b"a",), [("content-length", "1")], [(200, b"a")]),
        (iter([]), [], [(200, b"")]),
        (iter([b"", b"a", b"b"]), [], [200, (b"a", False), (b"b", False), "end"]),
        (iter([b"a", b"b"]), [("content-length", "2")], [200, (b"a", False), (b"b", True), "end"]),
    ],
)
def test_what_is_sent_when(result: Any, headers: Any, parts: list[Any]) -> None:
    assert run(_answer(result, *headers)) == parts


def test_no_body_where_there_must_be_none() -> None:
    assert run(_answer(iter([b"a"]), status="304 Not Modified")) == [304, "end"]
    assert run(_answer([b"a"], status="204 No Content")) == [(204, b"")]


def test_a_file_goes_as_a_region_where_that_is_possible() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789")
        file.seek(4)
        assert run(_answer(FileWrapper(file))) == [200, (4, 6), "end"]
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789")
        file.seek(4)
        assert run(_answer(FileWrapper(file), ("content-length", "2"))) == [200, (4, 2), "end"]
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789")
        file.seek(4)
        assert run(_answer(FileWrapper(file)), sends_files=False) == [200, (b"456789", False), "end"]
    assert run(_answer(FileWrapper(io.BytesIO(b"abc"), 2))) == [200, (b"ab", False), (b"c", False), "end"]
    read, write = os.pipe()
    os.write(write, b"pipe")
    os.close(write)
    assert run(_answer(FileWrapper(os.fdopen(read, "rb")))) == [200, (b"pipe", False), "end"]


def test_a_file_that_decompresses_is_read(tmp_path: Path) -> None:
    path = tmp_path / "packed"
    path.write_bytes(gzip.compress(b"0123456789"))
    with gzip.open(path, "rb") as file:
        assert run(_answer(FileWrapper(file))) == [200, (b"0123456789", False), "end"]


def test_a_wrapper_closes_what_can_be_closed() -> None:
    class Readable:
        def read(self, size: int) -> bytes:
            return b""

    assert not hasattr(FileWrapper(Readable()), "close")
    file = io.BytesIO()
    FileWrapper(file).close()
    assert file.closed


def test_errors_name_the_value_and_the_rule() -> None:
    exchange = WsgiExchange(lambda *_: [], {}, Request("GET", "/", []), Reply(), True, _now)  # type: ignore[arg-type]  # see run()
    with pytest.raises(EncodeError, match="three digits, and not as 'ok'"):
        exchange.start_response("ok", [])
    with pytest.raises(EncodeError, match="not 200"):
        exchange.start_response(200, [])  # type: ignore[arg-type]  # that is the point
    exchange.start_response("200 OK", [])
    with pytest.raises(PipelineError, match="a second time"):
        exchange.start_response("200 OK", [])
    assert run(lambda environ, start_response: [b"x"]) == ["gave up"]


def test_an_application_that_would_end_its_thread_is_told_of_and_answered(caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        raise SystemExit(3)

    reply = Reply()
    request = Request("GET", "/", [])
    with pytest.raises(SystemExit):
        WsgiExchange(app, {}, request, reply, True, _now).run()  # type: ignore[arg-type]  # see run()
    assert reply.parts == ["gave up"]
    assert [record.getMessage() for record in caplog.records] == [f"{request!r}: the application raised"]


def test_what_the_application_returns_is_not_kept_by_what_it_was_given() -> None:
    class Blocks:
        def __init__(self, start_response: Any) -> None:
            self.start_response = start_response

        def __iter__(self) -> Any:
            self.start_response("200 OK", [])
            return iter([b"a"])

    def app(environ: Any, start_response: Any) -> Blocks:
        blocks = Blocks(start_response)
        made.append(weakref.ref(blocks))
        return blocks

    made: list[Any] = []
    gc.collect()
    gc.disable()
    try:
        assert run(app) == [200, (b"a", False), "end"]
        assert made[0]() is None
    finally:
        gc.enable()
