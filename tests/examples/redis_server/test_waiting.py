"""Clients that are blocked: who is served, when, and with what; beside the real server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Both = tuple[Any, Any]


@pytest.fixture(params=["real", "ours"])
def connect(request: pytest.FixtureRequest) -> Callable[[], Any]:
    """Connections to the real server, or to ours: the test is the same."""
    connect: Callable[[], Any] = request.getfixturevalue(f"start_{request.param}")().connect
    return connect


def wait_until_blocked(asker: Any, number: int) -> None:
    while b"blocked_clients:%d\r" % number not in asker.ask("INFO", "clients"):
        pass


def test_who_came_first_is_served_first(connect: Callable[[], Any]) -> None:
    asker, *waiting = [connect() for _ in range(4)]
    for number, connection in enumerate(waiting, 1):
        connection.send([[b"BLPOP", b"other", b"list", b"0"]])
        wait_until_blocked(asker, number)
    assert asker.ask("RPUSH", "list", "a", "b") == b":2\r\n"
    assert [connection.receive() for connection in waiting[:2]] == [
        b"*2\r\n$4\r\nlist\r\n$1\r\na\r\n",
        b"*2\r\n$4\r\nlist\r\n$1\r\nb\r\n",
    ]
    assert asker.ask("EXISTS", "list") == b":0\r\n"
    assert asker.ask("LPUSH", "other", "c") == b":1\r\n"
    assert waiting[2].receive() == b"*2\r\n$5\r\nother\r\n$1\r\nc\r\n"
    wait_until_blocked(asker, 0)


def test_a_transaction_is_over_before_somebody_is_served(connect: Callable[[], Any]) -> None:
    asker, waiting = connect(), connect()
    waiting.send([[b"BRPOP", b"list", b"0"]])
    wait_until_blocked(asker, 1)
    replies = asker.ask_all(
        [[b"MULTI"], [b"RPUSH", b"list", b"a"], [b"DEL", b"list"], [b"RPUSH", b"list", b"b"], [b"EXEC"]]
    )
    assert replies[-1] == b"*3\r\n:1\r\n:1\r\n:1\r\n"
    assert waiting.receive() == b"*2\r\n$4\r\nlist\r\n$1\r\nb\r\n"


def test_something_of_another_type_serves_nobody(connect: Callable[[], Any]) -> None:
    asker, waiting = connect(), connect()
    waiting.send([[b"BLPOP", b"key", b"0"]])
    wait_until_blocked(asker, 1)
    assert asker.ask("SET", "key", "string") == b"+OK\r\n"
    assert asker.ask("DEL", "key") == b":1\r\n"
    assert asker.ask("ZADD", "key", 1, "m") == b":1\r\n"
    wait_until_blocked(asker, 1)
    assert asker.ask("RENAME", "key", "z") == b"+OK\r\n"
    assert asker.ask("RPUSH", "key", "at last") == b":1\r\n"
    assert waiting.receive() == b"*2\r\n$3\r\nkey\r\n$7\r\nat last\r\n"


def test_one_who_moves_to_a_list_serves_the_next(connect: Callable[[], Any]) -> None:
    asker, mover, waiting = connect(), connect(), connect()
    mover.send([[b"BLMOVE", b"from", b"to", b"LEFT", b"RIGHT", b"0"]])
    wait_until_blocked(asker, 1)
    waiting.send([[b"BLPOP", b"to", b"0"]])
    wait_until_blocked(asker, 2)
    assert asker.ask("RPUSH", "from", "a") == b":1\r\n"
    assert mover.receive() == b"$1\r\na\r\n"
    assert waiting.receive() == b"*2\r\n$2\r\nto\r\n$1\r\na\r\n"


def test_what_cannot_be_moved_to_its_place_stays(connect: Callable[[], Any]) -> None:
    asker, mover = connect(), connect()
    asker.ask("SET", "to", "a string")
    mover.send([[b"BLMOVE", b"from", b"to", b"LEFT", b"RIGHT", b"0"]])
    wait_until_blocked(asker, 1)
    assert asker.ask("RPUSH", "from", "a") == b":1\r\n"
    assert mover.receive().startswith(b"-WRONGTYPE")
    assert asker.ask("LRANGE", "from", 0, -1) == b"*1\r\n$1\r\na\r\n"


def test_a_sorted_set_serves_too(connect: Callable[[], Any]) -> None:
    asker, one, another = connect(), connect(), connect()
    one.send([[b"BZPOPMIN", b"z", b"0"]])
    wait_until_blocked(asker, 1)
    another.send([[b"BZMPOP", b"0", b"1", b"z", b"MAX", b"COUNT", b"5"]])
    wait_until_blocked(asker, 2)
    assert asker.ask("ZADD", "z", 1, "a", 2, "b", 3, "c") == b":3\r\n"
    assert one.receive() == b"*3\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\n1\r\n"
    assert another.receive() == b"*2\r\n$1\r\nz\r\n*2\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n"


def test_commands_behind_a_wait_are_answered_after_it(connect: Callable[[], Any]) -> None:
    asker, waiting = connect(), connect()
    waiting.send([[b"BLPOP", b"list", b"0"], [b"PING"], [b"LLEN", b"list"]])
    wait_until_blocked(asker, 1)
    asker.ask("RPUSH", "list", "a", "b")
    assert waiting.receive().endswith(b"a\r\n")
    assert waiting.receive() == b"+PONG\r\n"
    assert waiting.receive() == b":1\r\n"


def test_databases_that_are_swapped_bring_what_was_waited_for(connect: Callable[[], Any]) -> None:
    asker, waiting = connect(), connect()
    waiting.send([[b"BLPOP", b"list", b"0"]])
    wait_until_blocked(asker, 1)
    asker.ask("SELECT", 1)
    asker.ask("RPUSH", "list", "a")
    assert asker.ask("SWAPDB", 0, 1) == b"+OK\r\n"
    assert waiting.receive() == b"*2\r\n$4\r\nlist\r\n$1\r\na\r\n"


def test_one_who_went_away_gets_nothing(connect: Callable[[], Any]) -> None:
    asker, waiting = connect(), connect()
    waiting.send([[b"BLPOP", b"list", b"0"]])
    wait_until_blocked(asker, 1)
    waiting.close()
    wait_until_blocked(asker, 0)
    assert asker.ask("RPUSH", "list", "a") == b":1\r\n"
    assert asker.ask("LLEN", "list") == b":1\r\n"


def test_with_several_loops_nothing_is_lost(start_ours: Callable[..., Any]) -> None:
    server = start_ours("--loops", "2")
    asker, *waiting = [server.connect() for _ in range(5)]
    for number, connection in enumerate(waiting, 1):
        connection.send([[b"BLPOP", b"list", b"0"]])
        wait_until_blocked(asker, number)
    assert asker.ask("RPUSH", "list", *range(6)) == b":6\r\n"
    assert [connection.receive()[-3:-2] for connection in waiting] == [b"0", b"1", b"2", b"3"]
    assert asker.ask("LRANGE", "list", 0, -1) == b"*2\r\n$1\r\n4\r\n$1\r\n5\r\n"
