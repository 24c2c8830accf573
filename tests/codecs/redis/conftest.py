"""What travels for each kind of message, in both versions of the protocol: one table for encoders and decoders.

A test that takes ``wire_case`` runs once for each line of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from pipeline_net.codecs import redis

S = redis.SimpleString


class WireCase(NamedTuple):
    """A message, its bytes in RESP3 and in RESP2, and what somebody reads who gets those of RESP2."""

    message: Any
    resp3: bytes
    resp2: bytes
    read2: Any


def _same(message: Any, wire: bytes) -> WireCase:
    return WireCase(message, wire, wire, message)


_BIG = 18446744073709551616
_MIXED = [b"a", None, 7, [S("x"), True]]

WIRE_CASES = [
    _same(redis.OK, b"+OK\r\n"),
    _same(redis.PONG, b"+PONG\r\n"),
    _same(redis.QUEUED, b"+QUEUED\r\n"),
    _same(S(""), b"+\r\n"),
    _same(S("OKAY"), b"+OKAY\r\n"),
    _same(S(b"gr\xc3\xbcn \xff"), b"+gr\xc3\xbcn \xff\r\n"),
    _same(redis.RedisError("ERR", "syntax error"), b"-ERR syntax error\r\n"),
    _same(redis.RedisError("NOSCRIPT", ""), b"-NOSCRIPT\r\n"),
    WireCase(
        redis.RedisError("ERR", "one\r\ntwo"),
        b"!12\r\nERR one\r\ntwo\r\n",
        b"-ERR one  two\r\n",
        redis.RedisError("ERR", "one  two"),
    ),
    _same(0, b":0\r\n"),
    _same(1023, b":1023\r\n"),
    _same(1024, b":1024\r\n"),
    _same(-1, b":-1\r\n"),
    _same(2**63 - 1, b":9223372036854775807\r\n"),
    _same(-(2**63), b":-9223372036854775808\r\n"),
    WireCase(2**63, b"(9223372036854775808\r\n", b"$19\r\n9223372036854775808\r\n", b"9223372036854775808"),
    WireCase(-_BIG, b"(-%d\r\n" % _BIG, b"$21\r\n-%d\r\n" % _BIG, b"-%d" % _BIG),
    _same(b"", b"$0\r\n\r\n"),
    _same(b"hello", b"$5\r\nhello\r\n"),
    _same(b"a\r\nb\xff\0", b"$6\r\na\r\nb\xff\0\r\n"),
    _same(b"x" * 1023, b"$1023\r\n" + b"x" * 1023 + b"\r\n"),
    _same(b"x" * 1024, b"$1024\r\n" + b"x" * 1024 + b"\r\n"),
    _same(b"x" * 40_000, b"$40000\r\n" + b"x" * 40_000 + b"\r\n"),
    WireCase(redis.NULL, b"_\r\n", b"$-1\r\n", redis.NULL),
    WireCase([None], b"*1\r\n_\r\n", b"*1\r\n$-1\r\n", [None]),
    WireCase(True, b"#t\r\n", b":1\r\n", 1),
    WireCase(False, b"#f\r\n", b":0\r\n", 0),
    WireCase(1.5, b",1.5\r\n", b"$3\r\n1.5\r\n", b"1.5"),
    WireCase(-0.0, b",-0\r\n", b"$2\r\n-0\r\n", b"-0"),
    WireCase(0.1, b",0.10000000000000001\r\n", b"$19\r\n0.10000000000000001\r\n", b"0.10000000000000001"),
    WireCase(1e300, b",1.0000000000000001e+300\r\n", b"$23\r\n1.0000000000000001e+300\r\n", b"1.0000000000000001e+300"),
    WireCase(
        5e-324, b",4.9406564584124654e-324\r\n", b"$23\r\n4.9406564584124654e-324\r\n", b"4.9406564584124654e-324"
    ),
    WireCase(float("inf"), b",inf\r\n", b"$3\r\ninf\r\n", b"inf"),
    WireCase(float("-inf"), b",-inf\r\n", b"$4\r\n-inf\r\n", b"-inf"),
    WireCase(float("nan"), b",nan\r\n", b"$3\r\nnan\r\n", b"nan"),
    WireCase(
        redis.Verbatim("txt", "Some\r\ntext"),
        b"=14\r\ntxt:Some\r\ntext\r\n",
        b"$10\r\nSome\r\ntext\r\n",
        b"Some\r\ntext",
    ),
    WireCase(redis.Verbatim("mkd", ""), b"=4\r\nmkd:\r\n", b"$0\r\n\r\n", b""),
    _same([], b"*0\r\n"),
    _same([[], [[b"deep"]]], b"*2\r\n*0\r\n*1\r\n*1\r\n$4\r\ndeep\r\n"),
    _same([b"a"] * 100, b"*100\r\n" + b"$1\r\na\r\n" * 100),
    WireCase(
        _MIXED,
        b"*4\r\n$1\r\na\r\n_\r\n:7\r\n*2\r\n+x\r\n#t\r\n",
        b"*4\r\n$1\r\na\r\n$-1\r\n:7\r\n*2\r\n+x\r\n:1\r\n",
        [b"a", None, 7, [S("x"), 1]],
    ),
    WireCase(set(), b"~0\r\n", b"*0\r\n", []),
    WireCase({b"one"}, b"~1\r\n$3\r\none\r\n", b"*1\r\n$3\r\none\r\n", [b"one"]),
    WireCase(redis.SetReply([1, True]), b"~2\r\n:1\r\n#t\r\n", b"*2\r\n:1\r\n:1\r\n", [1, 1]),
    WireCase(redis.SetReply([[b"a"]]), b"~1\r\n*1\r\n$1\r\na\r\n", b"*1\r\n*1\r\n$1\r\na\r\n", [[b"a"]]),
    WireCase({}, b"%0\r\n", b"*0\r\n", []),
    WireCase(
        {b"a": 1, S("b"): [True]},
        b"%2\r\n$1\r\na\r\n:1\r\n+b\r\n*1\r\n#t\r\n",
        b"*4\r\n$1\r\na\r\n:1\r\n+b\r\n*1\r\n:1\r\n",
        [b"a", 1, S("b"), [1]],
    ),
    WireCase({None: {}}, b"%1\r\n_\r\n%0\r\n", b"*2\r\n$-1\r\n*0\r\n", [None, []]),
    WireCase(redis.MapReply([([], 1)]), b"%1\r\n*0\r\n:1\r\n", b"*2\r\n*0\r\n:1\r\n", [[], 1]),
    WireCase(
        redis.MapReply([(1, 2), (1.0, 3)]),
        b"%2\r\n:1\r\n:2\r\n,1\r\n:3\r\n",
        b"*4\r\n:1\r\n:2\r\n$1\r\n1\r\n:3\r\n",
        [1, 2, b"1", 3],
    ),
    WireCase(
        redis.Push([b"message", b"channel", b"hi"]),
        b">3\r\n$7\r\nmessage\r\n$7\r\nchannel\r\n$2\r\nhi\r\n",
        b"*3\r\n$7\r\nmessage\r\n$7\r\nchannel\r\n$2\r\nhi\r\n",
        [b"message", b"channel", b"hi"],
    ),
    WireCase(redis.Attributed({S("ttl"): 3600}, b"v"), b"|1\r\n+ttl\r\n:3600\r\n$1\r\nv\r\n", b"$1\r\nv\r\n", b"v"),
    WireCase(
        redis.Attributed({}, redis.Attributed(redis.MapReply([([], 1)]), [redis.Attributed({b"a": None}, None)])),
        b"|0\r\n|1\r\n*0\r\n:1\r\n*1\r\n|1\r\n$1\r\na\r\n_\r\n_\r\n",
        b"*1\r\n$-1\r\n",
        [None],
    ),
]


class Exactly:
    """Equal to a message of just these types: ``1`` is neither ``True`` nor ``1.0``, and a nan is a nan."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Exactly({self.value!r})"

    def __eq__(self, other: object) -> bool:
        return bool(_shape(other.value if isinstance(other, Exactly) else other) == _shape(self.value))

    __hash__ = None  # type: ignore[assignment]  # it may hold a list


def _shape(value: Any) -> Any:
    kind = type(value).__name__
    if isinstance(value, dict):
        return kind, [(_shape(key), _shape(of_key)) for key, of_key in value.items()]
    if isinstance(value, list | tuple):
        return kind, [_shape(item) for item in value]
    if isinstance(value, set | frozenset):
        return kind, sorted(map(repr, value))
    if isinstance(value, redis.Attributed):
        return kind, _shape(value.attributes), _shape(value.value)
    return kind, repr(value)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "wire_case" in metafunc.fixturenames:
        metafunc.parametrize("wire_case", WIRE_CASES, ids=[repr(case.message)[:24] for case in WIRE_CASES])


@pytest.fixture(scope="session")
def wire_cases() -> list[WireCase]:
    return WIRE_CASES


@pytest.fixture(scope="session")
def exactly() -> type[Exactly]:
    return Exactly
