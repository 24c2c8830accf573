from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import PipelineError
from pipeline_net.codecs import redis

Connect = Callable[..., Any]


@pytest.mark.parametrize("name", ["databases", "max_subscriptions", "max_watched_keys", "max_transaction_size"])
def test_numbers_below_one_are_refused(name: str) -> None:
    settings: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=f"{name} must be at least 1, but is 0"):
        redis.ServerState(**settings)


def test_it_knows_who_is_connected(kit: Connect) -> None:
    one, two = kit(), kit()
    state = one.session.state
    assert state.all_sessions() == [one.session, two.session]
    assert one.session.id < two.session.id
    one.finish()
    assert state.sessions == {two.session.id: two.session}
    two.finish()


def test_listeners_hear_of_writes_that_did_not_fail_and_of_nothing_else(kit: Connect) -> None:
    client = kit()
    heard: list[tuple[Any, redis.Command]] = []
    client.session.state.on_write(lambda session, command: heard.append((session, command)))
    client.ask("GET k", "SET k v", "SET k", "SET k v x", "INCR k2", "INCR k", "PING", "del k")
    assert heard == [
        (client.session, [b"SET", b"k", b"v"]),
        (client.session, [b"INCR", b"k2"]),
        (client.session, [b"del", b"k"]),
    ]
    client.finish()


def test_a_function_may_say_what_listeners_hear(kit: Connect) -> None:
    client, waiting = kit(), kit()
    heard: list[redis.Command] = []
    client.session.state.on_write(lambda session, command: heard.append(command))
    client.ask("DEL nothing", "RPUSH q a b", "BLPOP q 0", "SET k v")
    assert heard == [[b"RPUSH", b"q", b"a", b"b"], [b"LPOP", b"q"], [b"SET", b"k", b"v"]]
    heard.clear()
    waiting.ask("BLPOP p 0")
    assert heard == []
    client.ask("RPUSH p x")
    assert heard == [[b"RPUSH", b"p", b"x"], [b"LPOP", b"p"]]
    for one in (client, waiting):
        one.finish()


def test_what_was_said_for_one_command_is_not_taken_for_the_next(kit: Connect) -> None:
    client = kit()
    heard: list[redis.Command] = []
    client.ask("DEL nothing", "FORGET k")  # nobody listens yet
    client.session.state.on_write(lambda session, command: heard.append(command))
    client.ask("SET k v", "FORGET k", "SET k w", "MULTI", "FORGET k", "SET k x", "EXEC", "BLPOP q x", "INCR n")
    assert heard == [
        *([b"SET", b"k", b"v"], [b"DEL", b"k"], [b"SET", b"k", b"w"], [b"DEL", b"k"], [b"SET", b"k", b"x"]),
        [b"INCR", b"n"],
    ]
    client.finish()


def test_listeners_hear_where_a_transaction_ends(kit: Connect) -> None:
    client = kit()
    heard: list[Any] = []
    client.session.state.on_write(lambda session, command: heard.append((command[1], session.is_executing)))
    client.session.state.on_transaction(lambda session: heard.append(session.is_executing))
    client.ask("SET a 1", "MULTI", "SET b 1", "SET c 1", "EXEC", "MULTI", "EXEC", "MULTI", "DISCARD", "SET d 1")
    assert heard == [(b"a", False), (b"b", True), (b"c", True), False, False, (b"d", False)]
    client.finish()


def test_what_comes_after_a_command_comes_after_the_whole_transaction(kit: Connect) -> None:
    client, waiting = kit(), kit()
    waiting.ask("BLPOP q 0")
    assert client.ask("MULTI", "RPUSH q a", "BLPOP q 0", "EXEC").endswith(b"*2\r\n:1\r\n*2\r\n$1\r\nq\r\n$1\r\na\r\n")
    waiting.run_pending()
    assert waiting.take() == b""
    client.ask("RPUSH q b")
    waiting.run_pending()
    assert waiting.take() == b"*2\r\n$1\r\nq\r\n$1\r\nb\r\n"
    for one in (client, waiting):
        one.finish()


def test_after_command_runs_at_once_when_none_is_running() -> None:
    state = redis.ServerState()
    ran: list[int] = []
    state.after_command(ran.append, 1)
    assert ran == [1]


def test_what_is_due_may_add_to_it() -> None:
    state = redis.ServerState()
    ran: list[int] = []

    def again(number: int) -> None:
        ran.append(number)
        if number < 3:
            state.after_command(again, number + 1)

    state.is_running = True
    state.after_command(again, 1)
    assert ran == []
    state.run_due()
    state.is_running = False
    assert ran == [1, 2, 3]


class Watcher(redis.KeyWatcher):
    def __init__(self, state: redis.ServerState) -> None:
        self.state = state
        self.heard: list[tuple[int, bytes]] = []

    def key_touched(self, database: int, key: bytes) -> None:
        self.heard.append((database, key))
        self.state.unwatch_key(database, key, self)


def test_watchers_hear_of_their_keys_and_may_stop_watching_then() -> None:
    state = redis.ServerState()
    one, two = Watcher(state), Watcher(state)
    state.watch_key(0, b"a", one)
    state.watch_key(0, b"a", two)
    state.watch_key(1, b"b", two)
    assert state.watched_keys(0) == [b"a"]
    assert state.watched_keys(1) == [b"b"]
    for database, key in ((0, b"b"), (1, b"a"), (0, b"a"), (0, b"a"), (1, b"b")):
        state.touch(database, key)
    assert one.heard == [(0, b"a")]
    assert two.heard == [(0, b"a"), (1, b"b")]
    assert state.watched_keys(0) == []
    state.unwatch_key(0, b"a", one)  # again is allowed


def test_several_loops_without_a_lock_are_found_out_when_it_matters(kit: Connect) -> None:
    state = redis.ServerState()
    one = kit(state)
    assert one.ask("WATCH k") == b"+OK\r\n"
    two = kit(state)
    with pytest.raises(PipelineError, match="2 loops share this ServerState: give it a lock"):
        one.ask("WATCH k")
    with pytest.raises(PipelineError, match="2 loops share this ServerState: give it a lock"):
        two.ask("RPUSH q x")
