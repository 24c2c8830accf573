from __future__ import annotations

import math
import time
import tracemalloc
from typing import Any

import pytest

from pipeline_net import CorruptedFrameError, DecodeError, PipelineError
from pipeline_net.codecs import redis
from pipeline_net.testing import check_codec, check_decoder, check_limits

S = redis.SimpleString
OK = b"+OK\r\n"


def _decoder() -> redis.RedisReplyDecoder:
    return redis.RedisReplyDecoder(attributes=True)


# What no encoder of ours writes.
OTHERS: list[tuple[bytes, list[Any]]] = [
    (b"*-1\r\n" + OK, [redis.NULL, redis.OK]),
    (b"*2\r\n*-1\r\n$-1\r\n", [[None, None]]),
    (b":+7\r\n:+0\r\n", [7, 0]),
    (b"(+12\r\n(-0\r\n(007\r\n", [12, 0, 7]),
    (b",10\r\n,+1.\r\n,-1.25e-2\r\n,1E3\r\n,007.5\r\n", [10.0, 1.0, -0.0125, 1000.0, 7.5]),
    (b",+inf\r\n,-inf\r\n", [math.inf, -math.inf]),
    (b"!10\r\nERR a b\r\nc\r\n", [redis.RedisError("ERR", b"a b\r\nc")]),
    (b"!7\r\nERR one\r\n", [redis.RedisError("ERR", "one")]),
    (b"-\r\n- x\r\n-gr\xc3\xbcn x\r\n", [redis.RedisError("ERR", text) for text in (b"", b" x", b"gr\xc3\xbcn x")]),
    (b"!0\r\n\r\n", [redis.RedisError("ERR", b"")]),
    (b"$?\r\n;4\r\nHell\r\n;5\r\no\r\nwo\r\n;1\r\nd\r\n;0\r\n" + OK, [b"Hello\r\nwod", redis.OK]),
    (b"$?\r\n;0\r\n", [b""]),
    (b"*?\r\n:1\r\n*?\r\n.\r\n$?\r\n;1\r\na\r\n;0\r\n.\r\n", [[1, [], b"a"]]),
    (b"~?\r\n:1\r\n:2\r\n.\r\n%?\r\n+a\r\n:1\r\n.\r\n", [{1, 2}, {S("a"): 1}]),
    (b"%?\r\n.\r\n~?\r\n.\r\n*?\r\n.\r\n", [{}, set(), []]),
    (b"~2\r\n:1\r\n:1\r\n", [redis.SetReply([1, 1])]),
    (b"%2\r\n+a\r\n:1\r\n+a\r\n:2\r\n", [redis.MapReply([(S("a"), 1), (S("a"), 2)])]),
    (b"|1\r\n+a\r\n|0\r\n:1\r\n:2\r\n", [redis.Attributed({S("a"): redis.Attributed({}, 1)}, 2)]),
    (b"*2\r\n|1\r\n:1\r\n:2\r\n*?\r\n:3\r\n.\r\n_\r\n", [[redis.Attributed({1: 2}, [3]), None]]),
    (b"|1\r\n:1\r\n:2\r\n>1\r\n+a\r\n", [redis.Attributed({1: 2}, redis.Push([S("a")]))]),
    (b"*3\r\n+OK\r\n_\r\n+OK!\r\n*2\r\n+OK\r\n_\r\n", [[redis.OK, None, S("OK!")], [redis.OK, None]]),
    (b"*2\r\n$1\r\na\r\n%1\r\n:1\r\n~1\r\n#t\r\n", [[b"a", {1: {True}}]]),
]

