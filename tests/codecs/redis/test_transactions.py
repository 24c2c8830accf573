"""Replies of these commands are compared with the real server's in ``test_real_server``; here is what they do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net.codecs import redis

Connect = Callable[..., Any]


def test_a_transaction_answers_with_all_its_replies(kit: Connect) -> None:
    client = kit()
    assert client.ask("MULTI", "SET k 1", "INCR k", "SET k", "GET k") == (
        b"+OK\r\n+QUEUED\r\n+QUEUED\r\n-ERR wrong number of arguments for 'set' command\r\n+QUEUED\r\n"
    )
    assert client.ask("EXEC") == b"-EXECABORT Transaction discarded because of previous errors.\r\n"
    assert client.ask("GET k", "MULTI", "SET k 1", "INCR k", "SET k x y", "EXEC") == (
        b"$-1\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n:2\r\n-ERR syntax error\r\n"
    )
    client.finish()


@pytest.mark.parametrize(("by", "reply"), [("SET k 2", b"*-1\r\n"), ("SET other 2", b"*1\r\n+OK\r\n")])
def test_a_watched_key_that_somebody_touches_stops_the_transaction(kit: Connect, by: str, reply: bytes) -> None:
    client, other = kit(), kit()
    client.ask("WATCH k", "MULTI", "SET k mine")
    other.ask(by)
    assert client.ask("EXEC") == reply
    assert client.session.watched == {}
    assert client.session.state.watched_keys(0) == []
    assert client.ask("MULTI", "EXEC") == b"+OK\r\n*0\r\n"
    for one in (client, other):
        one.finish()


def test_a_watched_key_that_ends_by_itself_counts_as_touched(kit: Connect) -> None:
    client = kit()
    client.ask("WATCH k", "MULTI")
    client.session.state.touch(0, b"k")  # as a store does when time runs out
    assert client.ask("EXEC") == b"*-1\r\n"
    client.finish()


@pytest.mark.parametrize("farewell", ["UNWATCH", "DISCARD", "RESET"])
def test_what_is_not_watched_any_more_stops_nothing(kit: Connect, farewell: str) -> None:
    client = kit()
    client.ask("WATCH k", *(["MULTI"] if farewell == "DISCARD" else []), farewell, "SET k 1")
    assert client.ask("MULTI", "PING", "EXEC") == b"+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n"
    client.finish()


def test_who_goes_watches_nothing(kit: Connect) -> None:
    client = kit()
    client.ask("WATCH a b c")
    state = client.session.state
    assert len(state.watched_keys(0)) == 3
    client.finish()
    assert state.watched_keys(0) == []


def test_the_queue_is_bounded(kit: Connect) -> None:
    client = kit(redis.ServerState(max_transaction_size=1000))
    client.ask("MULTI", *["SET k v"] * 5)
    assert client.ask("SET k v", "SET k v") == b"-ERR a transaction is limited to 1000 bytes of commands\r\n" * 2
    assert client.session.queue == []
    assert client.ask("EXEC", "GET k") == b"-EXECABORT Transaction discarded because of previous errors.\r\n$-1\r\n"
    assert client.ask("MULTI", "SET k v", "EXEC") == b"+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n"
    client.finish()


def test_what_one_client_watches_is_bounded(kit: Connect) -> None:
    client = kit(redis.ServerState(max_watched_keys=2))
    assert client.ask("WATCH a", "WATCH b c", "UNWATCH", "WATCH c") == (
        b"+OK\r\n-ERR a client is limited to 2 watched keys\r\n+OK\r\n+OK\r\n"
    )
    client.finish()


def test_on_several_loops_nobody_gets_in_between(run_kit: Connect, dial: Callable[[str], Any]) -> None:
    server = run_kit(redis.ServerState(lock=threading.Lock()), loops=3)
    clients = [dial(server.addresses[0]) for _ in range(3)]
    for client in clients:
        client.sendall(b"MULTI\r\nINCR k\r\nINCR k\r\nEXEC\r\n" * 300 + b"QUIT\r\n")
    seen: list[tuple[int, int]] = []
    for client in clients:
        with client.makefile("rb") as lines:
            numbers = [int(line[1:]) for line in lines if line.startswith(b":")]
        seen += list(zip(numbers[::2], numbers[1::2], strict=True))
    assert all(second == first + 1 for first, second in seen)
    assert sorted(first for first, _ in seen) == list(range(1, 1800, 2))
