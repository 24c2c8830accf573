"""Commands that would break the order of replies, and what is said to who tries."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import PipelineError
from pipeline_net.codecs.redis.client.refused import ON_A_SHARED_CONNECTION, ON_ANY_CONNECTION, check_command


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (("SUBSCRIBE", "news"), r"SUBSCRIBE cannot be used like this: .*client.subscribe\(\)"),
        ((b"psubscribe", "news"), "psubscribe cannot be used like this"),
        (("Monitor",), "seat stages of your own"),
        (("REPLCONF", "ACK", 1), "seat stages of your own"),
        (("SELECT", 1), "use ClientOptions"),
        (("HELLO", 3), "use ClientOptions"),
        (("QUIT",), r"use client.close\(\)"),
        (("CLIENT", "REPLY", "OFF"), "without replies"),
        ((b"client", b"reply", b"skip"), "without replies"),
        (("RESET",), "undoes the greeting"),
    ],
)
def test_some_commands_belong_nowhere(command: tuple[Any, ...], hint: str) -> None:
    for table in (ON_ANY_CONNECTION, ON_A_SHARED_CONNECTION):
        with pytest.raises(PipelineError, match=hint):
            check_command(command, table)


@pytest.mark.parametrize("name", ["MULTI", "exec", b"WATCH", "UNWATCH", "DISCARD"])
def test_some_belong_to_who_has_a_connection_alone(name: str | bytes) -> None:
    check_command((name,), ON_ANY_CONNECTION)
    with pytest.raises(PipelineError, match=r"client.transaction\(\), or a client of a ClientPool"):
        check_command((name,), ON_A_SHARED_CONNECTION)


@pytest.mark.parametrize("command", [("GET", "a"), (b"SET", b"a", 1), ("CLIENT", "ID"), ("CLIENT",), ("client", 5)])
def test_all_others_are_named(command: tuple[Any, ...]) -> None:
    name = command[0]
    assert check_command(command, ON_A_SHARED_CONNECTION) == (name.decode() if isinstance(name, bytes) else name)


@pytest.mark.parametrize(("command", "complaint"), [((), "at least a name"), ((5,), "is text, and not 5")])
def test_what_is_no_command_is_refused(command: tuple[Any, ...], complaint: str) -> None:
    with pytest.raises(PipelineError, match=complaint):
        check_command(command, ON_ANY_CONNECTION)
