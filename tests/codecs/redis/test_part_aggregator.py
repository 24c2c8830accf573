from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, CorruptedFrameError, DecodeError
from pipeline_net.codecs import redis
from pipeline_net.codecs.redis import AGGREGATE_END, BULK_END, NULL, AggregateHead, BulkHead, BulkPart
from pipeline_net.testing import EmbeddedChannel, check_limits


class Errors(ChannelInboundHandler[Any]):
    """Keeps what goes wrong, and the channel open."""

    def __init__(self) -> None:
        self.seen: list[BaseException] = []

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self.seen.append(exc)


def _aggregate(*parts: Any, **limits: Any) -> list[Any]:
    channel = EmbeddedChannel(redis.RedisPartAggregator(**limits))
    channel.write_inbound(*parts)
    return list(channel.inbound)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([7], 7),
        ([NULL], NULL),
        ([[b"no", b"part"]], [b"no", b"part"]),
        ([BulkHead(b"$", 3), BulkPart(b"a"), BulkPart(b"bc"), BULK_END], b"abc"),
        ([BulkHead(b"$", -1), BULK_END], b""),
        ([BulkHead(b"=", 5), BulkPart(b"txt:a"), BULK_END], redis.Verbatim("txt", "a")),
        ([BulkHead(b"!", -1), BulkPart(b"ERR "), BulkPart(b"a"), BULK_END], redis.RedisError("ERR", "a")),
        ([AggregateHead(b"*", 0)], []),
        ([AggregateHead(b"*", 2), b"GET", BulkHead(b"$", 3), BulkPart(b"key"), BULK_END], [b"GET", b"key"]),
        ([AggregateHead(b"*", -1), NULL, AggregateHead(b"%", 1), 1, 2, AGGREGATE_END], [None, {1: 2}]),
        ([AggregateHead(b"|", 1), 1, 2, True], True),
    ],
)
def test_parts_become_whole(parts: list[Any], message: Any) -> None:
    assert _aggregate(*parts, *parts) == [message, message]


def test_attributes_come_when_asked_for() -> None:
    assert _aggregate(AggregateHead(b"|", 1), 1, 2, 3, attributes=True) == [redis.Attributed({1: 2}, 3)]


@pytest.mark.parametrize(
    ("parts", "rule"),
    [
        ([BulkPart(b"a")], "without its head"),
        ([BULK_END], "ends after 0 bytes"),
        ([BulkHead(b"$", 2), BulkPart(b"a"), BULK_END], "ends after 1 bytes"),
        ([BulkHead(b"$", 1), BulkPart(b"ab")], "a value of 1 bytes goes on"),
        ([BulkHead(b"$", 2), 7], "7 stands inside a value"),
        ([BulkHead(b"$", 2), BulkHead(b"$", 2)], "stands inside a value"),
        ([BulkHead(b"=", 3), BulkPart(b"txt"), BULK_END], "invalid verbatim string"),
        ([AGGREGATE_END], "misplaced end"),
        ([BulkHead(b"$", 11)], "over the limit of 10 bytes"),
        ([BulkHead(b"$", -1), BulkPart(b"a" * 6), BulkPart(b"a" * 5)], "over the limit of 10 bytes"),
        ([AggregateHead(b"*", 3), b"a" * 6, b"a" * 5], "over the limit of 10 bytes"),
        ([AggregateHead(b"*", 3), redis.SimpleString("a" * 8)], "over the limit of 10 bytes"),
        ([AggregateHead(b"*", 3), redis.RedisError("ERR", "aaaaaa")], "over the limit of 10 bytes"),
        ([AggregateHead(b"*", 3), redis.Verbatim("txt", "a" * 11)], "over the limit of 10 bytes"),
        ([AggregateHead(b"*", 3), 256**11], "over the limit of 10 bytes"),
        ([AggregateHead(b"*", 6)], "more than 5 elements"),
        ([AggregateHead(b"*", 1)] * 3, "deeper than 2"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_after_it_put_together(parts: list[Any], rule: str) -> None:
    errors = Errors()
    aggregator = redis.RedisPartAggregator(max_message_length=10, max_elements=5, max_depth=2)
    channel = EmbeddedChannel(aggregator, errors)
    channel.write_inbound(b"before", *parts, b"after")
    assert list(channel.inbound) == [b"before"]
    [error] = errors.seen
    assert isinstance(error, DecodeError)
    assert rule in str(error)
    assert aggregator.unread_bytes == 0
    channel.inbound.clear()
    channel.finish()


def test_what_is_held_is_what_has_come() -> None:
    aggregator = redis.RedisPartAggregator()
    channel = EmbeddedChannel(aggregator)
    channel.write_inbound(AggregateHead(b"*", 2), b"abc", BulkHead(b"$", 1000), BulkPart(b"de"))
    assert aggregator.unread_bytes == 5
    channel.write_inbound(BulkPart(b"x" * 998), BULK_END)
    assert aggregator.unread_bytes == 0
    assert len(channel.read_inbound()[1]) == 1000


def test_no_prefix_makes_the_stages_hold_more_than_their_limit() -> None:
    def stages() -> list[Any]:
        decoder = redis.RedisPartDecoder(whole_up_to=100, max_line_length=100)
        return [decoder, redis.RedisPartAggregator(max_message_length=1000)]

    def values(size: int) -> bytes:
        return (b"*1000000\r\n" + b"$10\r\n0123456789\r\n" * size)[:size]

    check_limits(stages, values, 1000 + 110)
    check_limits(stages, lambda size: (b"$?\r\n" + b";3\r\nabc\r\n" * size)[:size], 1000 + 110)
    check_limits(stages, lambda size: (b"*?\r\n" + b"+abcdef\r\n" * size)[:size], 1000 + 110)


@pytest.mark.parametrize("limit", ["max_message_length", "max_elements", "max_depth"])
def test_an_impossible_limit_is_refused_at_once(limit: str) -> None:
    impossible: dict[str, Any] = {limit: 0}
    with pytest.raises(ValueError, match=limit):
        redis.RedisPartAggregator(**impossible)


@pytest.mark.parametrize(
    "begin", [b"*2\r\n$1\r\na\r\n", b"*?\r\n", b"|1\r\n+a\r\n+b\r\n", b"$9\r\nab", b"*2\r\n$9\r\nab"]
)
def test_an_input_that_ends_within_a_message_is_an_error_once(begin: bytes) -> None:
    class Keeps(ChannelInboundHandler[Any]):
        def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
            heard.append(type(exc))

        def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
            heard.append("eof")

    heard: list[Any] = []
    channel = EmbeddedChannel(redis.RedisPartDecoder(whole_up_to=4), redis.RedisPartAggregator(), Keeps())
    channel.write_inbound(begin)
    channel.finish_input()
    assert heard == [CorruptedFrameError, "eof"]


def test_an_input_that_ends_between_messages_is_none() -> None:
    channel = EmbeddedChannel(redis.RedisPartDecoder(), redis.RedisPartAggregator())
    channel.write_inbound(b"*1\r\n$1\r\na\r\n")
    channel.finish_input()
    assert channel.inbound == [[b"a"]]
    channel.check()
