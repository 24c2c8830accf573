"""What the real server says is read, and written again as it wrote it; what we write it takes for what was meant."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_net.codecs import redis

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")

_WORD = [b"%d" % number for number in range(300)]

# Each is sent in turn, in both versions; replies whose order or text is the server's secret are not among them.
_COMMANDS: list[list[Any]] = [
    *[["DEBUG", "PROTOCOL", kind] for kind in ("string", "integer", "double", "null", "array", "set", "map")],
    *[["DEBUG", "PROTOCOL", kind] for kind in ("verbatim", "true", "false", "bignum")],
    ["PING"],
    ["SET", "key", b"a\r\n\0\xff"],
    ["GET", "key"],
    ["GET", "missing"],
    ["INCR", "key"],
    ["NONSENSE", "two\r\nlines"],
    ["MGET", "key", "missing"],
    ["SET", "large", "x" * 200_000],
    ["GET", "large"],
    ["ZADD", "scores", 0.1, "a", float("inf"), "b", -0.0, "c", 1e300, "d", 3, "e", 1e17, "f", 123456789012345678, "g"],
    ["ZRANGE", "scores", 0, -1, "WITHSCORES"],
    ["ZSCORE", "scores", "a"],
    ["RPUSH", "list", *_WORD],
    ["LRANGE", "list", 0, -1],
    ["SADD", "set", "member"],
    ["SMEMBERS", "set"],
    ["HSET", "hash", "field", "value"],
    ["HGETALL", "hash"],
    ["HGETALL", "missing"],
    ["BLPOP", "missing", 0.01],
    ["LOLWUT"],
    ["EVAL", "redis.setresp(3); return {double=3.25}", 0],
    ["EVAL", "return redis.error_reply('ERR two\\r\\nlines')", 0],
    ["EVAL", "return {1, {2, {3, 'x', false}}, {}}", 0],
    ["MULTI"],
    ["SET", "key", "1"],
    ["INCR", "key"],
    ["EXEC"],
    ["COMMAND", "DOCS", "SET", "GET"],
    ["CONFIG", "GET", "maxmemory*"],
]


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[_Asker]:
    """Ask the real server: the replies that were read, and their bytes."""
    path = tmp_path / "redis"
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--enable-debug-command", "yes"]
    server = subprocess.Popen(["redis-server", *options, "--dir", str(tmp_path)], stdout=subprocess.DEVNULL)
    try:
        with socket.socket(socket.AF_UNIX) as peer:
            _connect(peer, path, server)
            yield _Asker(peer)
    finally:
        server.terminate()
        server.wait(20)


def _connect(peer: socket.socket, path: Path, server: subprocess.Popen[bytes]) -> None:
    peer.settimeout(20)
    deadline = time.monotonic() + 20
    while peer.connect_ex(str(path)) != 0:
        assert server.poll() is None, "redis-server did not start"
        assert time.monotonic() < deadline, "redis-server does not listen"
        time.sleep(0.01)  # before it listens there is nothing to wait on


class _Asker:
    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._decoder = redis.RedisReplyDecoder(attributes=True)
        self._encoder = redis.RedisCommandEncoder()

    def __call__(self, *requests: list[Any], replies: int | None = None) -> tuple[list[Any], bytes]:
        for request in requests:
            encoded = self._encoder.encode(request)
            self._peer.sendall(encoded if isinstance(encoded, bytes) else b"".join(encoded))
        read: list[Any] = []
        wire = b""
        while len(read) < (len(requests) if replies is None else replies):
            wire += (chunk := self._peer.recv(65536))
            assert chunk, "redis-server has closed"
            read += self._decoder.feed(chunk)
        assert self._decoder.unread_bytes == 0
        return read, wire


@pytest.mark.parametrize("protocol", [2, 3])
def test_each_reply_is_written_again_as_the_server_wrote_it(ask: _Asker, protocol: int) -> None:
    ask(["HELLO", protocol])
    encoder = redis.RedisReplyEncoder(protocol=protocol)
    for command in _COMMANDS:
        [reply], wire = ask(command)
        again = encoder.encode(reply)
        if reply is redis.NULL and wire == b"*-1\r\n":
            again = encoder.encode(redis.NULL_ARRAY)
        assert (again if isinstance(again, bytes) else b"".join(again)) == wire, command


def test_each_type_is_what_the_server_says_it_is(ask: _Asker) -> None:
    ask(["HELLO", 3])
    kinds = ["string", "integer", "double", "null", "array", "set", "map", "verbatim", "true", "false", "bignum"]
    replies, _ = ask(*[["DEBUG", "PROTOCOL", kind] for kind in kinds])
    assert replies == [
        b"Hello World",
        12345,
        3.141,
        redis.NULL,
        [0, 1, 2],
        {0, 1, 2},
        {0: False, 1: True, 2: False},
        redis.Verbatim("txt", "This is a verbatim\nstring"),
        True,
        False,
        1234567999999999999999999999999999999,
    ]
    assert [type(reply) for reply in replies[-3:]] == [bool, bool, int]
    [attributed], wire = ask(["DEBUG", "PROTOCOL", "attrib"])
    assert attributed == redis.Attributed(
        {b"key-popularity": [b"key:123", 90]}, b"Some real reply following the attribute"
    )
    encoded = redis.RedisReplyEncoder(protocol=3).encode(attributed)
    assert encoded == wire
    replies, _ = ask(["DEBUG", "PROTOCOL", "push"], replies=2)
    assert replies == [redis.Push([b"server-cpu-usage", 42]), b"Some real reply following the push reply"]
    assert type(replies[0]) is redis.Push


def test_arguments_arrive_as_they_were_meant(ask: _Asker) -> None:
    words: list[Any] = [b"bytes \0\r\n", "grün", -7, 2**70, 0.1, 1e22, "x" * 100_000]
    replies, _ = ask(["RPUSH", "words", *words], ["LRANGE", "words", 0, -1])
    meant = [b"bytes \0\r\n", "grün".encode(), b"-7", b"%d" % 2**70, b"0.1", b"1e+22", b"x" * 100_000]
    assert replies == [7, meant]


def test_a_thousand_replies_at_once_come_in_their_order(ask: _Asker) -> None:
    replies, _ = ask(*[["ECHO", number] for number in range(1000)])
    assert replies == [b"%d" % number for number in range(1000)]
