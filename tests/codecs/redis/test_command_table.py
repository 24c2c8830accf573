from __future__ import annotations

from typing import Any

from pipeline_net.codecs import redis

_ALL = """
    ping echo select auth hello quit reset multi exec discard watch unwatch subscribe unsubscribe psubscribe
    punsubscribe ssubscribe sunsubscribe publish spublish pubsub client monitor command
"""


def test_a_table_begins_with_the_commands_of_the_kit() -> None:
    assert {entry.name for entry in redis.CommandTable()} == set(_ALL.split())


def test_every_command_says_what_it_is_for() -> None:
    for entry in redis.CommandTable():
        subcommands = [] if entry.subcommands is None else list(entry.subcommands.values())
        for one in (entry, *subcommands):
            assert one.summary.endswith("."), one
            assert one.since, one


def _mine(session: Any, args: redis.Command) -> redis.Reply:
    return redis.PONG


def test_a_table_may_be_changed_without_changing_another() -> None:
    mine, other = redis.CommandTable(), redis.CommandTable()
    mine.command("CLIENT KILL", arity=2)(_mine)
    mine.command("CLIENT MINE", arity=2)(_mine)
    mine.command("PING", arity=1)(_mine)
    assert other.find([b"CLIENT", b"MINE"]) is None
    kill, ping = other.find([b"CLIENT", b"KILL"]), other.find([b"PING"])
    assert kill is not None
    assert ping is not None
    assert (kill.arity, ping.arity) == (-3, -1)
