from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net import CorruptedFrameError, DecodeError
from pipeline_net.codecs import redis
from pipeline_net.codecs.redis import AGGREGATE_END, BULK_END, NULL, AggregateHead, BulkHead, BulkPart
from pipeline_net.testing import check_decoder, check_limits, chunks


def _small() -> redis.RedisPartDecoder:
    return redis.RedisPartDecoder(whole_up_to=5, max_part_length=4, max_bulk_length=10, max_elements=9)


PARTS: list[tuple[bytes, list[Any]]] = [
    (b"$5\r\nhello\r\n", [b"hello"]),
    (b"$6\r\nhello!\r\n", [BulkHead(b"$", 6), BulkPart(b"hell"), BulkPart(b"o!"), BULK_END]),
    (b"=8\r\ntxt:text\r\n", [BulkHead(b"=", 8), BulkPart(b"txt:"), BulkPart(b"text"), BULK_END]),
    (b"=5\r\ntxt:a\r\n!5\r\nERR a\r\n", [redis.Verbatim("txt", "a"), redis.RedisError("ERR", "a")]),
    (
        b"$?\r\n;2\r\nab\r\n;6\r\ncdefgh\r\n;0\r\n",
        [BulkHead(b"$", -1), BulkPart(b"ab"), BulkPart(b"cdef"), BulkPart(b"gh"), BULK_END],
    ),
    (b"$?\r\n;0\r\n", [BulkHead(b"$", -1), BULK_END]),
    (b"*2\r\n$-1\r\n*-1\r\n_\r\n", [AggregateHead(b"*", 2), NULL, NULL, NULL]),
    (b"*?\r\n.\r\n%1\r\n", [AggregateHead(b"*", -1), AGGREGATE_END, AggregateHead(b"%", 1)]),
    (b"~0\r\n>1\r\n|9\r\n", [AggregateHead(b"~", 0), AggregateHead(b">", 1), AggregateHead(b"|", 9)]),
    (b"+OK\r\n-ERR a\r\n:-7\r\n#t\r\n#f\r\n", [redis.OK, redis.RedisError("ERR", "a"), -7, True, False]),
    (b",1.5\r\n(18446744073709551616\r\n", [1.5, 2**64]),
]


@pytest.mark.parametrize(("data", "parts"), PARTS, ids=[repr(data[:24]) for data, _ in PARTS])
def test_what_is_large_comes_in_parts_and_what_is_small_as_it_is(data: bytes, parts: list[Any]) -> None:
    assert _small().feed(data) == parts
    assert _joined(_small(), [data[at : at + 1] for at in range(len(data))]) == _join(parts)


def _join(parts: list[Any]) -> list[Any]:
    """The same with neighbouring parts of values put together: how many they are depends on how the bytes came."""
    joined: list[Any] = []
    for part in parts:
        if isinstance(part, BulkPart) and joined and isinstance(joined[-1], BulkPart):
            joined[-1] = BulkPart(joined[-1].data + part.data)
        else:
            joined.append(part)
    return joined


def _joined(decoder: redis.RedisPartDecoder, pieces: list[bytes]) -> list[Any]:
    parts = [part for piece in pieces for part in decoder.feed(piece)]
    parts += decoder.finish()
    assert all(0 < len(part.data) <= 65536 for part in parts if isinstance(part, BulkPart))
    return _join(parts)


@given(st.data())
def test_parts_say_the_same_however_the_bytes_are_cut(data: st.DataObject) -> None:
    wire = b"".join(data for data, _ in PARTS)
    expected = _join([part for _, parts in PARTS for part in parts])
    assert _joined(_small(), data.draw(chunks(wire))) == expected