HOSTILE: list[tuple[bytes, str]] = [
    *((bytes([kind]), "unknown type") for kind in b"\0\r\n aZ0;.\xff" if kind not in b";."),
    (b";1\r\na\r\n", "misplaced part"),
    (b".\r\n", "misplaced end"),
    (b"*1\r\n.\r\n", "misplaced end"),
    (b"%?\r\n:1\r\n.\r\n", "misplaced end"),
    (b"*?\r\n|1\r\n:1\r\n:2\r\n.\r\n", "misplaced end"),
    (b".x", "expected a line end"),
    (b"*?\r\n.\rx", "expected a line end"),
    (b"$?\r\n:1\r\n", "expected ';'"),
    (b"$?\r\n.\r\n", "expected ';'"),
    (b"$?\r\n$1\r\na\r\n", "expected ';'"),
    (b"$?\r\n+OK\r\n", "expected ';'"),
    (b"$?\r\n;-1\r\n", "invalid bulk length"),
    (b"$?\r\n;?\r\n", "invalid bulk length"),
    (b"$?\r\n;1\r\nabc", "invalid bulk length"),
    (b"$?x", "invalid bulk length"),
    (b"$\r\n", "invalid bulk length"),
    (b"$-2\r\n", "invalid bulk length"),
    (b"$-1x\r\n", "invalid bulk length"),
    (b"$-11\r\n", "invalid bulk length"),
    (b"$+1\r\na\r\n", "invalid bulk length"),
    (b"$01\r\na\r\n", "invalid bulk length"),
    (b"$1 \r\na\r\n", "invalid bulk length"),
    (b"$1_0\r\n", "invalid bulk length"),
    (b"$\xd9\xa1\r\n", "invalid bulk length"),
    (b"$1\na\r\n", "invalid bulk length"),
    (b"$1\rxa", "invalid bulk length"),
    (b"$1\r\nabc", "invalid bulk length"),
    (b"$1\r\na\rx", "invalid bulk length"),
    (b"*1\r\n$1\r\nabc", "invalid bulk length"),
    (b"$67108865\r\n", "invalid bulk length"),
    (b"$" + b"9" * 100_000, "invalid bulk length"),
    (b"=-1\r\n", "invalid bulk length"),
    (b"!-1\r\n", "invalid bulk length"),
    (b"=?\r\n", "invalid bulk length"),
    (b"=3\r\ntxt\r\n", "invalid verbatim string"),
    (b"=4\r\ntxta\r\n", "invalid verbatim string"),
    (b"=5\r\na:b:c\r\n", "invalid verbatim string"),
    (b"*\r\n", "invalid multibulk length"),
    (b"*-2\r\n", "invalid multibulk length"),
    (b"*1x", "invalid multibulk length"),
    (b"%-1\r\n", "invalid multibulk length"),
    (b"~-1\r\n", "invalid multibulk length"),
    (b">-1\r\n", "invalid multibulk length"),
    (b"|-1\r\n", "invalid multibulk length"),
    (b">?\r\n", "invalid multibulk length"),
    (b"|?\r\n", "invalid multibulk length"),
    (b"*1048577\r\n", "invalid multibulk length"),
    (b"*9999999999999999999999\r\n", "invalid multibulk length"),
    (b"%1048576\r\n", "too many elements"),
    (b"*1048576\r\n*1\r\n", "too many elements"),
    (b">0\r\n", "empty push"),
    (b"*1\r\n>1\r\n:1\r\n", "misplaced push"),
    (b"|1\r\n>1\r\n:1\r\n:2\r\n", "misplaced push"),
    (b"*1\r\n" * 33, "too deep nesting"),
    (b"|1\r\n" * 33, "too deep nesting"),
    (b"*?\r\n" * 33, "too deep nesting"),
    (b":\r\n", "invalid integer"),
    (b":-\r\n", "invalid integer"),
    (b":+-1\r\n", "invalid integer"),
    (b":-0\r\n", "invalid integer"),
    (b":01\r\n", "invalid integer"),
    (b":1 \r\n", "invalid integer"),
    (b":1_0\r\n", "invalid integer"),
    (b":1\n", "invalid integer"),
    (b":1\rx", "invalid integer"),
    (b":9223372036854775808\r\n", "invalid integer"),
    (b":-9223372036854775809\r\n", "invalid integer"),
    (b":" + b"9" * 100_000, "invalid integer"),
    (b"*1\r\n:1x", "invalid integer"),
    (b"(\r\n", "invalid big number"),
    (b"(-\r\n", "invalid big number"),
    (b"(1_0\r\n", "invalid big number"),
    (b"( 1\r\n", "invalid big number"),
    (b"(\xd9\xa1\r\n", "invalid big number"),
    (b"(" + b"9" * 4301 + b"\r\n", "too big number"),
    (b",\r\n", "invalid double"),
    (b",.5\r\n", "invalid double"),
    (b",1e\r\n", "invalid double"),
    (b",1e+\r\n", "invalid double"),
    (b",1.5.5\r\n", "invalid double"),
    (b",1_0.5\r\n", "invalid double"),
    (b", 1\r\n", "invalid double"),
    (b",0x10\r\n", "invalid double"),
    (b",Infinity\r\n", "invalid double"),
    (b",INF\r\n", "invalid double"),
    (b",1e309\r\n", "invalid double"),
    (b",1" + b"0" * 400 + b"\r\n", "invalid double"),
    (b"#\r\n", "invalid boolean"),
    (b"#T\r\n", "invalid boolean"),
    (b"#1\r\n", "invalid boolean"),
    (b"#tt", "expected a line end"),
    (b"#t\n", "expected a line end"),
    (b"_x", "expected a line end"),
    (b"_\rx", "expected a line end"),
    (b"+a\rb\r\n", "invalid line"),
    (b"+a\nb\r\n", "invalid line"),
    (b"-ERR\n", "invalid line"),
    (b"+" + b"x" * 65537, "too long line"),
    (b"+" + b"x" * 65537 + b"\r\n", "too long line"),
]


