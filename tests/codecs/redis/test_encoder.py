from __future__ import annotations

import tracemalloc
from typing import Any

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net import EncodeError
from pipeline_net.codecs import redis
from pipeline_net.testing import EmbeddedChannel


def _wire(reply: Any, protocol: int = 2) -> bytes:
    encoded = redis.RedisReplyEncoder(protocol=protocol).encode(reply)
    return encoded if isinstance(encoded, bytes) else b"".join(encoded)


def test_each_kind_of_reply_has_its_form_in_both_versions(wire_case: Any) -> None:
    assert _wire(wire_case.message, 3) == wire_case.resp3
    assert _wire(wire_case.message, 2) == wire_case.resp2


@pytest.mark.parametrize(
    ("reply", "resp3", "resp2"),
    [
        ("grün", b"$5\r\ngr\xc3\xbcn\r\n", None),
        (None, b"_\r\n", b"$-1\r\n"),
        (redis.NULL_ARRAY, b"_\r\n", b"*-1\r\n"),
        ([redis.NULL, redis.NULL_ARRAY], b"*2\r\n_\r\n_\r\n", b"*2\r\n$-1\r\n*-1\r\n"),
        ((redis.OK, "b"), b"*2\r\n+OK\r\n$1\r\nb\r\n", None),
        (frozenset({1}), b"~1\r\n:1\r\n", b"*1\r\n:1\r\n"),
        (redis.SetReply([]), b"~0\r\n", b"*0\r\n"),
        (redis.MapReply(), b"%0\r\n", b"*0\r\n"),
        ({"a": ("b",)}, b"%1\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n", b"*2\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n"),
        (redis.Attributed({}, redis.Push([b"a"])), b"|0\r\n>1\r\n$1\r\na\r\n", b"*1\r\n$1\r\na\r\n"),
        ({number: number for number in range(70)}, None, b"*140\r\n" + b"".join(b":%d\r\n" % n * 2 for n in range(70))),
    ],
)
def test_what_is_only_written_has_its_form_too(reply: Any, resp3: bytes | None, resp2: bytes | None) -> None:
    if resp3 is not None:
        assert _wire(reply, 3) == resp3
    assert _wire(reply, 2) == (resp3 if resp2 is None else resp2)


def test_the_version_can_be_changed_between_two_replies() -> None:
    encoder = redis.RedisReplyEncoder()
    assert encoder.protocol == 2
    assert encoder.encode({b"a": None}) == b"*2\r\n$1\r\na\r\n$-1\r\n"
    encoder.protocol = 3
    assert encoder.protocol == 3
    assert encoder.encode({b"a": None}) == b"%1\r\n$1\r\na\r\n_\r\n"
    assert encoder.encode(None) == b"_\r\n"
    encoder.protocol = 2
    assert encoder.encode(None) == b"$-1\r\n"


@pytest.mark.parametrize("version", [0, 1, 4, -3])
def test_there_are_two_versions(version: int) -> None:
    with pytest.raises(ValueError, match="versions 2 and 3"):
        redis.RedisReplyEncoder(protocol=version)
    encoder = redis.RedisReplyEncoder(protocol=3)
    with pytest.raises(ValueError, match="versions 2 and 3"):
        encoder.protocol = version
    assert encoder.protocol == 3


@pytest.mark.parametrize("wrap", [list, lambda values: {0: values[1], 1: values[2]}, redis.Push])
def test_large_values_are_handed_on_without_copying(wrap: Any) -> None:
    value = bytes(1_000_000)
    encoded = redis.RedisReplyEncoder().encode(value)
    assert encoded[1] is value
    nested = redis.RedisReplyEncoder(protocol=3).encode(wrap([1, value, [value, b"small"]]))
    assert [piece for piece in nested if piece is value] == [value, value]
    assert isinstance(nested, list)
    assert b"".join(nested).endswith(b"*2\r\n$1000000\r\n" + value + b"\r\n$5\r\nsmall\r\n")
    verbatim = redis.RedisReplyEncoder(protocol=3).encode(redis.Verbatim("txt", value))
    assert [piece is value for piece in verbatim] == [False, True, False]


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(
    "reply",
    [
        object(),
        bytearray(b"a"),
        [1, [2, bytearray()]],
        "\ud800",
        ["\ud800"],
        {"\ud800": 1},
        {1: object()},
        1j,
        [10**5000],
        redis.Push([]),
        [redis.Push([b"a"])],
        redis.MapReply([1]),
        redis.MapReply([(1, 2, 3)]),
    ],
)
def test_what_resp_cannot_carry_is_our_error(reply: Any, protocol: int) -> None:
    with pytest.raises(EncodeError):
        _wire(reply, protocol)


