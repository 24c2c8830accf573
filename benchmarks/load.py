"""What drives the servers: load generators of our own (``load….c``), ``redis-benchmark`` and ``wrk``."""

from __future__ import annotations

import csv
import json
import os
import re
import resource
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from benchmarks.process import HERE, BenchmarkError
from benchmarks.rows import CERTIFICATE, Load, RedisLoad, Row, WrkLoad

_BINARY: Final = HERE / "bin" / "load"
_TLS_BINARY: Final = HERE / "bin" / "load_tls"
_WEBSOCKET_BINARY: Final = HERE / "bin" / "load_websocket"
_BINARIES: Final = {"tls": _TLS_BINARY, "websocket": _WEBSOCKET_BINARY}  # of modes that have one of their own
_CERTIFICATE: Final = HERE / CERTIFICATE
_CERTIFICATE_DAYS: Final = 30
_SLACK: Final = 30.0  # seconds a load may take beyond its own time before it is given up
_PRIME_SECONDS: Final = 0.3
_PRIME_CONNECTIONS: Final = 4
_PRIME_VALUE: Final = 65536  # bytes of a SET that warms a Redis
_PRIME_COMMANDS: Final = 10_000
_PRIME_WRK_SECONDS: Final = 1.0  # whole seconds are all that wrk takes
_UNITS: Final = {"us": 1.0, "ms": 1e3, "s": 1e6}  # microseconds in what wrk prints


@frozen
class Figures:
    """One load on one server, as the client saw it."""

    rate: float  # messages per second, in the measured time
    megabytes: float  # of payload per second, one way
    total: int  # messages, with those before and after the measured time
    p50_us: float
    p99_us: float
    busy: float  # share of its core that the generator used; near 1 it is the bottleneck itself
    per_read: float  # replies that one recv brought, on average: below what is in flight, batches have fallen apart
    waited: float  # share of the time that the generator was ready, but its core ran somebody else


def build() -> None:
    """Compile the load generator, unless the one there is newer than its source.

    Raises:
        BenchmarkError: no C compiler, or it does not like the source.
    """
    _compile("load.c", _BINARY)
    _compile("load_websocket.c", _WEBSOCKET_BINARY)


def build_tls() -> None:
    """Compile the load generator that speaks TLS, and make a certificate for the servers, unless both are there.

    Raises:
        BenchmarkError: no C compiler, no OpenSSL to compile against (libssl-dev), or no ``openssl`` program.
    """
    _compile("load_tls.c", _TLS_BINARY, "-lssl", "-lcrypto")
    if _CERTIFICATE.exists() and time.time() - _CERTIFICATE.stat().st_mtime < _CERTIFICATE_DAYS * 86400 / 2:
        return
    made = _CERTIFICATE.with_suffix(f".{os.getpid()}")
    what = (
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-subj",
        "/CN=localhost",
    )
    names = ("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", str(_CERTIFICATE_DAYS))
    _run(("openssl", *what, *names, "-keyout", str(made), "-out", f"{made}.crt"), 60.0)
    with made.open("ab") as both, open(f"{made}.crt", "rb") as certificate:
        both.write(certificate.read())
    os.unlink(f"{made}.crt")
    made.replace(_CERTIFICATE)


def _compile(name: str, binary: Path, *libraries: str) -> None:
    source = HERE / name
    if binary.exists() and binary.stat().st_mtime >= source.stat().st_mtime:
        return
    compiler = shutil.which(os.environ.get("CC", "gcc")) or shutil.which("cc")
    if compiler is None:
        raise BenchmarkError("the load generator needs a C compiler (gcc, or whatever CC names)")
    binary.parent.mkdir(exist_ok=True)
    built = binary.with_suffix(f".{os.getpid()}")  # two runs at once must not see each other's half-written file
    _run((compiler, "-O2", "-Wall", "-Wextra", "-o", str(built), str(source), *libraries), 60.0)
    built.replace(binary)


class Driver:
    """Loads servers from one core."""

    def __init__(self, core: int) -> None:
        self._core = core

    def prime(self, row: Row, port: int) -> float:
        """Bring a fresh server's allocator to rest: large messages first, then what will be measured, briefly.

        Returns a first idea of its rate, in messages per second.
        """
        if isinstance(row.load, RedisLoad):
            self._redis(RedisLoad("set"), port, 200, "-d", str(_PRIME_VALUE))
            self._redis(RedisLoad("set"), port, _PRIME_COMMANDS)  # last, so that GET finds the short value
            return self._redis(row.load, port, _PRIME_COMMANDS).rate
        if isinstance(row.load, WrkLoad):
            return self._wrk(row.load, port, _PRIME_WRK_SECONDS).rate
        mode = "raw" if row.load.mode == "churn" else row.load.mode
        large = Load(mode, size=row.prime_size, connections=_PRIME_CONNECTIONS)
        self._echo(large, port, _PRIME_SECONDS)
        return self._echo(row.load, port, _PRIME_SECONDS).rate

    def measure(self, load: Load | RedisLoad | WrkLoad, port: int, seconds: float, rate: float) -> Figures:
        """``rate`` is what the server did before: ``redis-benchmark`` takes a number of commands, not a time."""
        if isinstance(load, RedisLoad):
            return self._redis(load, port, max(_PRIME_COMMANDS, int(rate * seconds)))
        if isinstance(load, WrkLoad):
            return self._wrk(load, port, seconds)
        return self._echo(load, port, seconds)

    def _echo(self, load: Load, port: int, seconds: float) -> Figures:
        options = {
            "target": f"127.0.0.1:{port}",
            "size": load.size,
            "connections": load.connections,
            "seconds": seconds,
        }
        if load.mode == "tls":
            options["ca"] = str(_CERTIFICATE)
        else:
            options["in-flight"] = load.in_flight
        if load.mode not in _BINARIES:
            options["mode"] = load.mode
        command = [
            str(_BINARIES.get(load.mode, _BINARY)),
            *(f"--{name}={value}" for name, value in options.items()),
        ]
        said = json.loads(self._pinned(command, seconds))
        return Figures(
            rate=said["rate"],
            megabytes=said["mb_per_s"],
            total=said["total"],
            p50_us=said["p50_us"],
            p99_us=said["p99_us"],
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
            p50_us=_percentile(said, "50%"),
            p99_us=_percentile(said, "99%"),
            busy=busy,
            per_read=0.0,
            waited=0.0,  # not known: it is gone before it could be asked
        )

    def _pinned(self, command: Sequence[str], seconds: float) -> str:
        return _run(("taskset", "--cpu-list", str(self._core), *command), seconds + _SLACK)


def _percentile(said: str, which: str) -> float:
    """A line of wrk's distribution, such as ``99%   12.34ms``, in microseconds."""
    found = re.search(rf"{which}\s+([\d.]+)(us|ms|s)\b", said)
    return float(found[1]) * _UNITS[found[2]] if found else 0.0


def _children_seconds() -> float:
    """User and system time of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _run(command: Sequence[str], timeout: float) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError:
        raise BenchmarkError(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"{command[0]} did not finish within {timeout:.0f} s") from None
    if done.returncode != 0:
        raise BenchmarkError(
            (done.stderr or done.stdout).strip() or f"{command[0]} ended with status {done.returncode}"
        )
    return done.stdout
