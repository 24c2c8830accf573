"""The append-only file: what was acknowledged is there after a crash, and what is damaged is found."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_net.testing import EmbeddedChannel

Start = Callable[..., Any]
Part = Callable[[str], Any]

_EXAMPLE = Path(__file__).parent.parent.parent.parent / "examples" / "redis_server"


def wire(*words: str | bytes | int) -> bytes:
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


# -- crashes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_every_write_that_was_acknowledged_is_there_after_kill_9(
    start_ours: Start, tmp_path: Path, policy: str
) -> None:
    file = str(tmp_path / "data.aof")
    acknowledged = 0
    for _ in range(4):
        server = start_ours("--appendonly", file, "--appendfsync", policy)
        connection = server.connect()
        found = int(connection.ask("DBSIZE")[1:])
        assert found >= acknowledged  # more: written down, and the reply was still on its way
        kept = [connection.ask("GET", f"key:{number}") for number in range(acknowledged)]
        assert kept == [b"$%d\r\n%b\r\n" % (len(str(number)), str(number).encode()) for number in range(acknowledged)]
        timer = threading.Timer(0.15, server.process.send_signal, [signal.SIGKILL])
        timer.start()
        try:
            for number in itertools.count(acknowledged):
                connection.ask("SET", f"key:{number}", number)
                acknowledged = number + 1
        except (AssertionError, OSError):
            pass  # the server has been killed in the middle of it
        timer.join()
        server.kill()
    assert acknowledged > 50


@pytest.mark.parametrize("loops", ["1", "2"])
def test_many_clients_share_an_fsync_and_lose_nothing(start_ours: Start, tmp_path: Path, loops: str) -> None:
    arguments = ("--loops", loops, "--appendonly", str(tmp_path / "data.aof"), "--appendfsync", "always")
    server = start_ours(*arguments)
    connections = [server.connect() for _ in range(10)]
    for connection in connections:
        connection.send([[b"INCR", b"counter"]] * 50)
    counts = [int(connection.receive()[1:]) for connection in connections for _ in range(50)]
    assert sorted(counts) == list(range(1, 501))
    server.kill()
    assert start_ours(*arguments).connect().ask("GET", "counter") == b"$3\r\n500\r\n"


def test_what_random_commands_have_made_is_there_again(start_ours: Start, tmp_path: Path) -> None:
    arguments = ("--appendonly", str(tmp_path / "data.aof"), "--appendfsync", "no")
    server = start_ours(*arguments)
    connection = server.connect()
    commands: list[tuple[str | bytes | int, ...]] = [
        ("SET", "s", "1", "EX", 1000),
        ("INCRBYFLOAT", "s", "0.1"),
        ("SETEX", "gone", 100, "x"),
        ("EXPIRE", "gone", -1),
        ("SET", "past", "x", "PXAT", 1),
        ("APPEND", "past", "y"),
        ("SADD", "set", *range(20)),
        ("SPOP", "set", 7),
        ("SPOP", "set"),
        ("RPUSH", "list", "a", "b", "c"),
        ("BLPOP", "list", 0),
        ("BLMOVE", "list", "other", "LEFT", "RIGHT", 0),
        ("LMPOP", 1, "list", "LEFT"),
        ("ZADD", "z", "1.1", "a", "2.2", "b", "3.3", "c"),
        ("ZINCRBY", "z", "0.1", "a"),
        ("ZPOPMAX", "z"),
        ("HSET", "h", "f", "1"),
        ("HINCRBYFLOAT", "h", "f", "0.2"),
        ("COPY", "h", "h", "DB", 3),
        ("MOVE", "z", 2),
        ("GETEX", "s", "PERSIST"),
        ("GETEX", "s", "PX", 100000),
        ("SELECT", 5),
        ("SET", "five", "5"),
        ("SWAPDB", 5, 6),
        ("SELECT", 0),
        ("MULTI",),
        ("SET", "in", "transaction"),
        ("GETDEL", "in"),
        ("SET", "in", "again"),
        ("EXEC",),
        ("RENAME", "other", "renamed"),
    ]
    for command in commands:
        assert not connection.ask(*command).startswith(b"-"), command
    before = everything(connection)
    assert len(before) == 9
    server.kill()
    assert everything(start_ours(*arguments).connect()) == before


def everything(connection: Any) -> list[tuple[int, bytes, object, bytes]]:
    """What is in each database: key, value and end."""
    found = []
    reading = {
        b"+string\r\n": ("GET",),
        b"+hash\r\n": ("HGETALL",),
        b"+list\r\n": ("LRANGE", 0, -1),
        b"+set\r\n": ("SORTED SET",),
        b"+zset\r\n": ("ZRANGE", 0, -1, "WITHSCORES"),
    }
    for database in range(7):
        connection.ask("SELECT", database)
        for key in sorted(connection.ask("KEYS", "*").split(b"\r\n")[2::2]):
            name, *arguments = reading[connection.ask("TYPE", key)]
            if name == "SORTED SET":
                value: object = sorted(connection.ask("SMEMBERS", key).split(b"\r\n")[2::2])
            else:
                value = connection.ask(name, key, *arguments)
            found.append((database, key, value, connection.ask("PEXPIRETIME", key)))
    connection.ask("SELECT", 0)
    return found


def test_a_client_that_waited_is_in_the_file_too(start_ours: Start, tmp_path: Path) -> None:
    arguments = ("--appendonly", str(tmp_path / "data.aof"), "--appendfsync", "always")
    server = start_ours(*arguments)
    waiting, other = server.connect(), server.connect()
    waiting.send([[b"BRPOP", b"list", b"0"]])
    while b"blocked_clients:1" not in other.ask("INFO", "clients"):
        pass
    assert other.ask("RPUSH", "list", "a", "b") == b":2\r\n"
    assert waiting.receive() == b"*2\r\n$4\r\nlist\r\n$1\r\nb\r\n"
    server.kill()
    assert start_ours(*arguments).connect().ask("LRANGE", "list", 0, -1) == b"*1\r\n$1\r\na\r\n"


# -- damaged files --------------------------------------------------------------------------------------

WHOLE = wire("SELECT", 0) + wire("SET", "a", "1") + wire("SET", "b", "2")


def load(part: Part, path: Path) -> dict[bytes, bytes]:
    """Load a file as the server does when it starts; what is in the first database then."""
    channel = EmbeddedChannel()
    server = part("program").RedisServer(channel.loop)
    server.keep(path, "no")
    server.journal.close()
    channel.finish()
    values: dict[bytes, bytes] = server.store.databases[0].values
    return values


@pytest.mark.parametrize(
    ("tail", "why"),
    [
        (b"*", "one byte of the next command"),
        (b"*3\r", "half of its first line"),
        (b"*3\r\n", "its first line"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1", "half of a length"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$10\r\n12345", "half of a value"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n3", "all but its last line end"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n3\r", "all but its last byte"),
        (wire("MULTI") + wire("SET", "c", 3), "a transaction without EXEC"),
        (wire("MULTI") + wire("SET", "c", 3) + b"*1\r\n$4\r\nEX", "a transaction with half an EXEC"),
    ],
)
def test_an_incomplete_end_is_cut_off_with_a_warning(
    part: Part, tmp_path: Path, caplog: pytest.LogCaptureFixture, tail: bytes, why: str
) -> None:
    path = tmp_path / "data.aof"
    path.write_bytes(WHOLE + tail)
    assert load(part, path) == {b"a": b"1", b"b": b"2"}
    assert f"the last {len(tail)} bytes are an incomplete command, and are cut off" in caplog.text
    assert path.read_bytes() == WHOLE


def test_every_cut_of_a_file_loads(part: Part, tmp_path: Path) -> None:
    path = tmp_path / "data.aof"
    sizes = set()
    for end in range(len(WHOLE) + 1):
        path.write_bytes(WHOLE[:end])
        sizes.add(len(load(part, path)))
    assert sizes == {0, 1, 2}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (WHOLE.replace(b"$1\r\na", b"$2\r\na") + WHOLE, "expected the end of a word of 2 bytes"),
        (WHOLE.replace(b"*3", b"*x"), r"expected a number after '\*', not b'x'"),
        (WHOLE.replace(b"*3", b"*0"), r"expected a number after '\*', not b'0'"),
        (WHOLE.replace(b"$1\r\na", b"$99999999999\r\na"), r"expected a number after '\$', not b'99999999999'"),
        (WHOLE + bytes(100), r"expected '\*', not b'\\x00"),
        (WHOLE + b"SET c 3\r\n", r"expected '\*', not b'SET c 3"),
        (b"REDIS0011" + WHOLE, r"this is a snapshot \(RDB\)"),
        (WHOLE + wire("NONSENSE", "x") + WHOLE, "b'NONSENSE' is no command that writes"),
        (WHOLE + wire("GET", "a"), "b'GET' is no command that writes"),
        (WHOLE + wire("SET", "a"), "b'SET' with 1 arguments is no command"),
        (WHOLE + wire("LPUSH", "a", "x"), "b'LPUSH' fails: Operation against a key holding the wrong kind of value"),
        (WHOLE + wire("MULTI") + wire("LPUSH", "a", "x") + wire("EXEC"), "b'LPUSH' fails"),
    ],
)
def test_a_file_that_is_damaged_elsewhere_is_refused_and_left_alone(
    part: Part, tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = tmp_path / "data.aof"
    path.write_bytes(content)
    with pytest.raises(part("loading").CorruptedFileError, match=complaint):
        load(part, path)
    assert path.read_bytes() == content


def test_the_program_says_what_is_wrong_with_a_file_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "data.aof"
    path.write_bytes(WHOLE + b"nonsense\r\n" + WHOLE)
    command = [sys.executable, str(_EXAMPLE), "--address", "tcp://127.0.0.1:0", "--appendonly", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        f"redis_server: {path}, byte {len(WHOLE)}: expected '*', not b'nonsense\\r\\n'.  The file was left as it is\n"
    )


def test_two_servers_do_not_write_to_one_file(start_ours: Start, tmp_path: Path) -> None:
    path = tmp_path / "data.aof"
    start_ours("--appendonly", str(path)).connect()
    command = [sys.executable, str(_EXAMPLE), "--address", "tcp://127.0.0.1:0", "--appendonly", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr == f"redis_server: {path} is being written to by another server\n"


def test_ends_that_passed_while_nobody_served_do_not_change_what_came_after(part: Part, tmp_path: Path) -> None:
    path = tmp_path / "data.aof"
    path.write_bytes(wire("SET", "a", "1", "PXAT", 1) + wire("APPEND", "a", "2") + wire("SET", "b", "1"))
    channel = EmbeddedChannel()
    server = part("program").RedisServer(channel.loop)
    server.keep(path, "no")
    assert server.store.databases[0].values == {b"a": b"12", b"b": b"1"}
    channel.advance(0.001)
    assert server.store.databases[0].values == {b"b": b"1"}
    server.journal.close()
    assert path.read_bytes().endswith(wire("DEL", "a"))
    channel.finish()


# -- rewriting ------------------------------------------------------------------------------------------


def test_a_rewrite_under_load_loses_nothing_and_makes_the_file_shorter(start_ours: Start, tmp_path: Path) -> None:
    path = tmp_path / "data.aof"
    arguments = ("--appendonly", str(path), "--appendfsync", "everysec")
    server = start_ours(*arguments)
    writer, asker = server.connect(), server.connect()
    for number in range(2000):
        writer.send([[b"INCR", b"counter"], [b"RPUSH", b"list:%d" % (number % 50), b"%d" % number]])
    for _ in range(4000):
        writer.receive()
    for key in range(3):
        asker.ask("ZADD", f"z{key}", *[word for score in range(200) for word in (score / 3, f"m{score}")])
        asker.ask("HSET", f"h{key}", *range(400))
        asker.ask("SADD", f"s{key}", *range(300))
    assert path.read_bytes().count(b"INCR") == 2000
    assert asker.ask("BGREWRITEAOF") == b"+Background append only file rewriting started\r\n"
    replies = 0
    while b"aof_rewrite_in_progress:1" in asker.ask("INFO", "persistence"):
        writer.ask_all([[b"INCR", b"counter"]] * 10)  # who never reads its replies is not read from for ever
        replies += 10
    assert b"aof_last_bgrewrite_status:ok" in asker.ask("INFO", "persistence")
    assert path.read_bytes().count(b"INCR") <= replies  # what came meanwhile; the others are one SET
    writer.ask("SET", "after", "the rewrite")
    before = everything(asker)
    server.kill()
    again = start_ours(*arguments).connect()
    assert everything(again) == before
    assert again.ask("GET", "counter") == b"$4\r\n%d\r\n" % (2000 + replies)
    assert [name for name in os.listdir(tmp_path) if name.startswith("data")] == ["data.aof"]


def test_a_file_that_has_grown_is_rewritten_by_itself(start_ours: Start, tmp_path: Path) -> None:
    path = tmp_path / "data.aof"
    server = start_ours("--appendonly", str(path), "--appendfsync", "no")
    connection = server.connect()
    assert connection.ask("CONFIG", "SET", "auto-aof-rewrite-min-size", "64kb") == b"+OK\r\n"
    connection.ask_all([[b"SET", b"a", b"x" * 1000]] * 100)
    while path.stat().st_size > 60_000:
        connection.ask("PING")
    assert connection.ask("STRLEN", "a") == b":1000\r\n"


def test_a_rewrite_that_fails_leaves_everything_as_it_was(start_ours: Start, tmp_path: Path) -> None:
    path = tmp_path / "data.aof"
    (tmp_path / "data.aof.rewrite").mkdir()  # in the way
    arguments = ("--appendonly", str(path), "--appendfsync", "always")
    server = start_ours(*arguments)
    connection = server.connect()
    connection.ask("SET", "a", "1")
    connection.ask("BGREWRITEAOF")
    while b"aof_rewrite_in_progress:1" in connection.ask("INFO", "persistence"):
        pass
    assert b"aof_last_bgrewrite_status:err" in connection.ask("INFO", "persistence")
    assert connection.ask("SET", "b", "2") == b"+OK\r\n"
    assert "could not be rewritten, and goes on as it is" in server.kill()
    assert start_ours(*arguments).connect().ask("MGET", "a", "b") == b"*2\r\n$1\r\n1\r\n$1\r\n2\r\n"


# -- disks that fail ------------------------------------------------------------------------------------


def test_a_server_that_cannot_write_things_down_ends_without_acknowledging(start_ours: Start, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    path = tmp_path / "data.aof"
    path.symlink_to("/dev/full")
    server = start_ours("--appendonly", str(path), "--appendfsync", "always")
    connection = server.connect()
    assert connection.ask("PING") == b"+PONG\r\n"
    with pytest.raises((AssertionError, OSError), match=r"closed after|reset"):
        connection.ask("SET", "a", "1")
    assert server.process.wait(timeout=20) == 1
    assert "No space left on device" in server.kill()


# -- the real server ------------------------------------------------------------------------------------


def test_the_real_server_reads_the_file(start_ours: Start, start_real: Start, tmp_path: Path) -> None:
    server = start_ours("--appendonly", str(tmp_path / "appendonly.aof"), "--appendfsync", "always")
    ours = server.connect()
    ours.ask("SET", "s", "value", "EX", 1000)
    ours.ask("RPUSH", "list", *range(100))
    ours.ask("ZADD", "z", "0.1", "a", "inf", "b", "-2.5", "c")
    ours.ask("BGREWRITEAOF")
    ours.ask_all([[b"MULTI"], [b"SADD", b"set", b"1", b"2"], [b"SPOP", b"set"], [b"EXEC"], [b"SELECT", b"4"]])
    ours.ask("HSET", "h", "f", "v")
    before = everything(ours)
    server.kill()
    real = start_real("--appendonly", "yes").connect()
    while real.ask("PING").startswith(b"-LOADING"):
        pass
    assert everything(real) == before