def test_each_kind_is_read_in_both_versions_however_it_is_cut(wire_case: Any, exactly: Any) -> None:
    if wire_case.message == wire_case.message:  # a nan is not
        check_decoder(_decoder, [(wire_case.resp3, [exactly(wire_case.message)])])
    check_decoder(_decoder, [(wire_case.resp2, [exactly(wire_case.read2)])])


def test_all_kinds_follow_each_other(wire_cases: Any, exactly: Any) -> None:
    equal = [case for case in wire_cases if case.message == case.message and len(case.resp3) < 1000]
    check_decoder(_decoder, [(case.resp3, [exactly(case.message)]) for case in equal])


@pytest.mark.parametrize("wire", [b",nan\r\n", b",-nan\r\n"])
def test_what_is_no_number_is_read_too(wire: bytes) -> None:
    decoder = redis.RedisReplyDecoder()
    [nan] = [reply for at in range(len(wire)) for reply in decoder.feed(wire[at : at + 1])]
    assert math.isnan(nan)


def test_what_is_written_is_read(wire_cases: Any) -> None:
    messages = [case.message for case in wire_cases if case.message == case.message and len(case.resp3) < 1000]
    check_codec(lambda: [_decoder(), redis.RedisReplyEncoder(protocol=3)], messages)


@pytest.mark.parametrize(("data", "replies"), OTHERS, ids=[repr(data[:24]) for data, _ in OTHERS])
def test_what_only_others_write_is_read_too(data: bytes, replies: list[Any], exactly: Any) -> None:
    check_decoder(_decoder, [(data, [exactly(reply) for reply in replies])])


def test_attributes_are_dropped_unless_asked_for() -> None:
    check_decoder(
        redis.RedisReplyDecoder,
        [
            (b"|1\r\n+ttl\r\n:3600\r\n$1\r\na\r\n", [b"a"]),
            (b"|1\r\n+a\r\n|1\r\n+b\r\n*0\r\n:1\r\n|0\r\n*2\r\n|1\r\n:1\r\n:2\r\n:3\r\n_\r\n", [[3, None]]),
            (b"|1\r\n+a\r\n:1\r\n_\r\n", [redis.NULL]),
        ],
    )


@pytest.mark.parametrize(("data", "rule"), HOSTILE, ids=[repr(data[:24]) for data, _ in HOSTILE])
def test_what_breaks_the_rules_is_refused_and_nothing_after_it_read(data: bytes, rule: str) -> None:
    decoder = redis.RedisReplyDecoder()
    with pytest.raises(DecodeError, match=f"^{rule}: ") as caught:
        decoder.feed(OK + data)
    assert caught.value.messages == [redis.OK]
    with pytest.raises(PipelineError, match="failed before"):
        decoder.feed(OK)


@pytest.mark.parametrize("data", [data for data, _ in HOSTILE if len(data) < 500])
def test_what_breaks_the_rules_is_refused_however_it_is_cut(data: bytes) -> None:
    check_decoder(redis.RedisReplyDecoder, [(OK + data, [redis.OK, DecodeError])])


