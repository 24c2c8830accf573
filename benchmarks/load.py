"""What drives the servers: load generators of our own (``load.c``, ``load_tls.c``), ``redis-benchmark`` and ``wrk``."""

from __future__ import annotations

import csv
import json
import re
import resource
import shutil
import socket
import time
import urllib.request
from collections.abc import Sequence
from typing import Final

from attrs import frozen

from benchmarks.build import GENERATORS, HERE, BenchmarkError, generator, run
from benchmarks.contenders import CERTIFICATE
from benchmarks.rows import Load, RedisLoad, Row, WrkLoad

_CERTIFICATE: Final = HERE / CERTIFICATE
_SLACK: Final = 30.0  # seconds a load may take beyond its own time before it is given up
_PRIME_SECONDS: Final = 0.3
_PRIME_CONNECTIONS: Final = 4
_PRIME_VALUE: Final = 65536  # bytes of a SET that warms a Redis
_PRIME_COMMANDS: Final = 10_000
_PRIME_WRK_SECONDS: Final = 1.0  # whole seconds are all that wrk takes
_HELLO: Final = b"Hello, world\n"  # the body of every server of the rows of HTTP
_WARM_UP: Final = 0.2  # seconds, which are not counted
_WARM_UP_PER_CONNECTION: Final = 2e-4  # seconds; or the last of many would be counted while they wait to be accepted
_UNITS: Final = {"us": 1.0, "ms": 1e3, "s": 1e6}  # microseconds in what wrk prints


@frozen
class Figures:
    """One load on one server, as the client saw it."""

    rate: float  # messages per second, in the measured time
    megabytes: float  # of payload per second, one way
    total: int  # messages, with those before and after the measured time
    p50_us: float
    p99_us: float
    p99_9_us: float
    busy: float  # share of its core that the generator used; near 1 it is the bottleneck itself
    per_read: float  # replies that one recv brought, on average: below what is in flight, batches have fallen apart
    waited: float  # share of the time that the generator was ready, but its core ran somebody else


