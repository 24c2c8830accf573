"""What COMMAND INFO says of the kit's commands is compared with the real server's in ``test_real_server``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net.codecs import redis
from pipeline_net.codecs.redis.introspection import command_docs, command_info, keys_of
from pipeline_net.testing import EmbeddedChannel

Connect = Callable[..., Any]


def _read(data: bytes) -> Any:
    (reply,) = redis.RedisReplyDecoder().feed(data)
    return reply


def test_command_describes_all_of_the_table_its_own_and_the_programs(kit: Connect) -> None:
    client = kit()
    described = _read(client.ask("COMMAND"))
    names = [entry[0] for entry in described]
    assert {b"get", b"blpop", b"ping", b"command"} <= set(names)
    assert _read(client.ask("COMMAND COUNT")) == len(names)
    assert _read(client.ask("COMMAND LIST")) == names
    assert _read(client.ask("COMMAND INFO")) == described
    client.finish()


def test_a_command_that_is_asked_for_many_times_is_described_once(kit: Connect) -> None:
    """Otherwise a request of some megabytes would make gigabytes, before the limit of a reply is looked at."""
    client = kit()
    session = client.session
    described: Any = command_info(session, [b"COMMAND", b"INFO", b"ping", b"nope", b"ping"])
    assert described[0] is described[2]
    assert described[1] is None
    documented: Any = command_docs(session, [b"COMMAND", b"DOCS", b"ping", b"nope", b"ping"])
    assert len(documented) == 2
    assert documented[0] is documented[1]
    client.finish()


def test_docs_tell_what_commands_are_for_and_their_subcommands(kit: Connect) -> None:
    client = kit()
    client.ask("HELLO 3")
    docs = _read(client.ask("COMMAND DOCS ping pubsub pubsub|numpat nope"))
    assert list(docs) == [b"ping", b"pubsub", b"pubsub|numpat"]
    assert docs[b"ping"] == {
        b"summary": b"Tells whether the server answers.",
        b"since": b"1.0.0",
        b"group": b"connection",
        b"complexity": b"O(1)",
    }
    assert docs[b"pubsub"][b"subcommands"][b"pubsub|numpat"] == docs[b"pubsub|numpat"]
    assert len(_read(client.ask("COMMAND DOCS"))) == _read(client.ask("COMMAND COUNT"))
    client.finish()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("PATTERN *ubscribe", 6),
        ("pattern CLIENT|*", 12),
        ("ACLCAT transaction", 5),
        ("ACLCAT nope", 0),
        ("MODULE x", 0),
    ],
)
def test_lists_are_filtered(kit: Connect, wanted: str, found: int) -> None:
    client = kit()
    assert len(_read(client.ask(f"COMMAND LIST FILTERBY {wanted}"))) == found
    client.finish()


@pytest.mark.parametrize(
    ("keys", "command", "found"),
    [
        ((1, 1, 1), "GET a b", "a"),
        ((1, -1, 1), "DEL a b c", "a b c"),
        ((1, -1, 2), "MSET a 1 b 2", "a b"),
        ((1, -2, 1), "BLPOP a b 0", "a b"),
        ((2, 2, 1), "OBJECT ENCODING a", "a"),
        ((0, 0, 0), "PING a", ""),
    ],
)
def test_keys_are_found_by_their_places(keys: tuple[int, int, int], command: str, found: str) -> None:
    entry = redis.CommandEntry("x", -1, _answer)
    entry.keys = keys
    assert keys_of(entry, command.encode().split()) == found.encode().split()


def _answer(session: Any, args: redis.Command) -> redis.Reply:
    return redis.OK


def _counted(args: redis.Command) -> list[bytes]:
    return args[2 : 2 + int(args[1])]


def test_a_program_may_say_itself_where_the_keys_are() -> None:
    table = redis.CommandTable()
    table.command("LMPOP", arity=-4, find_keys=_counted)(_answer)
    table.command("MAYBE", arity=-1, find_keys=lambda args: [], flags="no_mandatory_keys")(_answer)
    stack = redis.server_stack() >> redis.CommandHandler(table, redis.Session(redis.ServerState()))
    channel = EmbeddedChannel(stack)
    channel.write_inbound(
        b"COMMAND GETKEYS LMPOP 2 a b LEFT\r\nCOMMAND GETKEYS MAYBE x\r\nCOMMAND GETKEYS LMPOP 0 a b\r\n"
    )
    assert b"".join(channel.outbound) == (
        b"*2\r\n$1\r\na\r\n$1\r\nb\r\n*0\r\n-ERR Invalid arguments specified for command\r\n"
    )
    channel.finish()


@pytest.mark.parametrize("container", ["CLIENT", "COMMAND", "PUBSUB"])
def test_help_names_the_subcommands(kit: Connect, container: str) -> None:
    client = kit()
    head, *lines = [line.text.decode() for line in _read(client.ask(f"{container} HELP"))]
    assert head.startswith(f"{container} <subcommand>")
    assert "HELP" in lines
    assert lines[-1] == "    Prints this help."
    client.finish()
