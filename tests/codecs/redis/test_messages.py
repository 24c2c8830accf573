from __future__ import annotations

from typing import Any

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
    assert error.wire is error.wire
    assert (error.code, error.text) == ("WRONGTYPE", b"Operation against a key holding the wrong kind of value")
    assert redis.RedisError("ERR", b"unknown '\xff'").wire == b"-ERR unknown '\xff'\r\n"
    assert redis.RedisError("NOSCRIPT", "").wire == b"-NOSCRIPT\r\n"
    assert error.is_one_line
    assert error.line == b"WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.mark.parametrize("text", ["a\r\n+b", "a\n", "\r", b"a\r\n-ERR b"])
def test_a_line_break_cannot_smuggle_in_a_second_reply(text: str | bytes) -> None:
    with pytest.raises(EncodeError, match="one line"):
        redis.SimpleString(text)
    error = redis.RedisError("ERR", text)
    assert not error.is_one_line
    assert (error.wire.count(b"\r"), error.wire.count(b"\n")) == (1, 1)
    assert error.text == (text.encode() if isinstance(text, str) else text)


@pytest.mark.parametrize("code", ["", "TWO WORDS", "ERR\r\n", "ERR\n", "ERR\r"])
def test_the_code_of_an_error_is_one_word(code: str) -> None:
    with pytest.raises(EncodeError, match="one word"):
        redis.RedisError(code, "text")


@pytest.mark.parametrize("format_", ["", "text", "tx", "a:b", b"\xff", "gr\xfc"])
def test_the_format_of_a_verbatim_string_is_three_bytes(format_: str | bytes) -> None:
    with pytest.raises(EncodeError, match="three bytes"):
        redis.Verbatim(format_, "text")


def test_messages_are_equal_when_they_say_the_same() -> None:
    assert redis.SimpleString("OK") == redis.OK
    assert redis.SimpleString("OK") != redis.PONG
    assert redis.OK != "OK"
    assert redis.RedisError("ERR", "a") == redis.RedisError("ERR", b"a")
    assert redis.RedisError("ERR", "a") != redis.RedisError("ERR", "b")
    assert redis.RedisError("ERR", "a") != redis.SimpleString("ERR a")
    assert len({redis.OK, redis.SimpleString("OK"), redis.RedisError("ERR", "a"), redis.RedisError("ERR", "a")}) == 2
    assert redis.Verbatim("txt", "a") == redis.Verbatim(b"txt", b"a")
    assert redis.Verbatim("txt", "a") != redis.Verbatim("mkd", "a")
    assert len({redis.Verbatim("txt", "a"), redis.Verbatim("txt", "a"), redis.Verbatim("txt", "b")}) == 2
    assert redis.Attributed({}, 1) == redis.Attributed({}, 1)
    assert redis.Attributed({}, 1) != redis.Attributed({1: 2}, 1)
    assert redis.Attributed({}, 1) != 1
    with pytest.raises(TypeError, match="unhashable"):
        hash(redis.Attributed({}, 1))


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (redis.OK, "SimpleString(b'OK')"),
        (redis.RedisError("ERR", "syntax error"), "RedisError('ERR', b'syntax error')"),
        (redis.Verbatim("txt", "a"), "Verbatim(b'txt', b'a')"),
        (redis.NULL, "NULL"),
        (redis.NULL_ARRAY, "NULL_ARRAY"),
        (redis.Push([b"a"]), "Push([b'a'])"),
        (redis.SetReply([1, True]), "SetReply([1, True])"),
        (redis.MapReply([([], 1)]), "MapReply([([], 1)])"),
        (redis.Attributed({1: 2}, 3), "Attributed({1: 2}, 3)"),
    ],
)
def test_messages_say_what_they_are(message: Any, words: str) -> None:
    assert repr(message) == words


def test_nothing_is_false_and_only_itself() -> None:
    assert not redis.NULL
    assert not redis.NULL_ARRAY
    assert redis.NULL != redis.NULL_ARRAY
    assert redis.NULL is not None


@pytest.mark.parametrize("kind", [redis.Push, redis.SetReply, redis.MapReply])
def test_replies_that_are_lists_can_be_used_as_lists(kind: Any) -> None:
    reply = kind([1, 2])
    assert (len(reply), reply[0], list(reply)) == (2, 1, [1, 2])
    assert isinstance(reply, list)
