"""What reading a command and writing a reply cost, beside hiredis: ``python benchmarks/micro/redis_codec.py``."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from functools import partial

import hiredis

from pipeline_net import COMPILED
from pipeline_net.codecs import redis

_SET = b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000012\r\n$3\r\nxxx\r\n"
_ROUNDS = 5


def _show(name: str, work: Callable[[], object], per_call: int) -> None:
    number = max(1, 200_000 // per_call)
    best = min(timeit.repeat(work, number=number, repeat=_ROUNDS)) / number / per_call
    print(f"{name:<44} {best * 1e6:7.3f} µs")


def _read_with_hiredis(reader: hiredis.Reader, data: bytes) -> None:
    reader.feed(data)
    while reader.gets() is not False:
        pass


def main() -> None:
    print("compiled" if COMPILED else "pure", "build; the best of", _ROUNDS)
    for batch in (1, 16, 1000):
        data = _SET * batch
        decoder = redis.RedisCommandDecoder()
        assert len(decoder.feed(data)) == batch
        _show(f"decoder.feed, {batch} SET a read", partial(decoder.feed, data), batch)
        _show(f"hiredis.Reader, {batch} SET a read", partial(_read_with_hiredis, hiredis.Reader(), data), batch)
    encoder = redis.RedisReplyEncoder()
    replies: list[tuple[str, redis.Reply]] = [
        ("OK", redis.OK),
        ("a value of 3 bytes", b"xxx"),
        ("a value of 2000 bytes", bytes(2000)),
        ("a small integer", 7),
        ("a large integer", 1234567890),
        ("an array of 10 values", [b"value"] * 10),
    ]
    for name, reply in replies:
        _show(f"encode {name}", partial(encoder.encode, reply), 1)


if __name__ == "__main__":
    main()
