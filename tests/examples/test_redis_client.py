"""The Redis client of the examples, with the server of the examples and with the real one."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "redis_client.py"
_WAIT = 20.0  # seconds; for a process to start or to end on a busy machine


def _ask(address: str, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(_EXAMPLE), "--address", address, *words]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=_WAIT)


@pytest.fixture
def address(start_program: Callable[..., Any]) -> str:
    """Where the Redis server of the examples listens."""
    found: str = start_program("-m", "pipeline_net", "run", "redis", "--address", "tcp://127.0.0.1:0").addresses[0]
    return found


@pytest.fixture
def real_server(tmp_path: Path) -> Iterator[str]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    path = tmp_path / "redis.sock"
    arguments = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(["redis-server", *arguments], cwd=tmp_path, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + _WAIT
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    yield f"unix://{path}"
    server.kill()
    server.wait()


def test_one_command(address: str) -> None:
    assert _ask(address, "SET", "greeting", "hello").stdout == "OK\n"
    assert _ask(address, "GET", "greeting").stdout == "hello\n"
    assert _ask(address, "GET", "nothing").stdout == "(nothing)\n"
    refused = _ask(address, "NONSENSE")
    assert refused.returncode == 1
    assert refused.stderr.startswith("redis_client: NONSENSE: ERR unknown command")


def test_a_batch(address: str) -> None:
    done = _ask(address, "-", stdin="SET a 1\n\nINCR a\nINCR 'two words'\nSET a x\nINCR a\nMGET a b\n")
    assert done.stdout.splitlines() == [
        "OK",
        "2",
        "1",
        "OK",
        "(error) ERR value is not an integer or out of range",
        "[x, (nothing)]",
    ]


def test_listening_to_the_real_server(real_server: str) -> None:
    command = [sys.executable, str(_EXAMPLE), "--address", real_server, "--listen", "news", "weather"]
    listener = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert listener.stdout is not None
    try:
        assert listener.stdout.readline() == "listening to news weather\n"
        assert _ask(real_server, "PUBLISH", "news", "hello world").stdout == "1\n"
        assert listener.stdout.readline() == "news: hello world\n"
        assert _ask(real_server, "HGETALL", "nothing").stdout == "{}\n"
    finally:
        listener.send_signal(signal.SIGINT)
        _, complaints = listener.communicate(timeout=_WAIT)
    assert (listener.returncode, complaints) == (0, "")


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    done = _ask(f"unix://{tmp_path}/nobody", "PING")
    assert done.returncode == 1
    assert done.stderr.startswith("redis_client: ")
    assert "nobody" in done.stderr