def test_an_aggregator_behind_it_gives_whole_messages_however_they_are_cut(wire_cases: Any, exactly: Any) -> None:
    def stages() -> list[Any]:
        decoder = redis.RedisPartDecoder(whole_up_to=3, max_part_length=2)
        return [decoder, redis.RedisPartAggregator(attributes=True)]

    equal = [case for case in wire_cases if case.message == case.message and len(case.resp3) < 2000]
    for case in equal:
        check_decoder(stages, [(case.resp3, [exactly(case.message)])])
    check_decoder(stages, [(case.resp2, [exactly(case.read2)]) for case in equal if len(case.resp2) < 100])


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"\r\n",
        b";1\r\na\r\n",
        b"$11\r\n",
        b"$-2\r\n",
        b"$5\r\nhelloxx",
        b"$5\r\nhello\rx",
        b"$6\r\nhello!x",
        b"$6\r\nhello!\rx",
        b"=?\r\n",
        b"=-1\r\n",
        b"=4\r\ntxta\r\n",
        b"$?\r\n:1\r\n",
        b"$?\r\n;-1\r\n",
        b"$?\r\n;6\r\nabcdef\r\n;5\r\n",
        b"*10\r\n",
        b"%-1\r\n",
        b">?\r\n",
        b"|?\r\n",
        b":x\r\n",
        b"#x\r\n",
        b"#tx",
        b"_x",
        b".x",
        b",x\r\n",
        b"+a\nb\r\n",
    ],
)
def test_what_breaks_the_rules_is_refused_however_it_is_cut(data: bytes) -> None:
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        decoder = _small()
        parts: list[Any] = decoder.feed(b"+OK\r\n")
        with pytest.raises(DecodeError) as caught:  # noqa: PT012 - which piece is refused depends on the cut
            for piece in pieces:
                parts += decoder.feed(piece)
        assert parts[0] is redis.OK
        assert caught.value.reply is not None
        assert caught.value.reply.startswith(b"-ERR Protocol error: ")


@pytest.mark.parametrize(
    "data",
    [b"$5\r\nhel", b"$6\r\nhel", b"$6\r\nhello!", b"$6\r\nhello!\r", b"+OK\r", b"$?\r\n", b"$?\r\n;2\r\nab\r\n", b":1"],
)
def test_input_that_ends_in_the_middle_of_a_value_is_an_error(data: bytes) -> None:
    decoder = _small()
    decoder.feed(data)
    with pytest.raises(CorruptedFrameError):
        decoder.finish()
    assert _small().finish() == []


def test_a_large_value_is_not_held() -> None:
    decoder = redis.RedisPartDecoder()
    piece = bytes(60_000)
    assert decoder.feed(b"$500000000\r\n") == [BulkHead(b"$", 500_000_000)]
    tracemalloc.start()
    try:
        for _ in range(1000):
            assert decoder.feed(piece) == [BulkPart(piece)]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 200_000
    assert decoder.unread_bytes == 0


def test_no_prefix_makes_the_decoder_hold_more_than_its_limit() -> None:
    def decoder() -> redis.RedisPartDecoder:
        return redis.RedisPartDecoder(max_line_length=900, whole_up_to=900)

    check_limits(decoder, lambda size: b"+" + b"x" * size, 1000)
    check_limits(decoder, lambda size: b"$900\r\n" + b"x" * size, 1000)
    check_limits(decoder, lambda size: b"$9000000\r\n" + b"x" * size, 1000)
    check_limits(decoder, lambda size: b"*" + b"1" * size, 1000)


def test_a_megabyte_byte_by_byte_takes_time_in_proportion() -> None:
    data = b"$1048576\r\n" + b"x" * (1 << 20) + b"\r\n"
    for whole in (0, 1 << 20):
        feed = redis.RedisPartDecoder(whole_up_to=whole).feed
        started = time.process_time()
        parts = [part for at in range(len(data)) for part in feed(data[at : at + 1])]
        assert len(parts) == (1 if whole else (1 << 20) + 2)
        assert time.process_time() - started < 20  # seconds


@pytest.mark.parametrize("limit", ["max_bulk_length", "max_elements", "max_line_length", "max_part_length"])
def test_an_impossible_limit_is_refused_at_once(limit: str) -> None:
    with pytest.raises(ValueError, match=limit):
        redis.RedisPartDecoder(**{limit: 0})
    with pytest.raises(ValueError, match="whole_up_to must be from 0"):
        redis.RedisPartDecoder(whole_up_to=-1)


@pytest.mark.parametrize(
    ("begin", "given"),
    [
        (b"+PONG\r", b"+PONG\r"),
        (b":12", b":12"),
        (b"$3\r\nab", b"$3\r\nab"),
        (b"$9\r\nab", b""),  # the head and the part were delivered
        (b"$?\r\n;4\r\nab", b""),
        (b"*2\r\n,1", b",1"),
    ],
)
def test_what_was_not_delivered_is_given_away_and_what_was_is_forgotten(begin: bytes, given: bytes) -> None:
    decoder = redis.RedisPartDecoder(whole_up_to=4)
    decoder.feed(begin)
    assert decoder.take_unread() == given
    assert decoder.unread_bytes == 0
    assert decoder.feed(b"+OK\r\n") == [redis.OK]
