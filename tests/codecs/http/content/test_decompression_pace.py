"""ContentDecompression: bombs that stay small, and bodies that come no faster than they are taken."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, ChannelOptions, PipelineError
from pipeline_net.codecs import http
from pipeline_net.testing import EmbeddedChannel

Encoded = Callable[[str, bytes], bytes]
_MIB = 1 << 20


class Keep(ChannelInboundHandler[Any]):
    """Keeps what it reads; holds reads after each piece of a body, if it is told to."""

    def __init__(self, *, holds: bool = False) -> None:
        self.read: list[Any] = []
        self.events: list[str] = []
        self.size = 0
        self.errors: list[BaseException] = []
        self.holds = holds
        self.ctx: ChannelHandlerContext[Any, Any]

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.ctx = ctx

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self.read.append(msg)
        if isinstance(msg, http.Data):
            self.size += len(msg.data)
            if self.holds:
                ctx.channel.hold_reads()

    def channel_read_complete(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.events.append("complete")

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.events.append("eof")

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self.errors.append(exc)

    @property
    def body(self) -> bytes:
        parts: list[Any] = [msg.data for msg in self.read if isinstance(msg, http.Data)]
        return b"".join(parts)


class Count(ChannelInboundHandler[Any]):
    """Counts the bytes of bodies, and forgets them."""

    def __init__(self) -> None:
        self.size = 0
        self.ends = 0

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, http.Data):
            self.size += len(msg.data)
        elif isinstance(msg, http.End):
            self.ends += 1
            ctx.write(http.FullResponse(204))


def _post(body: bytes, coding: str = "gzip", extra: str = "") -> bytes:
    head = f"POST /in HTTP/1.1\r\nHost: a\r\nContent-Encoding: {coding}\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _server(*stages: Any, limits: http.Limits | None = None, **settings: Any) -> EmbeddedChannel:
    stack = http.server_stack(date=False, limits=limits or http.Limits(max_body=1 << 40))
    return EmbeddedChannel(stack, http.ContentDecompression(**settings), *stages)


def _answer(channel: EmbeddedChannel) -> bytes:
    return b"".join(channel.outbound)


def _zeros(mib: int) -> Iterator[bytes]:
    """Zeros in gzip, a piece of about 16 KiB for each 16 MiB."""
    deflate = zlib.compressobj(9, wbits=31)
    block = bytes(_MIB)
    for done in range(mib):
        piece = deflate.compress(block)
        if done % 16 == 15:
            piece += deflate.flush(zlib.Z_FULL_FLUSH)
        if piece:
            yield piece
    yield deflate.flush()


_HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: %b\r\nTransfer-Encoding: chunked\r\n\r\n"


def _peak(channel: EmbeddedChannel, pieces: Iterator[bytes], coding: bytes = b"gzip") -> int:
    """Send pieces of a body until the server has enough; the most memory that this took, in bytes."""
    tracemalloc.start()
    try:
        channel.write_inbound(_HEAD % coding)
        for piece in pieces:
            if not channel.is_open:
                break
            channel.write_inbound(b"%x\r\n%b\r\n" % (len(piece), piece))
        if channel.is_open:
            channel.write_inbound(b"0\r\n\r\n")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_quarter_of_a_gigabyte_of_zeros_passes_through_a_megabyte_of_memory() -> None:
    count = Count()
    peak = _peak(_server(count, max_size=None, max_ratio=None), _zeros(256))
    assert (count.size, count.ends) == (256 * _MIB, 1)
    assert peak < 3 * _MIB  # of which our own block of zeros is one


def test_ten_gigabytes_of_zeros_are_refused_when_they_begin() -> None:
    count = Count()
    channel = _server(count)
    peak = _peak(channel, _zeros(10 * 1024))
    assert b"HTTP/1.1 413 Content Too Large\r\n" in _answer(channel)
    assert count.size <= 3 * _MIB  # above the first MiB, 200 times as much as has come, and 16 KiB come at once
    assert peak < 6 * _MIB


@pytest.mark.parametrize("coding", ["br", "zstd"])
def test_a_few_hundred_bytes_that_would_make_many_megabytes(coding: str, encoded: Encoded) -> None:
    """All of it in one piece, so that only the limit for one call stands between it and the memory."""
    bomb = encoded(coding, bytes(32 * _MIB))
    assert len(bomb) < 10_000
    count = Count()
    channel = _server(count, codings=[coding])
    peak = _peak(channel, iter([bomb]), coding.encode())
    assert b"HTTP/1.1 413 Content Too Large\r\n" in _answer(channel)
    assert count.size <= 4 * _MIB
    assert peak < 2 * _MIB


def test_a_bomb_inside_a_bomb(encoded: Encoded) -> None:
    inner = b"".join(_zeros(64))
    bomb = encoded("gzip", encoded("gzip", inner))
    assert len(bomb) < 2000
    count = Count()
    channel = _server(count)
    peak = _peak(channel, iter([bomb]), b"gzip, gzip, gzip")
    assert b"HTTP/1.1 413 Content Too Large\r\n" in _answer(channel)
    assert count.size <= 2 * _MIB
    assert peak < 2 * _MIB


def test_a_large_piece_is_decoded_in_several_turns(encoded: Encoded) -> None:
    turns: list[int] = []
    keep = Keep()
    channel = EmbeddedChannel(http.ContentDecompression(max_ratio=None), keep)
    head = http.Response(200, {"content-encoding": "gzip"})
    head.body_length = http.UNTIL_CLOSE
    channel.loop.execute(lambda: channel.loop.execute(lambda: turns.append(keep.size)))
    channel.write_inbound(head, http.Data(encoded("gzip", bytes(8 * _MIB))), http.END)
    assert 0 < turns[0] < 4 * _MIB, "another task of the loop has its turn in between"
    assert (keep.size, keep.read[-1]) == (8 * _MIB, http.END)
    assert keep.events.count("complete") > 4
    assert max(len(msg.data) for msg in keep.read if isinstance(msg, http.Data)) <= 65536


def test_who_holds_reads_gets_no_more_of_a_piece_that_has_come(encoded: Encoded) -> None:
    keep = Keep(holds=True)
    channel = _server(keep, max_ratio=None)
    channel.write_inbound(_post(encoded("gzip", bytes(8 * _MIB))))
    assert keep.size == 65536
    assert not channel.wants_to_read
    channel.release_reads()
    assert not channel.wants_to_read, "what has come is decoded before more is read"
    channel.run_pending()
    assert keep.size == 2 * 65536
    keep.holds = False
    channel.release_reads()
    channel.run_pending()
    assert (keep.size, keep.read[-1]) == (8 * _MIB, http.END)
    assert channel.wants_to_read


def test_a_request_that_waits_behind_it_does_not_hold_it_up(encoded: Encoded) -> None:
    """The decoder of HTTP holds reads because the next request is here; it waits for us, so we must not for it."""
    count = Count()
    channel = _server(count, max_ratio=None)
    request = _post(encoded("gzip", bytes(8 * _MIB)))
    channel.write_inbound(request + request + request[:9])
    channel.write_inbound(request[9:])
    assert (count.size, count.ends) == (24 * _MIB, 3)


def test_without_auto_read_each_read_brings_a_slice(encoded: Encoded) -> None:
    keep = Keep()
    channel = _server(keep, max_ratio=None)
    channel.auto_read = False
    channel.pipeline.read()
    channel.write_inbound(_post(encoded("gzip", bytes(200_000))))
    sizes = []
    for _ in range(5):
        sizes.append(keep.size)
        channel.pipeline.read()
        channel.run_pending()
    assert sizes == [0, 65536, 131072, 196608, 200_000]
    assert keep.read[-1] == http.END


def test_a_piece_that_makes_nothing_asks_for_the_next_one(encoded: Encoded) -> None:
    keep = Keep()
    channel = _server(keep)
    channel.auto_read = False
    data = _post(encoded("gzip", b"hello"))
    for at in range(len(data) - 1):
        channel.pipeline.read()
        before = len(keep.read)
        channel.write_inbound(data[at : at + 1])
        assert channel.read_requested is (len(keep.read) == before), f"byte {at}"
    channel.write_inbound(data[-1:])
    assert keep.body == b"hello"


def test_nothing_is_decoded_while_the_peer_does_not_read_the_answer(encoded: Encoded) -> None:
    keep = Keep()
    options = ChannelOptions(write_buffer_high=1000, write_buffer_low=500)
    channel = EmbeddedChannel(http.ContentDecompression(max_ratio=None), keep, options=options)
    channel.peer_window = 0
    keep.ctx.write(bytes(2000))
    channel.run_pending()
    head = http.Request("POST", "/", {"content-encoding": "gzip"})
    head.body_length = http.CHUNKED
    channel.write_inbound(head, http.Data(encoded("gzip", bytes(_MIB))), http.END)
    assert keep.size == 0
    channel.peer_window = None
    channel.run_pending()
    assert (keep.size, keep.read[-1]) == (_MIB, http.END)


def test_errors_come_after_what_came_before_them_also_when_the_channel_ends_meanwhile(encoded: Encoded) -> None:
    for ends in (False, True):
        keep = Keep(holds=True)
        channel = _server(keep, max_ratio=None)
        channel.write_inbound(_post(encoded("gzip", bytes(100_000))))
        channel.pipeline.fire_exception_caught(LookupError("of a stage below"))
        assert keep.errors == []
        if ends:
            channel.abort()
        else:
            keep.holds = False
            channel.release_reads()
        channel.run_pending()
        assert [str(error) for error in keep.errors] == ["of a stage below"]


def test_a_response_that_ends_with_the_connection_is_delivered_before_its_end(encoded: Encoded) -> None:
    keep = Keep()
    channel = EmbeddedChannel(http.client_stack(host="a"), http.ContentDecompression(), keep)
    keep.ctx.write(http.FullRequest("GET", "/"))
    channel.run_pending()
    keep.holds = True
    channel.write_inbound(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + encoded("gzip", bytes(200_000)))
    channel.finish_input()
    assert (keep.size, "eof" in keep.events) == (65536, False)
    while keep.size < 200_000:
        channel.release_reads()
        channel.run_pending()
    channel.release_reads()
    channel.run_pending()
    assert (keep.read[-1], keep.events[-1]) == (http.END, "eof")
    assert keep.errors == []


def test_taken_out_in_the_middle_of_a_body_it_ends_the_connection(encoded: Encoded) -> None:
    keep = Keep(holds=True)
    stage = http.ContentDecompression(max_ratio=None)
    channel = EmbeddedChannel(http.server_stack(), stage, keep)
    channel.write_inbound(_post(encoded("gzip", bytes(100_000))))
    channel.pipeline.remove(stage)
    channel.run_pending()
    assert not channel.is_open
    assert isinstance(keep.errors[0], PipelineError)
