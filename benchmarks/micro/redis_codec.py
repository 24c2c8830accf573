"""What reading and writing RESP cost, beside hiredis: ``python benchmarks/micro/redis_codec.py``.

Both are given the same bytes in the same reads, in turns; of each the best round counts.  A ratio below 1 is ours.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from functools import partial
from typing import Any

import hiredis

from pipeline_net import COMPILED
from pipeline_net.codecs import redis

_ROUNDS = 7
_CALLS = 200_000  # messages in a round

_COMMANDS = [("SET", b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000012\r\n$3\r\nxxx\r\n")]
_REPLIES = [
    ("OK", b"+OK\r\n"),
    ("a bulk of 3 bytes", b"$3\r\nxxx\r\n"),
    ("a bulk of 1000 bytes", b"$1000\r\n" + bytes(1000) + b"\r\n"),
    ("an integer", b":12345\r\n"),
    ("a null", b"$-1\r\n"),
    ("an error", b"-ERR wrong number of arguments for 'get' command\r\n"),
    ("an array of 3 bulks", b"*3\r\n$7\r\nmessage\r\n$7\r\nchannel\r\n$5\r\nhello\r\n"),
    ("an array of 100 bulks", b"*100\r\n" + b"$10\r\nelement:01\r\n" * 100),
    ("an array of 10 arrays of 2", b"*10\r\n" + b"*2\r\n$3\r\nkey\r\n:1\r\n" * 10),
    ("a map of 10 pairs", b"%10\r\n" + b"".join(b"$5\r\nkey:%d\r\n:%d\r\n" % (n, n) for n in range(10))),
    ("a double", b",1.5\r\n"),
    ("a push of 3 bulks", b">3\r\n$7\r\nmessage\r\n$7\r\nchannel\r\n$5\r\nhello\r\n"),
]
_ANSWERS: list[tuple[str, redis.Reply]] = [
    ("OK", redis.OK),
    ("a value of 3 bytes", b"xxx"),
    ("a value of 2000 bytes", bytes(2000)),
    ("a small integer", 7),
    ("a large integer", 1234567890),
    ("an array of 10 values", [b"value"] * 10),
    ("a map of 10 pairs", dict.fromkeys((b"%d" % number for number in range(10)), 1)),
]
_REQUESTS: list[tuple[str, list[Any]]] = [
    ("SET", [b"SET", b"key:000000000012", b"xxx"]),
    ("EXPIRE with str and int", ["EXPIRE", "key:000000000012", 10]),
    ("MSET of 100 words", [b"MSET", *[b"word"] * 100]),
]


def _best(works: list[Callable[[], object]], per_call: int) -> list[float]:
    """Microseconds of each, in turns, so that a noisy moment meets all of them."""
    number = max(1, _CALLS // per_call)
    best = [float("inf")] * len(works)
    for _ in range(_ROUNDS):
        for index, work in enumerate(works):
            best[index] = min(best[index], timeit.timeit(work, number=number) / number / per_call * 1e6)
    return best


def _read_with_hiredis(reader: hiredis.Reader, data: bytes) -> None:
    reader.feed(data)
    while reader.gets() is not False:
        pass


def _show(name: str, ours: float, theirs: float | None = None) -> None:
    if theirs is None:
        print(f"  {name:<44}{ours:9.3f}")
    else:
        print(f"  {name:<44}{ours:9.3f}{theirs:10.3f}{ours / theirs:8.2f}")


def main() -> None:
    print(
        "compiled" if COMPILED else "pure",
        "build, hiredis",
        hiredis.__version__ + "; µs a message; the best of",
        _ROUNDS,
    )
    print(f"  {'':<44}{'ours':>9}{'hiredis':>10}{'ratio':>8}")
    decoders: list[tuple[str, type[redis.RedisCommandDecoder | redis.RedisReplyDecoder], list[tuple[str, bytes]]]] = [
        ("commands", redis.RedisCommandDecoder, _COMMANDS),
        ("replies", redis.RedisReplyDecoder, _REPLIES),
    ]
    for title, make, cases in decoders:
        for batch in (1, 16, 1000):
            print(f"read {title}, {batch} a read")
            for name, wire in cases:
                if batch * len(wire) > 300_000:
                    continue
                decoder = make()
                assert len(decoder.feed(wire * batch)) == batch
                ours = partial(decoder.feed, wire * batch)
                theirs = partial(_read_with_hiredis, hiredis.Reader(), wire * batch)
                _show(name, *_best([ours, theirs], batch))
    print("write commands")
    commands = redis.RedisCommandEncoder()
    for name, request in _REQUESTS:
        _show(name, *_best([partial(commands.encode, request), partial(hiredis.pack_command, tuple(request))], 1))
    print("write replies (hiredis has nothing for that)")
    replies = redis.RedisReplyEncoder(protocol=3)
    for name, answer in _ANSWERS:
        _show(name, *_best([partial(replies.encode, answer)], 1))


if __name__ == "__main__":
    main()