def test_attributes_are_pairs() -> None:
    with pytest.raises((EncodeError, TypeError), match="list"):  # the compiled build refuses it when it is made
        _wire(redis.Attributed([1], 2), 3)  # type: ignore[arg-type]  # the mistake is the point of this test


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: [inner],
        lambda inner: {1: inner},
        lambda inner: redis.SetReply([inner]),
        lambda inner: redis.MapReply([(inner, 1)]),
        lambda inner: redis.Attributed({1: inner}, 1),
    ],
)
def test_aggregates_are_nested_as_deep_as_allowed_and_no_deeper(wrap: Any) -> None:
    encoder = redis.RedisReplyEncoder(max_depth=3, protocol=3)
    assert encoder.encode(wrap(wrap(wrap(1))))
    with pytest.raises(EncodeError, match="deeper than 3"):
        encoder.encode(wrap(wrap(wrap(wrap(1)))))
    with pytest.raises(EncodeError, match="deeper than 3"):
        encoder.encode([[[set()]]])


def test_a_list_that_holds_itself_is_found_out() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for max_depth in (32, 256):
        with pytest.raises(EncodeError, match=f"deeper than {max_depth}"):
            redis.RedisReplyEncoder(max_depth=max_depth).encode(endless)


@pytest.mark.parametrize("protocol", [2, 3])
def test_attributes_in_front_of_attributes_cost_no_stack(protocol: int) -> None:
    reply: Any = 1
    for _ in range(100_000):
        reply = redis.Attributed({}, reply)
    assert _wire(reply, protocol).endswith(b":1\r\n")
    while isinstance(reply, redis.Attributed):  # or dropping it would
        reply = reply.value


@pytest.mark.parametrize("max_depth", [0, -1, 257])
def test_an_impossible_depth_is_refused_at_once(max_depth: int) -> None:
    with pytest.raises(ValueError, match="max_depth"):
        redis.RedisReplyEncoder(max_depth=max_depth)


def test_an_impossible_length_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="max_length"):
        redis.RedisReplyEncoder(max_length=0)


_VALUE = b"v" * 1000
_LARGE = b"V" * 40_000


@pytest.mark.parametrize("reply", [[_VALUE] * 2000, [_VALUE, _LARGE] * 1100, {_VALUE: [_VALUE] * 2000}])
def test_one_value_that_is_named_again_and_again_is_not_copied_beyond_the_limit(reply: Any) -> None:
    channel = EmbeddedChannel(redis.RedisReplyEncoder(max_length=1_000_000))
    failed = channel.write(reply)
    channel.run_pending()
    assert isinstance(failed.exception(), EncodeError)
    assert "max_length" in str(failed.exception())
    for short in ([_VALUE] * 900, [_VALUE, _LARGE] * 900):
        assert channel.write_outbound(short)
        assert b"".join(channel.outbound) == _wire(short)
        channel.outbound.clear()
    channel.finish()


def test_a_reply_that_cannot_be_encoded_writes_nothing() -> None:
    channel = EmbeddedChannel(redis.RedisReplyEncoder())
    failed = channel.write([b"begun", 1.5j])
    channel.run_pending()
    assert isinstance(failed.exception(), EncodeError)
    channel.write_outbound(redis.PONG)
    assert channel.outbound == [b"+PONG\r\n"]
    channel.finish()


_replies = st.recursive(
    st.none() | st.binary(max_size=100) | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=20,
)


@given(_replies)
def test_hiredis_reads_what_was_meant(reply: Any) -> None:
    reader = hiredis.Reader()
    reader.feed(_wire(reply, 3))
    assert reader.gets() == reply
    assert reader.gets() is False


def test_hiredis_reads_errors_and_simple_strings() -> None:
    reader = hiredis.Reader()
    reader.feed(_wire([redis.OK, redis.RedisError("NOPROTO", "unsupported protocol version")]))
    ok, error = reader.gets()
    assert ok == b"OK"
    assert isinstance(error, hiredis.ReplyError)
    assert str(error) == "NOPROTO unsupported protocol version"


def test_a_reply_that_names_one_value_many_times_is_refused_before_it_takes_memory() -> None:
    encoder = redis.RedisReplyEncoder(max_length=1024 * 1024)
    inner: list[Any] = [b"a"] * 100
    for reply in ([inner] * 10_000, [redis.SetReply(inner)] * 10_000, [redis.MapReply([(b"a", b"b")] * 50)] * 10_000):
        tracemalloc.start()
        try:
            with pytest.raises(EncodeError, match="a reply has more than 1048576 bytes"):
                encoder.encode(reply)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < 6 * 1024 * 1024


def test_a_long_reply_of_small_replies_is_whole() -> None:
    reply: list[Any] = [[number, b"x", [b"y"]] for number in range(20_000)]
    assert redis.RedisReplyDecoder().feed(_wire(reply)) == [reply]
