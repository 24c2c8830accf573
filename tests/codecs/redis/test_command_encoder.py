from __future__ import annotations

from typing import Any

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net import EncodeError
from pipeline_net.codecs import redis
from pipeline_net.testing import EmbeddedChannel, check_codec


def _wire(request: Any) -> bytes:
    encoded = redis.RedisCommandEncoder().encode(request)
    return encoded if isinstance(encoded, bytes) else b"".join(encoded)


@pytest.mark.parametrize(
    ("request_", "wire"),
    [
        ([b"PING"], b"*1\r\n$4\r\nPING\r\n"),
        (("SET", "schlüssel", b"\xff"), b"*3\r\n$3\r\nSET\r\n$10\r\nschl\xc3\xbcssel\r\n$1\r\n\xff\r\n"),
        (["EXPIRE", b"key", 10], b"*3\r\n$6\r\nEXPIRE\r\n$3\r\nkey\r\n$2\r\n10\r\n"),
        ([b"INCRBYFLOAT", "", 0.1], b"*3\r\n$11\r\nINCRBYFLOAT\r\n$0\r\n\r\n$3\r\n0.1\r\n"),
        ([b"A", -(2**70)], b"*2\r\n$1\r\nA\r\n$23\r\n-1180591620717411303424\r\n"),
        ([b"A", float("inf"), 1e22], b"*3\r\n$1\r\nA\r\n$3\r\ninf\r\n$5\r\n1e+22\r\n"),
        (["a"] * 100, b"*100\r\n" + b"$1\r\na\r\n" * 100),
        ([b"ECHO", b"x\r\n*1\r\n$8\r\nFLUSHALL\r\n"], b"*2\r\n$4\r\nECHO\r\n$21\r\nx\r\n*1\r\n$8\r\nFLUSHALL\r\n\r\n"),
    ],
)
def test_a_request_is_an_array_of_bulk_strings(request_: Any, wire: bytes) -> None:
    assert _wire(request_) == wire


@pytest.mark.parametrize(
    "request_",
    [
        [],
        (),
        b"PING",
        "PING",
        None,
        {b"PING": 1},
        [None],
        [True],
        [b"SET", bytearray(b"a")],
        [b"SET", [b"a"]],
        ["\ud800"],
        [b"A", 10**5000],
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_command_is_our_error(request_: Any) -> None:
    with pytest.raises(EncodeError):
        _wire(request_)


def test_a_command_has_as_many_words_as_allowed_and_no_more() -> None:
    encoder = redis.RedisCommandEncoder(max_elements=3)
    assert encoder.encode([b"a"] * 3) == b"*3\r\n" + b"$1\r\na\r\n" * 3
    with pytest.raises(EncodeError, match="4 words is over the limit of 3"):
        encoder.encode([b"a"] * 4)
    with pytest.raises(ValueError, match="max_elements"):
        redis.RedisCommandEncoder(max_elements=0)


def test_large_arguments_are_handed_on_without_copying() -> None:
    value = bytes(100_000)
    encoded = redis.RedisCommandEncoder().encode([b"SET", b"key", value, b"EX", 10])
    assert [piece is value for piece in encoded] == [False, True, False]
    assert _wire([b"SET", value, value]).count(value) == 2


def test_a_request_that_cannot_be_encoded_writes_nothing() -> None:
    channel = EmbeddedChannel(redis.RedisCommandEncoder())
    failed = channel.write([b"SET", b"key", None])
    channel.run_pending()
    assert isinstance(failed.exception(), EncodeError)
    channel.write_outbound([b"PING"])
    assert channel.outbound == [b"*1\r\n$4\r\nPING\r\n"]
    channel.finish()


def test_the_decoder_of_a_server_reads_it_however_it_is_cut() -> None:
    check_codec(
        lambda: [redis.RedisCommandDecoder(), redis.RedisCommandEncoder()],
        [[b"PING"], [b"SET", b"key", b"a\r\nb\0"], [b"", b""], [b"MSET", *[b"x"] * 70]],
    )


_words = st.lists(
    st.binary(max_size=50) | st.text(max_size=20) | st.integers() | st.floats(allow_nan=False), min_size=1, max_size=20
)


@given(_words)
def test_hiredis_writes_the_same(words: list[Any]) -> None:
    assert _wire(words) == hiredis.pack_command(tuple(words))


@given(st.lists(st.lists(st.binary(max_size=300), min_size=1, max_size=20), min_size=1, max_size=5))
def test_what_is_asked_is_what_a_server_reads(requests: list[list[bytes]]) -> None:
    assert redis.RedisCommandDecoder().feed(b"".join(map(_wire, requests))) == requests
