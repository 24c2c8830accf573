from __future__ import annotations

from typing import Any

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net import EncodeError
from pipeline_net.codecs import redis
from pipeline_net.testing import EmbeddedChannel

REPLIES: list[tuple[redis.Reply, bytes]] = [
    (redis.OK, b"+OK\r\n"),
    (redis.RedisError("ERR", "syntax error"), b"-ERR syntax error\r\n"),
    (b"", b"$0\r\n\r\n"),
    (b"a\r\nb\xff", b"$5\r\na\r\nb\xff\r\n"),
    (b"x" * 1023, b"$1023\r\n" + b"x" * 1023 + b"\r\n"),
    (b"x" * 1024, b"$1024\r\n" + b"x" * 1024 + b"\r\n"),
    ("grün", b"$5\r\ngr\xc3\xbcn\r\n"),
    (None, b"$-1\r\n"),
    (0, b":0\r\n"),
    (1023, b":1023\r\n"),
    (1024, b":1024\r\n"),
    (-1, b":-1\r\n"),
    (2**63 - 1, b":9223372036854775807\r\n"),
    (-(2**63), b":-9223372036854775808\r\n"),
    (True, b":1\r\n"),
    (False, b":0\r\n"),
    ([], b"*0\r\n"),
    ([b"a", None, 7], b"*3\r\n$1\r\na\r\n$-1\r\n:7\r\n"),
    ((redis.OK, "b"), b"*2\r\n+OK\r\n$1\r\nb\r\n"),
    ([[], [[b"deep"]]], b"*2\r\n*0\r\n*1\r\n*1\r\n$4\r\ndeep\r\n"),
]


def _wire(reply: Any) -> bytes:
    encoded = redis.RedisReplyEncoder().encode(reply)
    return encoded if isinstance(encoded, bytes) else b"".join(encoded)


@pytest.mark.parametrize(("reply", "wire"), REPLIES, ids=[str(reply)[:20] for reply, _ in REPLIES])
def test_each_kind_of_reply_has_its_form(reply: redis.Reply, wire: bytes) -> None:
    assert _wire(reply) == wire


def test_large_values_are_handed_on_without_copying() -> None:
    value = bytes(1_000_000)
    encoded = redis.RedisReplyEncoder().encode(value)
    assert encoded[1] is value
    nested = redis.RedisReplyEncoder().encode([1, value, [value, b"small"]])
    assert [piece for piece in nested if piece is value] == [value, value]
    bulk = b"$1000000\r\n" + value + b"\r\n"
    assert isinstance(nested, list)
    assert b"".join(nested) == b"*3\r\n:1\r\n" + bulk + b"*2\r\n" + bulk + b"$5\r\nsmall\r\n"


@pytest.mark.parametrize(
    "reply", [2**63, -(2**63) - 1, 1.5, {}, {1}, object(), bytearray(b"a"), [1, [2, 3.0]], "\ud800"]
)
def test_what_resp2_cannot_carry_is_our_error(reply: Any) -> None:
    with pytest.raises(EncodeError):
        redis.RedisReplyEncoder().encode(reply)


def test_arrays_are_nested_as_deep_as_allowed_and_no_deeper() -> None:
    encoder = redis.RedisReplyEncoder(max_depth=3)
    assert encoder.encode([[[1]]]) == b"*1\r\n*1\r\n*1\r\n:1\r\n"
    with pytest.raises(EncodeError, match="deeper than 3"):
        encoder.encode([[[[]]]])


def test_a_list_that_holds_itself_is_found_out() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(EncodeError, match="deeper than 32"):
        redis.RedisReplyEncoder().encode(endless)


def test_a_depth_below_one_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="max_depth"):
        redis.RedisReplyEncoder(max_depth=0)


def test_a_reply_that_cannot_be_encoded_writes_nothing() -> None:
    channel = EmbeddedChannel(redis.RedisReplyEncoder())
    failed = channel.write([b"begun", 1.5])
    channel.run_pending()
    assert isinstance(failed.exception(), EncodeError)
    channel.write_outbound(redis.PONG)
    assert channel.outbound == [b"+PONG\r\n"]
    channel.finish()


_replies = st.recursive(
    st.none() | st.binary(max_size=100) | st.integers(-(2**63), 2**63 - 1),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=20,
)


@given(_replies)
def test_hiredis_reads_what_was_meant(reply: Any) -> None:
    reader = hiredis.Reader()
    reader.feed(_wire(reply))
    assert reader.gets() == reply
    assert reader.gets() is False


def test_hiredis_reads_errors_and_simple_strings() -> None:
    reader = hiredis.Reader()
    reader.feed(_wire([redis.OK, redis.RedisError("NOPROTO", "unsupported protocol version")]))
    ok, error = reader.gets()
    assert ok == b"OK"
    assert isinstance(error, hiredis.ReplyError)
    assert str(error) == "NOPROTO unsupported protocol version"
