from __future__ import annotations

import pytest

from pipeline_net import EncodeError
from pipeline_net.codecs import redis


def test_a_simple_string_knows_what_travels() -> None:
    assert redis.SimpleString("OK").wire == b"+OK\r\n"
    assert redis.SimpleString(b"a \xff").wire == b"+a \xff\r\n"
    assert redis.SimpleString("").wire == b"+\r\n"
    assert redis.OK.text == b"OK"


def test_an_error_knows_what_travels() -> None:
    error = redis.RedisError("WRONGTYPE", "Operation against a key holding the wrong kind of value")
    assert error.wire == b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
    assert (error.code, error.text) == ("WRONGTYPE", b"Operation against a key holding the wrong kind of value")
    assert redis.RedisError("ERR", b"unknown '\xff'").wire == b"-ERR unknown '\xff'\r\n"


@pytest.mark.parametrize("text", ["a\r\n+b", "a\n", "\r", b"a\r\n-ERR b"])
def test_a_line_break_cannot_smuggle_in_a_second_reply(text: str | bytes) -> None:
    with pytest.raises(EncodeError, match="one line"):
        redis.SimpleString(text)
    assert redis.RedisError("ERR", text).wire.count(b"\r") == 1
    assert redis.RedisError("ERR", text).wire.count(b"\n") == 1


@pytest.mark.parametrize("code", ["", "TWO WORDS", "ERR\r\n"])
def test_the_code_of_an_error_is_one_word(code: str) -> None:
    with pytest.raises(EncodeError):
        redis.RedisError(code, "text")


def test_messages_are_equal_when_they_say_the_same() -> None:
    assert redis.SimpleString("OK") == redis.OK
    assert redis.SimpleString("OK") != redis.PONG
    assert redis.OK != "OK"
    assert redis.RedisError("ERR", "a") == redis.RedisError("ERR", b"a")
    assert redis.RedisError("ERR", "a") != redis.RedisError("ERR", "b")
    assert redis.RedisError("ERR", "a") != redis.SimpleString("ERR a")
    assert len({redis.OK, redis.SimpleString("OK"), redis.RedisError("ERR", "a"), redis.RedisError("ERR", "a")}) == 2


def test_messages_say_what_they_are() -> None:
    assert repr(redis.OK) == "SimpleString(b'OK')"
    assert repr(redis.RedisError("ERR", "syntax error")) == "RedisError('ERR', b'syntax error')"
