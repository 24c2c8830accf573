"""Greetings as dialogues: what is said, what is answered, what is said then."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net.codecs import redis
from pipeline_net.codecs.redis.client.greeting import Greeting, is_passing

_OK = redis.OK
_INFO = {b"server": b"redis", b"proto": 3}
_UNKNOWN = redis.RedisError("ERR", "unknown command 'HELLO', with args beginning with: '3' ")
_NO_RESP3 = redis.RedisError("NOPROTO", "unsupported protocol version")

# Options, then what is asked and what is answered, in turn, and the protocol that came of it.
_DIALOGUES: list[tuple[dict[str, Any], list[list[Any]], int]] = [
    ({}, [[["HELLO", 3]], [_INFO]], 3),
    ({}, [[["HELLO", 3]], [_UNKNOWN]], 2),
    ({"protocol": 2}, [], 2),
    (
        {"password": "p", "name": "me"},
        [[["HELLO", 3, "AUTH", "default", "p", "SETNAME", "me"]], [_INFO]],
        3,
    ),
    (
        {"username": "ann", "password": "p", "database": 5},
        [[["HELLO", 3, "AUTH", "ann", "p"]], [_INFO], [["SELECT", 5]], [_OK]],
        3,
    ),
    (
        {"username": "ann", "password": "p", "name": "me", "database": 5},
        [
            [["HELLO", 3, "AUTH", "ann", "p", "SETNAME", "me"]],
            [_NO_RESP3],
            [["AUTH", "ann", "p"], ["CLIENT", "SETNAME", "me"], ["SELECT", 5]],
            [_OK, _OK, _OK],
        ],
        2,
    ),
    ({"protocol": 2, "password": "p"}, [[["AUTH", "p"]], [_OK]], 2),
    (
        {"setup": [("CLIENT", "TRACKING", "ON")]},
        [[["HELLO", 3]], [_INFO], [("CLIENT", "TRACKING", "ON")], [_OK]],
        3,
    ),
]


@pytest.mark.parametrize(("options", "dialogue", "protocol"), _DIALOGUES)
def test_a_dialogue(options: dict[str, Any], dialogue: list[list[Any]], protocol: int) -> None:
    greeting = Greeting(redis.ClientOptions(**options))
    asked = greeting.begin()
    for question, answer in zip(dialogue[::2], dialogue[1::2], strict=True):
        assert asked == question
        asked = greeting.answered(answer)
    assert asked == []
    assert greeting.protocol == protocol
    assert greeting.server == (_INFO if protocol == 3 else {})


def test_a_connection_that_only_listens_needs_no_database_and_no_setup() -> None:
    options = redis.ClientOptions(database=5, setup=[("CLIENT", "TRACKING", "ON")])
    greeting = Greeting(options, with_setup=False)
    assert greeting.begin() == [["HELLO", 3]]
    assert greeting.answered([_INFO]) == []


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (redis.RedisError("WRONGPASS", "invalid username-password pair or user is disabled."), False),
        (redis.RedisError("NOAUTH", "HELLO must be called with the client already authenticated"), False),
        (redis.RedisError("DENIED", "Redis is running in protected mode"), False),
        (redis.RedisError("LOADING", "Redis is loading the dataset in memory"), True),
        (redis.RedisError("MASTERDOWN", "Link with MASTER is down"), True),
        (redis.RedisError("ERR", "max number of clients reached"), True),
        (redis.RedisError("ERR", "Syntax error in HELLO"), False),
    ],
)
def test_a_refusal_passes_or_does_not(error: redis.RedisError, passes: bool) -> None:
    greeting = Greeting(redis.ClientOptions())
    greeting.begin()
    with pytest.raises(redis.ReplyError, match=error.code) as caught:
        greeting.answered([error])
    assert is_passing(caught.value) is passes


def test_a_setup_command_that_fails_refuses_the_connection_and_is_named() -> None:
    greeting = Greeting(redis.ClientOptions(database=99))
    greeting.begin()
    greeting.answered([_INFO])
    with pytest.raises(redis.ReplyError, match="SELECT: ERR DB index is out of range"):
        greeting.answered([redis.RedisError("ERR", "DB index is out of range")])
