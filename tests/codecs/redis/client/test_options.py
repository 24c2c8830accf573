"""What may be set, and what may not."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import ChannelOptions
from pipeline_net.codecs import redis


def test_everything_is_bounded_by_default() -> None:
    options = redis.ClientOptions()
    assert options.timeout == 10.0
    assert options.max_pending == 65536
    assert options.max_waiting_bytes == 64 * 1024 * 1024
    assert options.offline_limit == 1024
    assert options.ping_interval == 30.0


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"protocol": 4}, "protocol is 2 or 3, not 4"),
        ({"database": -1}, "database is a number from 0"),
        ({"database": 2**31}, "database is a number from 0"),
        ({"timeout": 0}, "timeout must be more than 0, or None, and not 0"),
        ({"timeout": float("nan")}, "timeout must be more than 0"),
        ({"ping_interval": -1.0}, "ping_interval must be more than 0, or None"),
        ({"max_pending": 0}, "max_pending must be a whole number from 1"),
        ({"max_waiting_bytes": 0}, "max_waiting_bytes must be a whole number from 1"),
        ({"offline_limit": -1}, "offline_limit must be a whole number from 0"),
        ({"backoff": 2.0, "backoff_limit": 1.0}, r"backoff \(2.0\) must not be above backoff_limit \(1.0\)"),
        ({"database": True}, "database is a number from 0 to 2147483647, not True"),
        ({"database": 1.5}, "database is a number from 0"),
        ({"max_bulk_length": 10**30}, "max_bulk_length must be from 1 to"),
        ({"max_message_length": 0}, "max_message_length must be from 1 to"),
        ({"max_depth": 1.5}, "max_depth must be a whole number, not 1.5"),
        ({"setup": "PING"}, "command 1 of setup cannot be sent: a command is a list or a tuple"),
        ({"setup": ["PING"]}, "command 1 of setup cannot be sent: a command is a list or a tuple"),
        ({"setup": [["PING"], []]}, "command 2 of setup cannot be sent: a command has at least a name"),
        ({"setup": [("CLIENT", True)]}, "command 1 of setup cannot be sent: an argument is bytes, str, int or float"),
        ({"username": "ann"}, "username 'ann' wants a password"),
    ],
)
def test_an_option_out_of_its_range_is_named(wrong: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        redis.ClientOptions(**wrong)


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(redis.ClientOptions(password="secret"))


def test_a_command_may_wait_for_ever_if_that_is_said() -> None:
    assert redis.ClientOptions(timeout=None).timeout is None


def test_reading_and_flushing_are_left_to_the_client() -> None:
    options = redis.ClientOptions(channel=ChannelOptions(auto_flush=False, auto_read=False, connect_timeout=3.0))
    assert options.channel == ChannelOptions(connect_timeout=3.0)
