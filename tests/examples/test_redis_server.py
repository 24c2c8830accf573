"""The Redis example, talked to by real clients; and, in virtual time, its words compared with the real server's."""

from __future__ import annotations

import importlib
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from pipeline_net.testing import EmbeddedChannel

_EXAMPLES = Path(__file__).parent.parent.parent / "examples"

Start = Callable[..., str]


def _needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.fixture
def port(start_example: Start) -> int:
    return _port(start_example("redis_server"))


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _cli(port: int, *words: str) -> str:
    done = subprocess.run(
        ["redis-cli", "-p", str(port), *words], capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.strip()


@_needs("redis-cli")
def test_redis_cli_sets_and_gets(port: int) -> None:
    assert _cli(port, "SET", "greeting", "hello") == "OK"
    assert _cli(port, "GET", "greeting") == "hello"
    assert _cli(port, "INCR", "visits") == "1"
    assert _cli(port, "DEL", "greeting", "visits") == "2"
    assert _cli(port, "GET", "greeting") == ""
    assert _cli(port, "NONSENSE", "x") == "ERR unknown command 'NONSENSE', with args beginning with: 'x'"


@_needs("redis-cli")
def test_redis_cli_starts_cleanly_when_somebody_types(port: int) -> None:
    done = subprocess.run(
        ["redis-cli", "-p", str(port)],
        input="PING\nSELECT 0\nCOMMAND COUNT\nQUIT\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    pong, ok, count = done.stdout.split()
    assert (pong, ok) == ("PONG", "OK")
    assert int(count) >= 20
    assert done.stderr == ""


@_needs("redis-cli")
def test_a_value_of_megabytes_survives_redis_cli(port: int) -> None:
    value = "0123456789abcdef" * 262_144
    command = ["redis-cli", "-p", str(port), "-x", "SET", "large"]
    done = subprocess.run(command, input=value, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "OK\n"
    assert _cli(port, "GET", "large") == value


@_needs("redis-benchmark")
def test_redis_benchmark_finds_no_error(port: int) -> None:
    command = ["redis-benchmark", "-p", str(port), "-t", "set,get,ping", "-n", "100000", "-P", "16", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    rows = [row.rpartition("\r")[2] for row in done.stdout.splitlines() if "requests per second" in row]
    assert [row.partition(":")[0].strip() for row in rows] == ["PING_INLINE", "PING_MBULK", "SET", "GET"]
    assert "rror" not in done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr


@_needs("nc")
def test_somebody_with_nc_types_commands(port: int) -> None:
    typed = b'SET "my key" \'two words\'\r\nGET "my key"\nQUIT\n'
    done = subprocess.run(["nc", "127.0.0.1", str(port)], input=typed, capture_output=True, timeout=30, check=True)
    assert done.stdout == b"+OK\r\n$9\r\ntwo words\r\n+OK\r\n"


@_needs("nc")
def test_somebody_with_nc_is_told_what_was_wrong(port: int) -> None:
    done = subprocess.run(
        ["nc", "127.0.0.1", str(port)], input=b"PING\n*1\r\n$x", capture_output=True, timeout=30, check=True
    )
    assert done.stdout == b"+PONG\r\n-ERR Protocol error: invalid bulk length\r\n"


def test_the_usual_client_library_gets_along(port: int) -> None:
    with redis.Redis(port=port, protocol=2) as client:
        assert client.ping()
        assert client.set("name", "grün", px=60_000)
        assert client.get("name") == "grün".encode()
        assert 0 < int(client.pttl("name")) <= 60_000
        assert client.delete("name", "counter") in (1, 2)
        with client.pipeline(transaction=False) as pipeline:
            for _ in range(1000):
                pipeline.incr("counter")
            assert pipeline.execute() == list(range(1, 1001))
        assert client.mset({"a": 1, "b": 2})
        assert client.mget("a", "nothing", "b") == [b"1", None, b"2"]
        with pytest.raises(redis.ResponseError, match="not an integer"):
            client.execute_command("INCRBY", "a", "x")
        assert client.flushall()
        assert client.dbsize() == 0


@pytest.mark.parametrize("loops", ["1", "2"])
def test_clients_never_lose_a_count(start_example: Start, loops: str) -> None:
    port = _port(start_example("redis_server", "--loops", loops))
    sockets = [_connect(port) for _ in range(4)]
    for sock in sockets:
        sock.sendall(b"INCR counter\nSET other x PX 1\n" * 1000)
        sock.shutdown(socket.SHUT_WR)
    counts: list[int] = []
    for sock in sockets:
        with sock, sock.makefile("rb") as replies:
            counts += [int(line[1:]) for line in replies if line != b"+OK\r\n"]
    assert sorted(counts) == list(range(1, 4001))


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def test_a_key_ends_while_nobody_asks_for_it(port: int) -> None:
    with redis.Redis(port=port, protocol=2) as client:
        client.flushall()
        client.set("short", "1", px=20)
        client.set("long", "1", ex=1000)
        while client.dbsize() == 2:  # only a timer can end this; the suite's timeout is the limit
            client.ping()
        assert client.keys() == [b"long"]


def test_a_client_that_half_closes_gets_every_reply(port: int) -> None:
    with _connect(port) as sock:
        sock.sendall(b"PING\n" * 10_000)
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as replies:
            assert replies.read() == b"+PONG\r\n" * 10_000


# -- the words of the real server -----------------------------------------------------------------------

# What redis-server 7.0.15 answers to these lines, in this order, on one connection.  Empty: it closes without a word.
TRANSCRIPT: list[tuple[bytes, bytes]] = [
    (b"ping", b"+PONG"),
    (b"PiNg a", b"$1\r\na"),
    (b"ping a b", b"-ERR wrong number of arguments for 'ping' command"),
    (b"echo", b"-ERR wrong number of arguments for 'echo' command"),
    (b"set a", b"-ERR wrong number of arguments for 'set' command"),
    (b"get a b", b"-ERR wrong number of arguments for 'get' command"),
    (b"set a 1 ex", b"-ERR syntax error"),
    (b"set a 1 ex 0", b"-ERR invalid expire time in 'set' command"),
    (b"set a 1 px -1", b"-ERR invalid expire time in 'set' command"),
    (b"set a 1 ex x", b"-ERR value is not an integer or out of range"),
    (b"set a 1 px 99999999999999999999", b"-ERR value is not an integer or out of range"),
    (b"set a 1 ex 9223372036854775807", b"-ERR invalid expire time in 'set' command"),
    (b"set a 1 px 9223372036854775807", b"-ERR invalid expire time in 'set' command"),
    (b"set a 1 ex 10 px 10", b"-ERR syntax error"),
    (b"set a 1 ex 10 ex 20", b"+OK"),
    (b"ttl a", b":20"),
    (b"set a 1 nx xx", b"-ERR syntax error"),
    (b"set a 1 foo", b"-ERR syntax error"),
    (b"set a 1 keepttl ex 10", b"-ERR syntax error"),
    (b"set a 1 ex 10 keepttl", b"-ERR syntax error"),
    (b"set a 2 keepttl", b"+OK"),
    (b"ttl a", b":20"),
    (b"incr a", b":3"),
    (b"ttl a", b":20"),
    (b"set a 3", b"+OK"),
    (b"ttl a", b":-1"),
    (b"set a 4 nx", b"$-1"),
    (b"set b 4 xx", b"$-1"),
    (b"set a 5 get", b"$1\r\n3"),
    (b"set zz 5 get", b"$-1"),
    (b"set a 6 nx get", b"$1\r\n5"),
    (b"set zy 6 nx get", b"$-1"),
    (b"set a 7 xx get", b"$1\r\n5"),
    (b"get a", b"$1\r\n7"),
    (b"get nope", b"$-1"),
    (b"del a b c", b":1"),
    (b"exists zz zz a", b":2"),
    (b"incr n", b":1"),
    (b"decr n", b":0"),
    (b"incrby n x", b"-ERR value is not an integer or out of range"),
    (b"incrby n 01", b"-ERR value is not an integer or out of range"),
    (b"incrby n 9223372036854775807", b":9223372036854775807"),
    (b"incr n", b"-ERR increment or decrement would overflow"),
    (b"decrby n -9223372036854775808", b"-ERR decrement would overflow"),
    (b"decrby n 7", b":9223372036854775800"),
    (b'set s " 1"', b"+OK"),
    (b"incr s", b"-ERR value is not an integer or out of range"),
    (b"set s -0", b"+OK"),
    (b"incr s", b"-ERR value is not an integer or out of range"),
    (b"set s -9223372036854775808", b"+OK"),
    (b"decr s", b"-ERR increment or decrement would overflow"),
    (b"set s 9223372036854775808", b"+OK"),
    (b"incr s", b"-ERR value is not an integer or out of range"),
    (b"expire nope 10", b":0"),
    (b"expire n x", b"-ERR value is not an integer or out of range"),
    (b"expire n 10", b":1"),
    (b"ttl n", b":10"),
    (b"expire n 9223372036854775807", b"-ERR invalid expire time in 'expire' command"),
    (b"expire n -9223372036854775808", b"-ERR invalid expire time in 'expire' command"),
    (b"pexpire n 9223372036854775807", b"-ERR invalid expire time in 'pexpire' command"),
    (b"expire n 5 foo", b"-ERR Unsupported option foo"),
    (b'expire n 5 "a\\r\\nb"', b"-ERR Unsupported option a  b"),
    (b"persist n", b":1"),
    (b"persist n", b":0"),
    (b"persist nope", b":0"),
    (b"ttl n", b":-1"),
    (b"pttl nope", b":-2"),
    (b"pexpire zz 1500", b":1"),
    (b"pttl zz", b":1500"),
    (b"ttl zz", b":2"),
    (b"expire zz -1", b":1"),
    (b"exists zz", b":0"),
    (b"expire n 0", b":1"),
    (b"keys z*", b"*1\r\n$2\r\nzy"),
    (b"mget zy nope zy", b"*3\r\n$1\r\n6\r\n$-1\r\n$1\r\n6"),
    (b"mset a", b"-ERR wrong number of arguments for 'mset' command"),
    (b"mset a 1 b", b"-ERR wrong number of arguments for 'mset' command"),
    (b"mset a 1 b 2", b"+OK"),
    (b"dbsize", b":4"),
    (b"dbsize x", b"-ERR wrong number of arguments for 'dbsize' command"),
    (b"flushdb foo", b"-ERR syntax error"),
    (b"flushall async x", b"-ERR syntax error"),
    (b"flushdb async", b"+OK"),
    (b"dbsize", b":0"),
    (b"select 0", b"+OK"),
    (b"select -1", b"-ERR DB index is out of range"),
    (b"select x", b"-ERR value is not an integer or out of range"),
    (b"select 2147483648", b"-ERR value is out of range, value must between -2147483648 and 2147483647"),
    (b"move x 16", b"-ERR DB index is out of range"),
    (b"move x 2147483648", b"-ERR value is out of range, value must between -2147483648 and 2147483647"),
    (b"copy x y db 2147483648", b"-ERR value is out of range, value must between -2147483648 and 2147483647"),
    (b"zincrby x nx m", b"-ERR syntax error"),
    (b"zincrby x foo m", b"-ERR value is not a valid float"),
    (b"config", b"-ERR wrong number of arguments for 'config' command"),
    (b"config get", b"-ERR wrong number of arguments for 'config|get' command"),
    (b"config foo", b"-ERR unknown subcommand 'foo'. Try CONFIG HELP."),
    (b'config "g\\r\\net"', b"-ERR unknown subcommand 'g  et'. Try CONFIG HELP."),
    (b"config get SAVE", b"*2\r\n$4\r\nsave\r\n$0\r\n"),
    (b"config get append?nly nonsense", b"*2\r\n$10\r\nappendonly\r\n$2\r\nno"),
    (b"command foo", b"-ERR unknown subcommand 'foo'. Try COMMAND HELP."),
    (b"client getname", b"$-1"),
    (b"client setname foo", b"+OK"),
    (b"client getname", b"$3\r\nfoo"),
    (b'client setname "a b"', b"-ERR Client names cannot contain spaces, newlines or special characters."),
    (b"client setname", b"-ERR wrong number of arguments for 'client|setname' command"),
    (b"client id a", b"-ERR wrong number of arguments for 'client|id' command"),
    (b"hello x", b"-ERR Protocol version is not an integer or out of range"),
    (b"hello 4", b"-NOPROTO unsupported protocol version"),
    (b"hello 2 x", b"-ERR Syntax error in HELLO option 'x'"),
    (b"info nonsense", b"$0\r\n"),
    (b"foo", b"-ERR unknown command 'foo', with args beginning with: "),
    (b"FoO \"a\\r\\nb\" 'c'", b"-ERR unknown command 'FoO', with args beginning with: 'a  b' 'c' "),
    (b'foo "a\\x00b" c', b"-ERR unknown command 'foo', with args beginning with: 'a' 'c' "),
    (b"foo %b b" % (b"a" * 140), b"-ERR unknown command 'foo', with args beginning with: '%b' " % (b"a" * 128)),
    (b"foo %b bc d" % (b"a" * 123), b"-ERR unknown command 'foo', with args beginning with: '%b' 'bc' " % (b"a" * 123)),
    (b'"fo\\r\\no"', b"-ERR unknown command 'fo  o', with args beginning with: "),
    (b"quit now", b"+OK"),
]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The example as modules; its folder is a package when the one above is on the path."""
    monkeypatch.syspath_prepend(str(_EXAMPLES))
    return importlib.import_module("redis_server.program")


class Client:
    """A connection to the example without a network; time passes when the test says so."""

    def __init__(self, example: Any) -> None:
        self.channel = EmbeddedChannel()
        server = example.RedisServer(self.channel.loop)
        self.databases = server.store.databases
        self.channel.pipeline.add_stack(server.stages(self.channel))

    def say(self, line: bytes) -> bytes:
        self.channel.write_inbound(line + b"\n")
        said = b"".join(self.channel.outbound)
        self.channel.outbound.clear()
        return said


@pytest.fixture
def client(example: Any) -> Iterator[Client]:
    client = Client(example)
    yield client
    client.channel.finish()


def test_the_words_are_those_of_the_real_server(client: Client) -> None:
    for line, reply in TRANSCRIPT:
        assert (line, client.say(line)) == (line, reply + b"\r\n")
    assert not client.channel.is_open  # quit was the last


def test_a_key_ends_when_its_time_is_over_and_not_before(client: Client) -> None:
    client.say(b"SET a 1 PX 1500")
    client.channel.advance(1.499)
    assert client.say(b"GET a") == b"$1\r\n1\r\n"
    assert client.say(b"PTTL a") == b":1\r\n"
    client.channel.advance(0.001)
    assert client.say(b"GET a") == b"$-1\r\n"
    assert client.say(b"TTL a") == b":-2\r\n"


@pytest.mark.parametrize("longer", [b"SET a 2", b"PERSIST a", b"EXPIRE a 100", b"SET a 2 EX 100", b"MSET a 2"])
def test_a_key_that_was_given_more_time_stays(client: Client, longer: bytes) -> None:
    client.say(b"SET a 1 EX 10")
    client.channel.advance(9.0)
    client.say(longer)
    client.channel.advance(50.0)
    assert client.say(b"EXISTS a") == b":1\r\n"


@pytest.mark.parametrize("gone", [b"DEL a", b"FLUSHALL", b"EXPIRE a 0"])
def test_a_key_that_is_gone_leaves_no_timer_behind(client: Client, gone: bytes) -> None:
    client.say(b"SET a 1 EX 10")
    client.say(gone)
    assert client.databases[0].timers == {}
    client.say(b"SET a 2")
    client.channel.advance(50.0)
    assert client.say(b"GET a") == b"$1\r\n2\r\n"


def test_every_lifetime_that_is_accepted_can_be_waited_for(client: Client) -> None:
    client.say(b"SET a 1")
    assert client.say(b"EXPIRE a 9000000000000000") == b":1\r\n"
    client.channel.advance(1e9)
    assert client.say(b"EXISTS a") == b":1\r\n"


def test_nothing_is_answered_after_quit(client: Client) -> None:
    assert client.say(b"PING\nQUIT\nPING") == b"+PONG\r\n+OK\r\n"
    assert not client.channel.is_open


@pytest.mark.parametrize("line", [b"POST / HTTP/1.1", b"host: localhost:6379"])
def test_a_browser_is_not_a_client(client: Client, line: bytes) -> None:
    assert client.say(line + b"\nFLUSHALL") == b""
    assert not client.channel.is_open


def test_hello_tells_who_answers(client: Client) -> None:
    assert client.say(b"HELLO 2").startswith(b"*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n")


def test_info_counts_keys(client: Client) -> None:
    assert b"db0" not in client.say(b"INFO")
    client.say(b"MSET a 1 b 2")
    client.say(b"EXPIRE a 10")
    assert b"# Server\r\nredis_version:7.0.15" in client.say(b"INFO")
    assert client.say(b"INFO keyspace") == b"$44\r\n# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=0\r\n\r\n"


def test_command_describes_what_there_is(client: Client, example: Any) -> None:
    assert client.say(b"COMMAND COUNT") == b":%d\r\n" % len(example.TABLE)
    assert client.say(b"COMMAND").startswith(b"*%d\r\n*10\r\n" % len(example.TABLE))
    assert client.say(b"COMMAND DOCS get").startswith(b"*2\r\n$3\r\nget\r\n")
    assert len(example.TABLE) >= 150
