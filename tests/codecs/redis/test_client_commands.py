"""Replies of these commands are compared with the real server's in ``test_real_server``; here is what they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net.codecs import redis

Connect = Callable[..., Any]


def _facts(line: bytes) -> dict[str, str]:
    return dict(fact.split("=", 1) for fact in line.decode().split())


def _lines(reply: bytes) -> list[dict[str, str]]:
    head, _, rest = reply.partition(b"\r\n")
    assert head == b"$%d" % (len(rest) - 2)
    return [_facts(line) for line in rest.strip().split(b"\n") if line]


def test_client_list_tells_who_is_connected(kit: Connect) -> None:
    one = kit(remote_address=("192.0.2.1", 4711), local_address=("192.0.2.9", 6379))
    two = kit()
    one.ask("CLIENT SETNAME bob", "SELECT 3", "HELLO 3")
    two.ask("SUBSCRIBE a b", "PSUBSCRIBE c", "SSUBSCRIBE d")
    one.advance(5.0)
    first, second = _lines(one.ask("CLIENT LIST"))
    expected = {"id": str(one.session.id), "addr": "192.0.2.1:4711", "laddr": "192.0.2.9:6379", "name": "bob"}
    assert first.items() >= (expected | {"age": "5", "idle": "5", "db": "3", "flags": "N", "resp": "3"}).items()
    assert first["cmd"] == "client|list"
    assert second.items() >= {"sub": "2", "psub": "1", "ssub": "1", "flags": "PU", "cmd": "ssubscribe"}.items()
    for client in (one, two):
        client.finish()


def test_client_list_chooses(kit: Connect) -> None:
    one, two = kit(), kit()
    two.ask("SUBSCRIBE a")
    for options, sessions in (
        ("", [one, two]),
        ("TYPE pubsub", [two]),
        ("TYPE NORMAL", [one]),
        (f"ID {two.session.id} 999 {one.session.id}", [two, one]),
    ):
        found = _lines(one.ask(f"CLIENT LIST {options}".strip()))
        assert [facts["id"] for facts in found] == [str(client.session.id) for client in sessions]
    for client in (one, two):
        client.finish()


def test_the_flags_of_a_client(kit: Connect) -> None:
    client, other = kit(local_address=("::1", 1)), kit()
    line = f"CLIENT LIST ID {client.session.id}"
    for commands, flags in (
        (["PING"], "N"),
        (["CLIENT NO-EVICT ON"], "e"),
        (["WATCH k", "SET k 1", "MULTI"], "xde"),
        (["RESET", "BLPOP q 0"], "b"),
    ):
        client.ask(*commands)
        assert _lines(other.ask(line))[0]["flags"] == flags
    for one in (client, other):
        one.finish()


@pytest.mark.parametrize(
    ("filters", "killed"),
    [
        ("ID {one}", [0]),
        ("ID 999", []),
        ("TYPE pubsub", [1]),
        ("ADDR 192.0.2.1:1", [0]),
        ("LADDR 192.0.2.9:6379", [1]),
        ("TYPE pubsub ADDR 192.0.2.1:1", []),
        ("USER default", [0, 1]),
        ("SKIPME yes", [0, 1]),
    ],
)
def test_kill_closes_those_whom_all_filters_mean(kit: Connect, filters: str, killed: list[int]) -> None:
    one = kit(remote_address=("192.0.2.1", 1))
    two = kit(local_address=("192.0.2.9", 6379))
    killer = kit()
    two.ask("SUBSCRIBE a")
    command = "CLIENT KILL " + filters.format(one=one.session.id)
    assert killer.ask(command) == b":%d\r\n" % len(killed)
    for number, client in enumerate((one, two)):
        client.run_pending()
        assert client.is_open is (number not in killed)
        assert client.session.has_closed is (number in killed)
    assert killer.ask(command) == (b":%d\r\n" % 0)
    for client in (one, two, killer):
        if client.is_open:
            client.finish()


def test_who_kills_itself_is_told_so_first(kit: Connect) -> None:
    client = kit(remote_address=("192.0.2.1", 1))
    assert client.ask("CLIENT KILL 192.0.2.1:1", "PING") == b"+OK\r\n+PONG\r\n"
    assert not client.is_open
    another = kit()
    assert another.ask("CLIENT KILL USER default SKIPME no") == b":1\r\n"
    assert not another.is_open


def test_who_does_not_read_is_killed_without_waiting(kit: Connect) -> None:
    slow, killer = kit(), kit()
    slow.peer_window = 0
    slow.ask("PING")
    assert killer.ask(f"CLIENT KILL ID {slow.session.id}") == b":1\r\n"
    assert slow.is_aborted
    killer.finish()


def test_kill_reaches_other_loops(run_kit: Connect, dial: Callable[[str], Any]) -> None:
    server = run_kit(loops=2)
    one, two = dial(server.addresses[0]), dial(server.addresses[0])
    one.sendall(b"CLIENT ID\r\n")
    number = int(one.recv(100)[1:])
    two.sendall(b"CLIENT KILL ID %d\r\n" % number)
    assert two.recv(100) == b":1\r\n"
    assert one.recv(100) == b""


@pytest.mark.parametrize(
    ("how", "reply"),
    [
        ("", b"*-1\r\n"),
        (" TIMEOUT", b"*-1\r\n"),
        (" error", b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"),
    ],
)
def test_unblock_ends_the_waiting(kit: Connect, how: str, reply: bytes) -> None:
    waiting, other = kit(), kit()
    waiting.ask("BLPOP q 0", "PING")
    command = f"CLIENT UNBLOCK {waiting.session.id}{how}"
    assert other.ask(command, command) == b":1\r\n:0\r\n"
    waiting.run_pending()
    assert waiting.take() == reply + b"+PONG\r\n"
    assert waiting.store.withdrawn == [waiting.session]
    for one in (waiting, other):
        one.finish()


def test_unblock_of_somebody_who_is_paused_does_nothing(kit: Connect) -> None:
    client, other = kit(), kit()
    other.ask("CLIENT PAUSE 1000 WRITE")
    client.ask("SET k v")
    assert other.ask(f"CLIENT UNBLOCK {client.session.id}") == b":0\r\n"
    for one in (client, other):
        one.finish()


def test_a_pause_of_an_age_is_taken(kit: Connect) -> None:
    client = kit()
    assert client.ask("CLIENT PAUSE 9223372036854775807 WRITE", "PING") == b"+OK\r\n+PONG\r\n"
    assert client.ask("SET k v") == b""
    client.finish()


def test_replies_may_be_left_out(kit: Connect) -> None:
    client = kit()
    assert client.ask("CLIENT REPLY OFF", "PING", "SET k v", "NOPE") == b""
    assert client.ask("CLIENT REPLY ON", "CLIENT REPLY SKIP", "PING", "GET k") == b"+OK\r\n$1\r\nv\r\n"
    client.finish()


def test_a_server_with_a_client_that_said_nothing_yet(kit: Connect) -> None:
    silent, other = kit(), kit()
    assert _lines(other.ask(f"CLIENT LIST ID {silent.session.id}"))[0]["cmd"] == "NULL"
    assert isinstance(silent.session, redis.Session)
    for one in (silent, other):
        one.finish()
