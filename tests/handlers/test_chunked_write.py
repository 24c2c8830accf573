"""Large things go out piece by piece, in order, whole or not at all, and never more than a few pieces ahead."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import (
    ChannelClosedError,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOptions,
    EncodeError,
    EventLoopGroup,
    FileRegion,
    PipelineError,
    ServerBootstrap,
    wire,
)
from pipeline_net.codecs import LengthFieldPrepender
from pipeline_net.handlers.chunked_write import ChunkedWriteHandler
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]


class Source:
    """Pieces, counted as they are taken; raises at the end when it is told to."""

    def __init__(self, *pieces: Any, then: BaseException | None = None) -> None:
        self.pieces = list(pieces)
        self.taken = 0
        self.closed = 0
        self.then = then

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.taken < len(self.pieces):
            self.taken += 1
            return self.pieces[self.taken - 1]
        if self.then is not None:
            raise self.then
        raise StopIteration

    def close(self) -> None:
        self.closed += 1


def opened(*below: Any, chunk_size: int = 4, **options: Any) -> EmbeddedChannel:
    return EmbeddedChannel(*below, ChunkedWriteHandler(chunk_size), options=ChannelOptions(**options))


@pytest.mark.parametrize(
    "make", [lambda: iter([b"abcd", b"ef"]), lambda: (piece for piece in (b"abcd", b"ef")), lambda: BytesIO(b"abcdef")]
)
def test_a_source_becomes_pieces(make: Any) -> None:
    channel = opened()
    source = make()
    written = channel.write(source)
    channel.run_pending()
    assert channel.outbound == [b"abcd", b"ef"]
    assert written.done()
    assert written.exception() is None
    assert not isinstance(source, BytesIO) or source.closed


def test_everything_else_passes_in_its_turn() -> None:
    channel = opened()
    region = FileRegion(BytesIO(b"file"))
    for msg in (b"1", BytesIO(b"23456"), b"7", region, iter([b"8"]), [b"a", b"list"]):
        channel.write(msg)
    channel.run_pending()
    assert channel.outbound == [b"1", b"2345", b"6", b"7", region, b"8", [b"a", b"list"]]


@pytest.mark.parametrize("source", [iter([]), BytesIO(b"")])
def test_nothing_at_all_is_written_as_nothing(source: Any) -> None:
    channel = opened(LengthFieldPrepender(1))
    written = channel.write(source)
    channel.write(b"x")
    channel.run_pending()
    assert b"".join(channel.outbound) == b"\1x"
    assert written.exception() is None


def test_no_more_is_taken_than_there_is_room_for() -> None:
    channel = opened(write_buffer_high=10, write_buffer_low=5)
    channel.peer_window = 0
    source = Source(*[b"1234"] * 100)
    written = channel.write(source)
    channel.run_pending()
    assert source.taken == 4  # three pieces are more than 10 bytes, and one is looked at ahead
    for _ in range(100):
        channel.peer_window = 4
        channel.run_pending()
        assert channel.pending_write_bytes <= 14
    channel.peer_window = None
    channel.run_pending()
    assert b"".join(channel.outbound) == b"1234" * 100
    assert written.done()


def test_a_channel_that_others_keep_full_moves_on() -> None:
    channel = opened(write_buffer_high=10, write_buffer_low=5)
    channel.peer_window = 0
    channel.write(b"x" * 20)
    written = channel.write(iter([b"1234"] * 3))
    channel.run_pending()
    assert channel.pending_write_bytes == 24
    channel.peer_window = None
    channel.run_pending()
    assert written.done()
    assert b"".join(channel.outbound) == b"x" * 20 + b"1234" * 3


def test_a_promise_is_kept_when_the_last_piece_is_sent() -> None:
    channel = opened()
    channel.peer_window = 5
    written = channel.write(BytesIO(b"abcdef"))
    channel.run_pending()
    assert not written.done()
    channel.peer_window = 1
    channel.run_pending()
    assert written.done()


@pytest.mark.parametrize("ends", ["close", "shutdown_output"])
def test_the_end_comes_after_it(ends: str) -> None:
    channel = opened(write_buffer_high=4, write_buffer_low=2)
    channel.peer_window = 0
    channel.write(BytesIO(b"abcdefghijkl"))
    ended = getattr(channel, ends)()
    late = channel.write(b"late")
    channel.flush()
    assert isinstance(late.exception(), ChannelClosedError)
    channel.run_pending()
    assert not ended.done()
    channel.peer_window = None
    channel.run_pending()
    assert ended.done()
    assert b"".join(channel.outbound) == b"abcdefghijkl"


def test_closing_takes_no_longer_than_close_timeout() -> None:
    channel = opened(write_buffer_high=4, write_buffer_low=2, close_timeout=3.0)
    channel.peer_window = 0
    file = BytesIO(b"abcdefghijklmnopqrstuvwxyz")
    written = channel.write(file)
    closed = channel.close()
    channel.advance(3)
    assert closed.done()
    assert isinstance(written.exception(), ChannelClosedError)
    assert file.closed


class TestASourceThatRaises:
    def test_at_once_fails_its_write_alone(self) -> None:
        channel = opened()
        source = Source(then=LookupError("no"))
        written = channel.write(source)
        channel.write(b"x")
        channel.run_pending()
        assert isinstance(written.exception(), LookupError)
        assert channel.outbound == [b"x"]
        assert source.closed == 1

    def test_in_the_middle_ends_the_channel(self) -> None:
        channel = opened(write_buffer_high=4, write_buffer_low=2)
        source = Source(b"1234", b"5678", b"90", then=LookupError("no"))
        written = channel.write(source)
        with pytest.raises(LookupError):
            channel.run_pending()
        assert isinstance(written.exception(), LookupError)
        assert channel.is_aborted
        assert source.closed == 1

    def test_is_reported_when_nobody_waits(self) -> None:
        channel = opened()
        channel.pipeline.write(Source(then=LookupError("no")))
        with pytest.raises(LookupError):
            channel.run_pending()

    @pytest.mark.parametrize("piece", [None, "text"])
    def test_or_gives_what_is_no_piece(self, piece: Any) -> None:
        channel = EmbeddedChannel(LengthFieldPrepender(1), ChunkedWriteHandler())
        written = channel.write(Source(b"1", b"2", piece, b"4"))
        with pytest.raises((PipelineError, EncodeError, TypeError)):
            channel.run_pending()
        assert written.exception() is not None
        assert channel.is_aborted

    def test_a_file_in_text_mode_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "text").write_text("text")
        channel = opened()
        written = channel.write((tmp_path / "text").open())
        channel.run_pending()
        with pytest.raises(PipelineError, match="no file in binary mode that blocks: it gave str"):
            written.result()


def test_a_write_that_is_cancelled_in_time_takes_nothing() -> None:
    channel = opened()
    channel.peer_window = 0
    channel.write(Source(*[b"x" * 70_000] * 2))
    source = Source(b"1")
    written = channel.write(source)
    assert written.cancel()
    channel.peer_window = None
    channel.run_pending()
    assert (source.taken, source.closed) == (0, 1)


@pytest.mark.parametrize("how", ["aborted", "broken"])
def test_with_the_channel_everything_ends(how: str) -> None:
    channel = opened(write_buffer_high=4, write_buffer_low=2)
    channel.peer_window = 0
    sources = [Source(*[b"1234"] * 9), Source(b"x")]
    written = [channel.write(source) for source in sources]
    channel.run_pending()
    channel.abort(TimeoutError("no"))
    with pytest.raises(TimeoutError):
        channel.run_pending()
    assert [type(future.exception()) for future in written] == [TimeoutError] * 2
    assert [source.closed for source in sources] == [1, 1]
    late = Source(b"x")
    refused = channel.write(late)
    channel.run_pending()
    assert refused.exception() is not None


def test_taken_out_in_the_middle_it_ends_the_channel() -> None:
    channel = opened(write_buffer_high=4, write_buffer_low=2)
    channel.peer_window = 0
    channel.write(Source(*[b"1234"] * 9))
    channel.pipeline.remove(ChunkedWriteHandler)
    with pytest.raises(PipelineError, match="taken out while it was writing"):
        channel.run_pending()
    assert channel.is_aborted


def test_taken_out_when_it_is_done_it_leaves_nothing() -> None:
    channel = opened()
    channel.write_outbound(iter([b"1"]))
    channel.pipeline.remove(ChunkedWriteHandler)
    channel.write_outbound(b"2")
    assert channel.outbound == [b"1", b"2"]


def test_without_auto_flush_one_flush_is_for_all_of_it() -> None:
    channel = opened(auto_flush=False, write_buffer_high=4, write_buffer_low=2)
    channel.write(iter([b"1234"] * 5))
    channel.run_pending()
    assert channel.outbound == []
    channel.flush()
    channel.run_pending()
    assert b"".join(channel.outbound) == b"1234" * 5


def test_a_source_that_writes_while_it_is_asked() -> None:
    channel = opened()

    def pieces() -> Iterator[bytes]:
        channel.write(b"after")
        yield b"1"
        yield b"2"

    channel.write(pieces())
    channel.run_pending()
    assert channel.outbound == [b"1", b"2", b"after"]


def test_a_size_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="chunk_size must be at least 1 byte, not 0"):
        ChunkedWriteHandler(0)


def test_a_large_file_over_a_real_socket(tmp_path: Path) -> None:
    data = bytes(range(256)) * 32_768  # 8 MiB
    (tmp_path / "large").write_bytes(data)

    class Sends(ChannelInboundHandler[bytes, Any, Any]):
        def channel_active(self, ctx: Ctx) -> None:
            ctx.write((tmp_path / "large").open("rb"))
            ctx.write(b"%d " % number for number in range(1000))
            ctx.close()

    with (
        EventLoopGroup(1) as loops,
        ServerBootstrap(loops, initializer=lambda _: wire() >> ChunkedWriteHandler() >> Sends()).bind(
            "tcp://127.0.0.1:0"
        ) as server,
        socket.create_connection(("127.0.0.1", int(server.addresses[0].rpartition(":")[2])), timeout=10) as client,
    ):
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert received == data + b"".join(b"%d " % number for number in range(1000))


class Unclosable(Source):
    """Cannot be closed."""

    def close(self) -> None:
        super().close()
        raise OSError("the disk is gone")


def test_a_source_that_cannot_be_closed_is_sent_whole_and_logged_and_what_follows_has_its_turn(
    caplog: pytest.LogCaptureFixture,
) -> None:
    channel = opened(write_buffer_high=2, write_buffer_low=1)
    source = Unclosable(b"one", b"two", b"three")
    written = [channel.write(source), channel.write(b"after")]
    channel.run_pending()
    assert channel.outbound == [b"one", b"two", b"three", b"after"]
    assert [future.result() for future in written] == [None, None]
    assert source.closed == 1
    assert "cannot be closed" in caplog.text
    assert "the disk is gone" in caplog.text


def test_sources_that_cannot_be_closed_are_all_let_go_when_the_channel_closes() -> None:
    channel = opened()
    channel.peer_window = 0
    sources = [Unclosable(b"one", b"two"), Unclosable(b"three")]
    written = [channel.write(source) for source in sources]
    channel.run_pending()
    channel.abort()
    channel.run_pending()
    assert [source.closed for source in sources] == [1, 1]
    assert [type(future.exception()) for future in written] == [ChannelClosedError] * 2


def test_it_goes_on_piece_by_piece_although_others_keep_the_channel_busy() -> None:
    channel = opened(write_buffer_high=8, write_buffer_low=4)
    channel.hold_bytes(100)  # what another stage holds back: the channel is never writable
    written = channel.write(Source(*(b"%d" % number for number in range(10))))
    channel.run_pending()
    assert not channel.is_writable
    assert b"".join(channel.outbound) == b"0123456789"
    assert written.done()


def test_pieces_come_one_by_one_while_there_is_no_room_and_in_numbers_while_there_is() -> None:
    channel = opened(write_buffer_high=8, write_buffer_low=4)
    channel.peer_window = 0
    source = Source(*(b"%04d" % number for number in range(20)))
    channel.write(source)
    channel.run_pending()
    taken = source.taken
    assert taken == 4  # three of 4 bytes are more than 8, and one is taken to know whether there is another
    for _ in range(2):
        channel.peer_window = 4
        channel.run_pending()
    assert source.taken == taken
    channel.peer_window = 4
    channel.run_pending()
    assert source.taken > taken