@pytest.mark.parametrize(
    "data",
    [
        b"$5\r\nhello\r\n",
        b"+hello\r\n",
        b":12\r\n",
        b"*2\r\n:1\r\n:2\r\n",
        b"%1\r\n+a\r\n#t\r\n",
        b"|1\r\n:1\r\n:2\r\n:3\r\n",
        b"$?\r\n;1\r\na\r\n;0\r\n",
        b"*?\r\n:1\r\n.\r\n",
        b"=5\r\ntxt:a\r\n",
        b"_\r\n",
    ],
)
def test_input_that_ends_in_the_middle_of_a_reply_is_an_error(data: bytes) -> None:
    for size in range(1, len(data)):
        check_decoder(redis.RedisReplyDecoder, [(OK + data[:size], [redis.OK, CorruptedFrameError])])
        decoder = redis.RedisReplyDecoder()
        decoder.feed(data[:size])
        assert decoder.unread_bytes == size


def test_a_limit_holds_exactly() -> None:
    def decoder() -> redis.RedisReplyDecoder:
        return redis.RedisReplyDecoder(max_bulk_length=10, max_elements=4, max_depth=2, max_line_length=8)

    check_decoder(
        decoder,
        [
            (b"$10\r\n0123456789\r\n", [b"0123456789"]),
            (b"$?\r\n;5\r\n01234\r\n;5\r\n56789\r\n;0\r\n", [b"0123456789"]),
            (b"*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n" * 2, [[1, 2, 3, 4]] * 2),
            (b"*2\r\n*1\r\n:1\r\n*1\r\n:2\r\n", [[[1], [2]]]),
            (b"%2\r\n:1\r\n:2\r\n:3\r\n:4\r\n", [{1: 2, 3: 4}]),
            (b"*?\r\n:1\r\n:2\r\n:3\r\n:4\r\n.\r\n", [[1, 2, 3, 4]]),
            (b"+12345678\r\n", [S("12345678")]),
        ],
    )
    for refused in (
        b"$11\r\n",
        b"$?\r\n;5\r\n01234\r\n;6\r\n",
        b"*5\r\n",
        b"*2\r\n*3\r\n",
        b"%3\r\n",
        b"|1\r\n:1\r\n:2\r\n|1\r\n",
        b"*?\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n",
        b"*?\r\n*?\r\n:1\r\n.\r\n*?\r\n:1\r\n.\r\n:1\r\n",
        b"*1\r\n*1\r\n*0\r\n",
        b"*1\r\n*1\r\n*1\r\n:1\r\n",
        b"+123456789",
        b"+123456789\r\n",
        b",123456789",
    ):
        check_decoder(decoder, [(refused, [DecodeError])])


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        (b"*2\r\n$3\r\nabc\r\n:12\r\n", [b"abc", 12]),
        (b"*2\r\n+abcd\r\n+efg\r\n", [S("abcd"), S("efg")]),
        (b"*1\r\n|1\r\n:1\r\n:2\r\n:3\r\n", [3]),
        (b"$?\r\n;2\r\nab\r\n;0\r\n", b"ab"),
        (b"*?\r\n*0\r\n.\r\n", [[]]),
        (b"+0123456789abcdef\r\n", S("0123456789abcdef")),
        (b"$12\r\n0123456789ab\r\n", b"0123456789ab"),
    ],
)
def test_a_whole_reply_has_a_limit_too(data: bytes, reply: Any) -> None:
    size = len(data)
    check_decoder(lambda: redis.RedisReplyDecoder(max_message_length=size), [(data * 2, [reply] * 2)])
    check_decoder(lambda: redis.RedisReplyDecoder(max_message_length=size - 1), [(data, [DecodeError])])


def test_no_prefix_makes_the_decoder_hold_more_than_its_limit() -> None:
    def decoder() -> redis.RedisReplyDecoder:
        return redis.RedisReplyDecoder(max_line_length=990, max_message_length=1000)

    for head, repeated in (
        (b"+", b"x"),
        (b"*1000000\r\n", b"$1\r\na\r\n"),
        (b"*1000000\r\n", b":1\r\n"),
        (b"*?\r\n", b"+a\r\n"),
        (b"$987\r\n", b"x"),
        (b"$?\r\n", b";1\r\na\r\n"),
        (b"%1000\r\n", b"_\r\n"),
    ):
        check_limits(decoder, lambda size, head=head, repeated=repeated: (head + repeated * size)[:size], 1000)  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
    for head in (b"$", b"*", b":", b"(", b","):
        check_limits(decoder, lambda size, head=head: head + b"1" * size, 1000)  # type: ignore[misc]  # as above


