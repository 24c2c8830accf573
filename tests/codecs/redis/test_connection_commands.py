"""Replies of these commands are compared with the real server's in ``test_real_server``; here is what they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net.codecs import redis

Connect = Callable[..., Any]


def test_quit_answers_what_was_asked_before_and_nothing_after(kit: Connect) -> None:
    client = kit()
    assert client.ask("PING", "QUIT", "PING") == b"+PONG\r\n+OK\r\n"
    assert not client.is_open


def test_a_database_is_chosen_for_this_client_alone(kit: Connect) -> None:
    client, other = kit(), kit()
    assert client.ask("SELECT 3", "SET k v", "GET k") == b"+OK\r\n+OK\r\n$1\r\nv\r\n"
    assert other.ask("GET k") == b"$-1\r\n"
    for one in (client, other):
        one.finish()


def test_there_are_as_many_databases_as_were_asked_for(kit: Connect) -> None:
    client = kit(redis.ServerState(databases=2))
    assert client.ask("SELECT 1", "SELECT 2") == b"+OK\r\n-ERR DB index is out of range\r\n"
    client.finish()


def test_hello_changes_the_protocol_of_replies_that_follow_its_own_included(kit: Connect) -> None:
    client = kit(redis.ServerState(version="9.9.9"))
    reply = client.ask("CLIENT GETNAME", "HELLO 3", "CLIENT GETNAME", "HELLO 2 SETNAME bob", "CLIENT GETNAME")
    assert reply.startswith(b"$-1\r\n%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n9.9.9\r\n")
    assert b"*0\r\n_\r\n*14\r\n" in reply
    assert reply.endswith(b"*0\r\n$3\r\nbob\r\n")
    client.finish()


@pytest.mark.parametrize("password", ["secret", b"secret"])
def test_nothing_works_before_the_password_but_what_must(kit: Connect, password: str | bytes) -> None:
    client = kit(redis.ServerState(password=password))
    refused = b"-NOAUTH Authentication required.\r\n"
    wrong = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    assert client.ask("SET k v", "AUTH wrong", "PING", "AUTH secretx", "AUTH SECRET", "AUTH secre") == (
        refused + wrong + refused + wrong * 3
    )
    assert client.ask("AUTH secret", "PING", "AUTH wrong", "PING", "RESET", "PING") == (
        b"+OK\r\n+PONG\r\n" + wrong + b"+PONG\r\n+RESET\r\n" + refused
    )
    assert client.ask("HELLO 3 AUTH default secret").startswith(b"%7\r\n")
    assert client.session.is_authenticated
    client.finish()


def test_reset_makes_all_as_it_was(kit: Connect) -> None:
    client, other = kit(), kit()
    client.ask("HELLO 3 SETNAME bob", "SELECT 2", "SUBSCRIBE a", "WATCH k", "CLIENT NO-EVICT ON", "MONITOR", "MULTI")
    assert client.ask("RESET") == b"+RESET\r\n"
    session = client.session
    assert (session.protocol, session.name, session.database, session.special) == (2, b"", 0, 0)
    assert session.was_reset == 1
    assert session.state.watched_keys(2) == []
    assert other.ask("PUBLISH a b") == b":0\r\n"
    assert client.ask("CLIENT GETNAME", "EXEC") == b"$-1\r\n-ERR EXEC without MULTI\r\n"
    for one in (client, other):
        one.finish()
