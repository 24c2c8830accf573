"""Servers are started, found out about, and ended."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import sys
import urllib.request

import pytest

from benchmarks import process
from benchmarks.build import HERE, BenchmarkError
from benchmarks.contenders import NGINX, PORT, Contender, gevent, hosted, netty, on_asyncio, ours, twisted
from benchmarks.load import Driver
from benchmarks.process import (
    Cores,
    Python,
    Restless,
    ServerProcess,
    Turns,
    allow_descriptors,
    held_by_others,
    interpreter_of,
)
from benchmarks.rows import Load

pytestmark = pytest.mark.skipif(
    shutil.which("gcc") is None or shutil.which("taskset") is None, reason="no gcc, or no taskset"
)


@pytest.fixture(scope="module")
def python() -> Python:
    return Python.examine(sys.executable)


def test_an_interpreter_is_asked_what_it_holds(python: Python) -> None:
    assert python.build in ("pure", "compiled")
    assert python.version.startswith("CPython 3.")


def test_servers_and_load_have_a_core_each_where_there_are_two() -> None:
    cores = Cores.choose()
    assert {cores.server, cores.load} <= os.sched_getaffinity(0)
    assert (cores.server != cores.load) is (len(os.sched_getaffinity(0)) > 1)


@pytest.mark.parametrize(
    "contender",
    [
        ours("framed"),
        hosted("framed", "asyncio"),
        hosted("framed", "uvloop"),
        on_asyncio("uvloop", "framed"),
        twisted("framed"),
        gevent("framed"),
    ],
    ids=lambda contender: contender.name,
)
def test_a_server_echoes_frames_and_is_observed(contender: Contender, python: Python) -> None:
    core = Cores.choose().server
    with ServerProcess(contender, python, core) as server:
        assert os.sched_getaffinity(server.pid) == {core}
        server.forget_peak()
        assert Driver(Cores.choose().load).load(Load("frame", connections=2, in_flight=4), server.port, 0.05).total > 0
        assert server.cpu_seconds() > 0
        assert server.threads()[server.pid].ran > 0
        assert server.peak_bytes() >= server.resident_bytes() > 0
        server.check_alive()


@pytest.mark.parametrize(
    ("after", "held"),
    [
        ({1: Turns(6.0, 3.0)}, 2.0),  # alone: whoever had the core was somebody else
        ({1: Turns(6.0, 3.0), 2: Turns(2.0, 1.0)}, 0.0),  # its sibling, which is new, may have had it all that time
        ({1: Turns(6.0, 3.0), 2: Turns(0.5, 0.0)}, 1.5),  # ... or a part of it
        ({}, 0.0),
    ],
)
def test_siblings_are_not_others(after: dict[int, Turns], held: float) -> None:
    assert held_by_others({1: Turns(5.0, 1.0)}, after) == held


def test_who_never_rests_ends_with_its_block() -> None:
    core = Cores.choose().server
    with Restless(core) as restless:
        assert os.sched_getaffinity(restless.pid) <= os.sched_getaffinity(0)
        assert os.path.exists(f"/proc/{restless.pid}")
    assert not os.path.exists(f"/proc/{restless.pid}")


@pytest.mark.skipif(shutil.which("javac") is None, reason="no JDK")
def test_netty_echoes_lines() -> None:
    if not os.path.exists("/usr/share/java/netty-codec.jar"):
        pytest.skip("netty is not installed")
    with ServerProcess(netty("line"), None, Cores.choose().server) as server:
        assert Driver(Cores.choose().load).load(Load("line", connections=2, in_flight=4), server.port, 0.05).total > 0


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_nginx_says_hello(python: Python) -> None:
    with (
        ServerProcess(NGINX, python, Cores.choose().server) as server,
        urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=10) as response,
    ):
        assert response.read() == b"Hello, world\n"


def test_a_server_that_does_not_start_says_why(python: Python) -> None:
    contender = Contender("nobody", ("servers/echo.py", "--work", "nothing"))
    with pytest.raises(BenchmarkError, match="nobody ended with status 2"):
        ServerProcess(contender, python, Cores.choose().server)


def test_whoever_has_taken_the_port_is_not_measured_instead(python: Python, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = Contender("sleeper", ("-c", "import time; time.sleep(60)", PORT))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(process, "_free_port", lambda: taken.getsockname()[1])
        monkeypatch.setattr(process, "_START_TIMEOUT", 0.2)
        with pytest.raises(BenchmarkError, match="sleeper: somebody else listens on"):
            ServerProcess(sleeper, python, Cores.choose().server)


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(BenchmarkError, match="pipeline-net-has-no-such-program is not installed"):
        ServerProcess(Contender("x", ("pipeline-net-has-no-such-program",), "none"), None, 0)


def test_more_descriptors_are_allowed_up_to_the_hard_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 20_000))
    monkeypatch.setattr(resource, "setrlimit", lambda which, both: limits.append(both))
    allow_descriptors(500)  # enough already
    allow_descriptors(10_000)
    assert limits == [(10_200, 20_000)]
    with pytest.raises(BenchmarkError, match="`ulimit -Hn`, which is 20000"):
        allow_descriptors(20_000)


def test_the_interpreter_asked_for_comes_first() -> None:
    assert interpreter_of("mine", HERE) == "mine"
    assert interpreter_of(None, HERE / "nowhere") == sys.executable