@pytest.mark.parametrize(
    "limit", ["max_bulk_length", "max_elements", "max_depth", "max_line_length", "max_message_length"]
)
@pytest.mark.parametrize("value", [0, -1, 2**63])
def test_an_impossible_limit_is_refused_at_once(limit: str, value: Any) -> None:
    with pytest.raises(ValueError, match=limit):
        redis.RedisReplyDecoder(**{limit: value})


def test_nothing_is_allocated_from_an_announced_length() -> None:
    tracemalloc.start()
    try:
        decoders = [redis.RedisReplyDecoder() for _ in range(32)]
        before, _ = tracemalloc.get_traced_memory()
        for decoder in decoders:
            decoder.feed(b"*1000000\r\n$60000000\r\n")
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 32 * 2000


def test_depth_costs_no_stack() -> None:
    depth = 100_000
    decoder = redis.RedisReplyDecoder(max_depth=depth)
    [reply] = decoder.feed(b"*1\r\n" * depth + b":7\r\n")
    for _ in range(depth):
        [reply] = reply
    assert reply == 7


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("count", [b"%d" % 100_000, b"?"])
def test_a_hundred_thousand_elements_in_small_pieces_are_parsed_once(size: int, count: bytes) -> None:
    values = list(range(100_000))
    data = b"*%b\r\n" % count + b"".join(b":%d\r\n" % value for value in values) + (b".\r\n" if count == b"?" else b"")
    decoder = redis.RedisReplyDecoder()
    started = time.process_time()
    replies = [reply for at in range(0, len(data), size) for reply in decoder.feed(data[at : at + size])]
    assert replies == [values]
    assert time.process_time() - started < 30  # seconds; parsing from the start with every piece would take hours


@pytest.mark.parametrize("head", [b"$1048576\r\n", b"+"])
def test_a_megabyte_byte_by_byte_takes_time_in_proportion(head: bytes) -> None:
    data = head + b"x" * (1 << 20) + b"\r\n"
    decoder = redis.RedisReplyDecoder(max_line_length=1 << 20)
    feed = decoder.feed
    started = time.process_time()
    [reply] = [reply for at in range(len(data)) for reply in feed(data[at : at + 1])]
    assert (reply if isinstance(reply, bytes) else reply.text) == b"x" * (1 << 20)
    assert (
        time.process_time() - started < 20
    )  # seconds; looking at what is there with every byte would take many minutes


def test_a_string_of_a_hundred_thousand_tiny_parts_takes_no_more_than_its_bytes() -> None:
    data = b"$?\r\n" + b";2\r\nab\r\n" * 100_000
    decoder = redis.RedisReplyDecoder()
    tracemalloc.start()
    try:
        decoder.feed(data)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 500_000
    assert decoder.feed(b";0\r\n") == [b"ab" * 100_000]


def test_numbers_that_collide_are_not_hashed() -> None:
    modulus = 2**61 - 1  # Python's numbers are their own hashes, modulo this
    numbers = [modulus * factor for factor in range(1, 20_001)]
    wire = b"".join(b"(%d\r\n" % number for number in numbers)
    started = time.process_time()
    [members, pairs] = redis.RedisReplyDecoder().feed(b"~20000\r\n" + wire + b"%10000\r\n" + wire)
    assert time.process_time() - started < 5  # seconds; as set and dict it would be many minutes
    assert members == redis.SetReply(numbers)
    assert type(members) is redis.SetReply
    assert pairs == redis.MapReply(zip(numbers[::2], numbers[1::2], strict=True))
    assert type(pairs) is redis.MapReply


def test_members_that_are_strings_come_as_a_set_however_many_they_are() -> None:
    names = [b"%d" % number for number in range(5000)]
    wire = b"".join(b"$%d\r\n%b\r\n" % (len(name), name) for name in names)
    [members, pairs] = redis.RedisReplyDecoder().feed(b"~5000\r\n" + wire + b"%2500\r\n" + wire)
    assert members == set(names)
    assert pairs == dict(zip(names[::2], names[1::2], strict=True))
