"""What commands cost a client, beside redis-py with and without hiredis: ``python benchmarks/micro/redis_client.py``.

All ask the same redis-server, over a Unix socket, for the same small value, in turns.  Of each the best of the rounds
is shown: commands a second, and microseconds of CPU time that a command takes of the client, all threads together.  The
latter is the steadier one where other programs run beside.
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis as redis_py
from redis import asyncio as redis_py_asyncio

from pipeline_net import COMPILED, EventLoopGroup
from pipeline_net.codecs import redis

_ROUNDS = 5
_ALONE = 3000  # commands of a round, one after the other
_BATCHES = 60  # of …
_BATCH = 500  # … commands
_THREADS = 8

Work = Callable[[], int]
"""Runs a round, and returns how many commands that were."""


def _ours(client: redis.Client) -> dict[str, Work]:
    def alone() -> int:
        for _ in range(_ALONE):
            client.call("GET", "key")
        return _ALONE

    def many() -> int:
        for _ in range(_BATCHES):
            client.execute_many([("GET", "key")] * _BATCH).result()
        return _BATCHES * _BATCH

    def batch() -> int:
        for _ in range(_BATCHES):
            with client.pipeline() as batch:
                for _ in range(_BATCH):
                    batch.execute("GET", "key")
            batch.results()
        return _BATCHES * _BATCH

    def threads() -> int:
        return _in_threads(alone)

    def coroutines() -> int:
        async def one(count: int) -> None:
            for _ in range(count):
                await client.execute("GET", "key")

        return asyncio.run(_in_coroutines(one))

    return {
        "one after the other": alone,
        "batches of 500": many,
        "batches of 500, a future each": batch,
        "8 threads, one client": threads,
        "asyncio, 50 coroutines": coroutines,
    }


def _theirs(path: str, parser: Any, async_parser: Any) -> dict[str, Work]:
    pool = redis_py.ConnectionPool(
        connection_class=redis_py.UnixDomainSocketConnection, path=path, protocol=3, parser_class=parser
    )
    client = redis_py.Redis(connection_pool=pool)

    def alone() -> int:
        for _ in range(_ALONE):
            client.get("key")
        return _ALONE

    def many() -> int:
        for _ in range(_BATCHES):
            with client.pipeline(transaction=False) as batch:
                for _ in range(_BATCH):
                    batch.get("key")
                batch.execute()
        return _BATCHES * _BATCH

    def threads() -> int:
        return _in_threads(alone)

    def coroutines() -> int:
        async def run() -> int:
            made = redis_py_asyncio.ConnectionPool(
                connection_class=redis_py_asyncio.UnixDomainSocketConnection,
                path=path,
                protocol=3,
                parser_class=async_parser,
            )
            one_client = redis_py_asyncio.Redis(connection_pool=made)

            async def one(count: int) -> None:
                for _ in range(count):
                    await one_client.get("key")

            try:
                return await _in_coroutines(one)
            finally:
                await one_client.aclose()
                await made.disconnect()

        return asyncio.run(run())

    return {
        "one after the other": alone,
        "batches of 500": many,
        "batches of 500, a future each": many,
        "8 threads, one client": threads,
        "asyncio, 50 coroutines": coroutines,
    }


def _in_threads(work: Work) -> int:
    threads = [threading.Thread(target=work) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _ALONE * _THREADS


async def _in_coroutines(one: Callable[[int], Any]) -> int:
    await asyncio.gather(*[one(_ALONE // 50) for _ in range(50)])
    return _ALONE // 50 * 50


def _measure(work: Work) -> tuple[float, float]:
    """Commands a second, and microseconds of CPU time for each."""
    started, cpu = time.perf_counter(), time.process_time()
    count = work()
    return count / (time.perf_counter() - started), (time.process_time() - cpu) / count * 1e6


def _parsers() -> dict[str, tuple[Any, Any]]:
    from redis import _parsers as parsers

    return {
        "redis-py": (parsers._RESP3Parser, parsers._AsyncRESP3Parser),
        "with hiredis": (parsers._HiredisParser, parsers._AsyncHiredisParser),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, EventLoopGroup(1) as loops:
        path = str(Path(folder, "redis.sock"))
        arguments = ["--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no"]
        server = subprocess.Popen(["redis-server", *arguments], cwd=folder, stdout=subprocess.DEVNULL)
        try:
            while not Path(path).exists():
                if server.poll() is not None:
                    raise SystemExit(f"redis-server ended with status {server.returncode}")
                time.sleep(0.01)
            with redis.Client(loops, f"unix://{path}") as client:
                client.call("SET", "key", "xxx")
                sides = {name: _theirs(path, *parsers) for name, parsers in _parsers().items()}
                sides["ours"] = _ours(client)
                _compare(sides)
        finally:
            server.kill()
            server.wait()


def _compare(sides: dict[str, dict[str, Work]]) -> None:
    print(
        "compiled" if COMPILED else "pure", "build, redis-py", redis_py.__version__ + "; commands a second, µs of CPU"
    )
    print(f"  {'':<32}" + "".join(f"{name:>22}" for name in sides))
    for row in sides["ours"]:
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
        for _ in range(_ROUNDS):
            for name, works in sides.items():
                found[name].append(_measure(works[row]))
        cells = [f"{max(f[0] for f in found[n]):>10,.0f} {min(f[1] for f in found[n]):>8.2f}" for n in sides]
        print(f"  {row:<32}" + "".join(f"{cell:>22}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