class Driver:
    """Loads servers from one core."""

    def __init__(self, core: int) -> None:
        self._core = core

    def prime(self, row: Row, port: int, warm_up: float = 0.0) -> float:
        """Bring a fresh server's allocator to rest: large messages first, then what will be measured, for ``warm_up``
        seconds or briefly.

        Returns a first idea of its rate, in messages per second.
        """
        if isinstance(row.load, RedisLoad):
            see_redis(port)
            self._redis(RedisLoad("set"), port, 200, "-d", str(_PRIME_VALUE))
            self._redis(RedisLoad("set"), port, _PRIME_COMMANDS)  # last, so that GET finds the short value
            return self._redis(row.load, port, _PRIME_COMMANDS).rate
        if isinstance(row.load, WrkLoad):
            see_hello(port)
            return self._wrk(row.load, port, _PRIME_WRK_SECONDS).rate
        mode = "raw" if row.load.mode == "churn" else row.load.mode
        large = Load(mode, size=row.prime_size, connections=_PRIME_CONNECTIONS)
        self.load(large, port, _PRIME_SECONDS)
        return self.load(row.load, port, max(_PRIME_SECONDS, warm_up)).rate

    def measure(self, load: Load | RedisLoad | WrkLoad, port: int, seconds: float, rate: float) -> Figures:
        """``rate`` is what the server did before: ``redis-benchmark`` takes a number of commands, not a time."""
        if isinstance(load, RedisLoad):
            return self._redis(load, port, max(_PRIME_COMMANDS, int(rate * seconds)))
        if isinstance(load, WrkLoad):
            return self._wrk(load, port, seconds)
        return self.load(load, port, seconds)

    def load(self, load: Load, port: int, seconds: float) -> Figures:
        """Load a server with a generator of ours."""
        options = {
            "target": f"127.0.0.1:{port}",
            "size": load.size,
            "connections": load.connections,
            "seconds": seconds,
            "warm-up": max(_WARM_UP, load.connections * _WARM_UP_PER_CONNECTION),
        }
        special = {"ca": str(_CERTIFICATE), "mode": load.mode, "in-flight": load.in_flight}
        options |= {name: special[name] for name in GENERATORS[load.mode].options}
        command = [str(generator(load.mode)), *(f"--{name}={value}" for name, value in options.items())]
        said = json.loads(self._pinned(command, seconds))
        return Figures(
            rate=said["rate"],
            megabytes=said["mb_per_s"],
            total=said["total"],
            p50_us=said["p50_us"],
            p99_us=said["p99_us"],
            p99_9_us=said["p99_9_us"],
            busy=said["load_busy"],
            per_read=said["replies_per_read"],
            waited=said["load_waited"],
        )

    def _redis(self, load: RedisLoad, port: int, commands: int, *more: str) -> Figures:
        program = shutil.which("redis-benchmark")
        if program is None:
            raise BenchmarkError("redis-benchmark is not installed")
        where = ("-h", "127.0.0.1", "-p", str(port), "-c", str(load.connections))
        what = ("-t", load.test, "-P", str(load.pipeline), "-n", str(commands), *more)
        # It does not tell how busy it was; it is the only child that ends in between.
        used, wall = _children_seconds(), time.monotonic()
        said = self._pinned((program, *where, *what, "--csv"), 60.0)
        busy = (_children_seconds() - used) / (time.monotonic() - wall)
        for line in csv.DictReader(said.splitlines()):
            if line.get("test", "").lower() == load.test:
                return Figures(
                    rate=float(line["rps"]),
                    megabytes=0.0,
                    total=commands,
                    p50_us=float(line["p50_latency_ms"]) * 1e3,
                    p99_us=float(line["p99_latency_ms"]) * 1e3,
                    p99_9_us=0.0,  # it does not tell
                    busy=busy,
                    per_read=0.0,
                    waited=0.0,  # not known: it is gone before it could be asked
                )
        raise BenchmarkError(f"redis-benchmark said nothing about {load.test}: {said.strip()[:200]}")

    def _wrk(self, load: WrkLoad, port: int, seconds: float) -> Figures:
        program = shutil.which("wrk")
        if program is None:
            raise BenchmarkError("wrk is not installed")
        duration = max(1, round(seconds))
        options = ("--threads", "1", "--connections", str(load.connections), "--duration", f"{duration}s", "--latency")
        used, wall = _children_seconds(), time.monotonic()
        said = self._pinned((program, *options, f"http://127.0.0.1:{port}/"), duration)
        busy = (_children_seconds() - used) / (time.monotonic() - wall)
        if "Non-2xx" in said or "Socket errors" in said:
            raise BenchmarkError(f"wrk has seen errors: {' '.join(said.split())[-200:]}")
        total = re.search(r"(\d+) requests in ", said)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
        if total is None or rate is None:
            raise BenchmarkError(f"wrk said {said.strip()[:200]!r}")
        return Figures(
            rate=float(rate[1]),
            megabytes=0.0,
            total=int(total[1]),
            p50_us=microseconds(said, "50%"),
            p99_us=microseconds(said, "99%"),
            p99_9_us=0.0,  # it does not tell
            busy=busy,
            per_read=0.0,
            waited=0.0,  # not known: it is gone before it could be asked
        )

    def _pinned(self, command: Sequence[str], seconds: float) -> str:
        return run(("taskset", "--cpu-list", str(self._core), *command), seconds + _SLACK)


def see_hello(port: int) -> None:
    """Compare one answer of an HTTP server with what it must be; wrk looks at statuses only.

    Raises:
        BenchmarkError: it is another one.
        OSError: there is none.
    """
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=_SLACK) as answer:
        body = answer.read()
        if answer.status != 200 or body != _HELLO:
            raise BenchmarkError(f"GET / was answered with {answer.status} and {body[:80]!r}")


def see_redis(port: int) -> None:
    """Compare the replies to SET and GET, one by one and together; redis-benchmark looks for errors only.

    Raises:
        BenchmarkError: they are others.
        OSError: there are none.
    """
    stored, key, value = b"+OK\r\n", b"pipeline_net:seen", b"right"
    ask_set = b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key, len(value), value)
    ask_get = b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(key), key)
    found = b"$%d\r\n%b\r\n" % (len(value), value)
    with socket.create_connection(("127.0.0.1", port), timeout=_SLACK) as client, client.makefile("rb") as replies:
        for asked, wanted in ((ask_set, stored), (ask_get, found), ((ask_set + ask_get) * 8, (stored + found) * 8)):
            client.sendall(asked)
            got = replies.read(len(wanted))
            if got != wanted:
                raise BenchmarkError(f"SET and GET were answered with {got[:80]!r}")


def microseconds(said: str, which: str) -> float:
    """A line of wrk's distribution, such as ``99%   12.34ms``, in microseconds."""
    found = re.search(rf"{which}\s+([\d.]+)(us|ms|s)\b", said)
    return float(found[1]) * _UNITS[found[2]] if found else 0.0


def _children_seconds() -> float:
    """User and system time of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
