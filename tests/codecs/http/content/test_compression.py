"""ContentCompression: what is compressed and what is not, streams that arrive at once, and large bodies in slices."""

from __future__ import annotations

import gzip
import random
import sys
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, ChannelOptions, FileRegion
from pipeline_net.codecs import http
from pipeline_net.codecs.http.content.decoders import DECODERS
from pipeline_net.testing import EmbeddedChannel

_TEXT = b"".join(b"%d bottles of beer on the wall\n" % n for n in range(100))
_HTML = http.Headers({"content-type": "text/html", "etag": '"1"'})


class App(ChannelInboundHandler[Any]):
    """Keeps requests; the test answers them."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.errors: list[BaseException] = []
        self.ctx: ChannelHandlerContext[Any, Any]

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.ctx = ctx

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, http.Request):
            self.requests.append(msg)

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self.errors.append(exc)


class Site:
    """A server whose application is the test."""

    def __init__(self, *, pipelined: int = 1, options: ChannelOptions | None = None, **settings: Any) -> None:
        self.app = App()
        self.channel = EmbeddedChannel(
            http.server_stack(date=False, limits=http.Limits(max_pipelined=pipelined)),
            http.ContentCompression(**settings),
            http.RequestAggregator(),
            self.app,
            options=options,
        )

    def ask(self, accept: str | None = "gzip", method: str = "GET", version: str = "1.1") -> Site:
        line = "" if accept is None else f"Accept-Encoding: {accept}\r\n"
        self.channel.write_inbound(f"{method} / HTTP/{version}\r\nHost: a\r\n{line}\r\n".encode())
        return self

    def say(self, *parts: Any) -> Site:
        for part in parts:
            self.app.ctx.write(part)
        self.channel.run_pending()
        return self

    def take(self) -> bytes:
        """What has been sent since it was asked the last time."""
        sent = b"".join(self.channel.outbound)
        self.channel.outbound.clear()
        return sent


def _apart(answer: bytes) -> tuple[http.Headers, bytes]:
    """The headers of an answer, and its body as it travels, out of its chunks."""
    head, _, body = answer.partition(b"\r\n\r\n")
    headers = http.Headers([(n, v) for n, _, v in (line.partition(": ") for line in head.decode().split("\r\n")[1:])])
    if "transfer-encoding" not in headers:
        return headers, body
    pieces = []
    while body:
        size, _, body = body.partition(b"\r\n")
        pieces.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    return headers, b"".join(pieces)


def test_a_whole_response_is_compressed_and_gets_its_length() -> None:
    headers, body = _apart(Site().ask().say(http.FullResponse(200, _HTML, _TEXT)).take())
    assert headers == http.Headers(
        {
            "content-type": "text/html",
            "vary": "accept-encoding",
            "etag": 'W/"1"',
            "content-encoding": "gzip",
            "content-length": str(len(body)),
        }
    )
    assert len(body) < len(_TEXT) / 4
    assert gzip.decompress(body) == _TEXT
    assert http.Headers({"content-type": "text/html", "etag": '"1"'}) == _HTML, "it is a constant"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_every_coding_in_parts(coding: str) -> None:
    site = Site(codings=[coding]).ask(coding)
    site.say(http.Response(200, _HTML), http.Data(_TEXT), http.Data(_TEXT), http.END)
    headers, body = _apart(site.take())
    assert headers["content-encoding"] == coding
    assert headers["transfer-encoding"] == "chunked"
    assert DECODERS[coding]().decode(body, 1 << 20) == 2 * _TEXT


@pytest.mark.parametrize(
    ("accept", "response", "vary"),
    [
        (None, http.FullResponse(200, _HTML, _TEXT), True),
        ("br", http.FullResponse(200, _HTML, _TEXT), True),
        ("gzip;q=0", http.FullResponse(200, _HTML, _TEXT), True),
        ("identity, gzip;q=0.5", http.FullResponse(200, _HTML, _TEXT), True),
        ("gzip", http.FullResponse(200, _HTML, _TEXT[:1000]), True),
        ("gzip", http.FullResponse(200, _HTML, random.Random(1).randbytes(2000)), True),  # it would become larger
        ("gzip", http.FullResponse(200, {"content-type": "image/png"}, _TEXT), False),
        ("gzip", http.FullResponse(200, {**dict(_HTML.items()), "content-encoding": "br"}, _TEXT), False),
        ("gzip", http.FullResponse(200, {**dict(_HTML.items()), "cache-control": "no-transform"}, _TEXT), False),
        ("gzip", http.FullResponse(206, {**dict(_HTML.items()), "content-range": "bytes 0-1/2"}, _TEXT), False),
        ("gzip", http.FullResponse(204), False),
        ("gzip", http.FullResponse(304, _HTML), True),
        ("identity;q=0", http.FullResponse(200, _HTML, _TEXT), True),  # there is nothing better
    ],
)
def test_what_is_left_as_it_is(accept: str | None, response: http.FullResponse, vary: bool) -> None:
    headers, body = _apart(Site(min_size=1024).ask(accept).say(response).take())
    assert body == response.body
    assert headers.get("content-encoding") == response.headers.get("content-encoding")
    assert headers.get("etag") == response.headers.get("etag")
    assert ("vary" in headers) is vary


def test_a_part_with_a_length_that_is_small_is_left_as_it_is() -> None:
    site = Site().ask().say(http.Response(200, {"content-type": "text/a", "content-length": "5"}), http.Data(b"hello"))
    headers, body = _apart(site.say(http.END).take())
    assert (headers["content-length"], body) == ("5", b"hello")


def test_who_takes_nothing_else_gets_small_bodies_compressed_too() -> None:
    headers, body = _apart(Site().ask("gzip, identity;q=0").say(http.FullResponse(200, _HTML, b"hi")).take())
    assert (headers["content-encoding"], gzip.decompress(body)) == ("gzip", b"hi")


def test_a_client_of_http_1_0_gets_it_until_the_connection_ends() -> None:
    site = Site().ask(version="1.0").say(http.Response(200, _HTML), http.Data(_TEXT), http.END)
    head, _, body = site.take().partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert gzip.decompress(body) == _TEXT
    assert not site.channel.is_open


def test_each_event_of_a_stream_arrives_at_once() -> None:
    site = Site().ask().say(http.Response(200, {"content-type": "text/event-stream"}))
    _, body = _apart(site.take())
    inflate = zlib.decompressobj(31)
    for event in (b"data: one\n\n", b"data: two\n\n"):
        site.say(http.Data(event))
        _, body = _apart(b"transfer-encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + site.take())
        assert inflate.decompress(body) == event
    site.say(http.END)
    assert site.channel.is_open


def test_what_is_written_in_one_batch_is_flushed_once() -> None:
    site = Site().ask().say(http.Response(200, _HTML))
    site.take()
    site.say(*[http.Data(b"%d bottles of beer" % n) for n in range(50)])
    assert len(site.channel.outbound) <= 2
    site.take()


def test_a_promise_and_flush_let_out_what_was_written() -> None:
    site = Site().ask().say(http.Response(200, _HTML))
    site.take()
    done: list[bool] = []
    inflate = zlib.decompressobj(31)
    sent = site.app.ctx.new_promise()
    sent.add_done_callback(lambda _: done.append(True))
    site.app.ctx.write(http.Data(b"promised"), sent)
    site.channel.run_pending()
    assert done == [True]
    _, body = _apart(b"x\r\nTransfer-Encoding: chunked\r\n\r\n" + site.take())
    assert inflate.decompress(body) == b"promised"
    site.app.ctx.write(http.Data(b"flushed"))
    site.app.ctx.flush()
    _, body = _apart(b"x\r\nTransfer-Encoding: chunked\r\n\r\n" + site.take())
    assert inflate.decompress(body) == b"flushed"


@pytest.mark.parametrize("kind", ["whole", "bytes", "bytearray", "memoryview", "file"])
@pytest.mark.parametrize("room", [65536, 1 << 24])
def test_a_large_body_is_compressed_in_several_turns(kind: str, room: int, tmp_path: Path) -> None:
    text = _TEXT * 700  # about 2 MiB
    (tmp_path / "text").write_bytes(b"xx" + text + b"xx")
    site = Site(options=ChannelOptions(write_buffer_high=room)).ask()
    turns: list[int] = []
    with open(tmp_path / "text", "rb") as file:
        data: Any = {
            "bytes": text,
            "bytearray": bytearray(text),
            "memoryview": memoryview(text),
            "file": FileRegion(file, 2, len(text)),
            "whole": None,
        }[kind]
        if kind == "whole":
            parts: list[Any] = [http.FullResponse(200, _HTML, text)]
        else:
            parts = [http.Response(200, {**dict(_HTML.items()), "content-length": str(len(text))}), http.Data(data)]
            parts.append(http.END)
        for part in parts:
            site.app.ctx.write(part)
        site.channel.loop.execute(lambda: turns.append(site.channel.written))
        site.channel.run_pending()
    assert turns[0] < site.channel.written / 2, "others have had their turn"
    headers, body = _apart(site.take())
    assert "content-length" not in headers
    assert gzip.decompress(body) == text


def test_a_peer_that_does_not_read_stops_the_work() -> None:
    text = bytes(16 << 20)
    site = Site(options=ChannelOptions(write_buffer_high=8192, write_buffer_low=4096), levels={"gzip": 1}).ask()
    site.channel.peer_window = 0
    tracemalloc.start()
    try:
        site.say(http.FullResponse(200, _HTML, text))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    waits = site.channel.pending_write_bytes - 16384
    assert waits > len(text) - (4 << 20), "what waits is counted, and little of it is compressed"
    site.channel.peer_window = None
    site.channel.run_pending()
    assert gzip.decompress(_apart(site.take())[1]) == text


def test_what_is_written_after_a_large_body_comes_after_it() -> None:
    site = Site().ask()
    site.app.ctx.write(http.Response(200, _HTML))
    site.app.ctx.write(http.Data(_TEXT * 500))
    site.app.ctx.write(http.Data(b"the end"))
    site.app.ctx.flush()
    site.app.ctx.write(http.END)
    site.app.ctx.close()
    site.channel.run_pending()
    assert gzip.decompress(_apart(site.take())[1]) == _TEXT * 500 + b"the end"
    assert not site.channel.is_open


def test_several_requests_at_work_each_get_what_they_take() -> None:
    site = Site(pipelined=3)
    site.ask("gzip").ask(None).ask("deflate")
    first, second, third = site.app.requests
    site.say(http.FullResponse(200, _HTML, _TEXT, to=third), http.Response(200, _HTML, to=first.head))
    site.say(http.FullResponse(200, _HTML, _TEXT, to=second), http.Data(_TEXT, to=first), http.End(to=first))
    one, two, three = site.take().split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert gzip.decompress(_apart(b"\r\n" + one)[1]) == _TEXT
    assert _apart(b"\r\n" + two)[1] == _TEXT
    assert zlib.decompress(_apart(b"\r\n" + three)[1]) == _TEXT


def _bodies(site: Site, count: int) -> list[bytes]:
    decoder = http.HttpResponseDecoder(limits=http.Limits(max_body=1 << 30))
    bodies: list[bytes] = []
    for part in decoder.feed(site.take()):
        if isinstance(part, http.Response):
            bodies.append(b"")
        elif isinstance(part, http.Data):
            bodies[-1] += bytes(part.data)  # type: ignore[arg-type]  # what a decoder reads are bytes
    assert len(bodies) == count
    return [gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body for body in bodies]


@pytest.mark.parametrize("order", [(2, 1, 0), (1, 2, 0), (1, 0, 2), (0, 2, 1)])
@pytest.mark.parametrize("in_parts", [False, True])
def test_large_responses_that_are_early_do_not_wait_for_each_other(order: tuple[int, ...], in_parts: bool) -> None:
    site = Site(pipelined=3)
    site.ask().ask().ask()
    large = [bytes([65 + number]) * 300_000 for number in range(3)]
    promise = site.app.ctx.new_promise()
    for number in order:
        to = site.app.requests[number]
        if in_parts:
            site.say(http.Response(200, _HTML, to=to), http.Data(large[number], to=to))
            site.app.ctx.write(http.End(to=to), promise if number == order[0] else None)
        else:
            site.app.ctx.write(
                http.FullResponse(200, _HTML, large[number], to=to), promise if number == order[0] else None
            )
        site.app.ctx.flush()
    site.channel.run_pending()
    assert _bodies(site, 3) == large
    assert promise.exception() is None
    assert site.channel.wants_to_read


def test_a_stream_goes_on_while_the_response_to_a_later_request_waits() -> None:
    site = Site(pipelined=2)
    site.ask().ask()
    first, second = site.app.requests
    site.say(http.FullResponse(200, _HTML, bytes(300_000), to=second), http.Response(200, _HTML, to=first))
    site.take()
    for _ in range(3):
        site.say(http.Data(b"an event", to=first))
        assert site.take() != b""


def test_who_closes_does_not_wait_for_responses_whose_turn_never_comes() -> None:
    site = Site(pipelined=2)
    site.ask().ask()
    promise = site.app.ctx.new_promise()
    site.app.ctx.write(http.FullResponse(200, _HTML, bytes(300_000), to=site.app.requests[1]), promise)
    site.channel.run_pending()
    site.channel.pipeline.close()
    site.channel.run_pending()
    assert site.take().startswith(b"HTTP/1.1 500 ")
    assert not site.channel.is_open
    assert promise.exception() is not None


def test_a_part_that_does_not_say_where_it_belongs_is_refused_by_the_stage_below() -> None:
    site = Site(pipelined=2).ask().ask()
    site.say(http.FullResponse(200, _HTML, _TEXT))
    assert "2 requests are unanswered" in str(site.app.errors[0])


def test_trailers_and_interim_responses_pass() -> None:
    site = Site().ask().say(http.InterimResponse(103, {"link": "</a>"}), http.Response(200, _HTML))
    site.say(http.Data(_TEXT), http.End({"t": "1"}))
    answer = site.take()
    assert answer.startswith(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
    assert answer.endswith(b"0\r\nt: 1\r\n\r\n")


@pytest.mark.parametrize("size", [2000, 100_000])
def test_a_length_that_was_promised_is_held_to(size: int) -> None:
    site = Site().ask().say(http.Response(200, {**dict(_HTML.items()), "content-length": str(size)}))
    site.say(http.Data(b"a" * (size - 1)), http.Data(b"bc"))
    assert "2 bytes of body follow where Content-Length leaves 1" in str(site.app.errors.pop())
    site.say(http.END)
    assert "ends 1 bytes before its Content-Length" in str(site.app.errors.pop())
    assert not site.channel.is_open
    assert not site.take().endswith(b"0\r\n\r\n"), "the client sees that it is cut off"


def test_a_file_that_has_become_shorter_ends_the_connection(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(_TEXT * 100)
    site = Site().ask()
    with open(tmp_path / "text", "rb+") as file:
        region = FileRegion(file)
        file.truncate(100_000)
        site.say(http.Response(200, _HTML), http.Data(region), http.END)
    assert not site.channel.is_open
    assert site.channel.is_aborted


def test_a_file_that_was_closed_ends_the_connection(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(_TEXT * 100)
    with open(tmp_path / "text", "rb") as file:
        region = FileRegion(file)
    site = Site().ask().say(http.Response(200, _HTML), http.Data(region), http.END)
    assert not site.channel.is_open
    assert site.channel.is_aborted


def test_a_connection_that_ends_forgets_what_waits() -> None:
    site = Site(options=ChannelOptions(write_buffer_high=8192, write_buffer_low=4096)).ask()
    site.channel.peer_window = 0
    failed: list[BaseException | None] = []
    sent = site.app.ctx.new_promise()
    sent.add_done_callback(lambda future: failed.append(future.exception()))
    site.app.ctx.write(http.FullResponse(200, _HTML, _TEXT * 5000), sent)
    site.channel.run_pending()
    site.channel.abort()
    site.channel.run_pending()
    assert len(failed) == 1
    assert failed[0] is not None
    assert site.channel.pending_write_bytes == 0


def test_taken_out_in_the_middle_of_a_body_it_ends_the_connection() -> None:
    site = Site().ask().say(http.Response(200, _HTML), http.Data(_TEXT))
    site.channel.pipeline.remove("content-compression")
    site.channel.run_pending()
    assert site.channel.is_aborted
    assert "taken out in the middle of a body" in str(site.app.errors[0])


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"codings": ["lzma"]}, "a coding is one of gzip, deflate, br, zstd, not 'lzma'"),
        ({"codings": []}, "without a coding there is nothing to compress with"),
        ({"levels": {"gzip": 10}}, "the levels of gzip are 1 to 9, and 10 is none of them"),
        ({"levels": {"zip": 1}}, "a coding is one of"),
        ({"min_size": -1}, "min_size must not be negative, but is -1"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        http.ContentCompression(**settings)


def test_a_package_that_is_missing_is_noticed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)
    http.ContentCompression()
    with pytest.raises(ImportError, match="brotli"):
        http.ContentCompression(["br"])
