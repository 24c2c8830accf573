"""The load generator against servers of a few lines: it counts what is right, and believes nothing that is wrong."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from benchmarks.build import BenchmarkError
from benchmarks.load import Driver, microseconds, see_hello, see_redis
from benchmarks.rows import Load

pytestmark = pytest.mark.skipif(
    shutil.which("gcc") is None or shutil.which("taskset") is None, reason="no gcc, or no taskset"
)

_SECONDS = 0.1


@contextmanager
def serving(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """One connection after the other, whose bytes are answered."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # the test is over
            with connection:
                try:
                    while data := connection.recv(1 << 20):
                        connection.sendall(answer(data))
                except ConnectionError:
                    continue  # the generator has given up

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def driver() -> Driver:
    return Driver(min(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    "load",
    [
        Load("raw", size=16, connections=1),
        Load("frame", connections=1, in_flight=16),
        Load("line", size=17, connections=1, in_flight=4),
        Load("churn", connections=1),
    ],
    ids=lambda load: load.mode,
)
def test_an_echo_is_measured(load: Load, driver: Driver) -> None:
    with serving(lambda data: data) as port:
        figures = driver.load(load, port, _SECONDS)
    # whatever was answered within the measured time is among all that was answered; a busy machine may leave it empty
    assert figures.total >= round(figures.rate * _SECONDS) >= 0
    assert figures.total > 0
    assert 0 <= figures.p50_us <= figures.p99_us <= figures.p99_9_us


def test_a_wrong_byte_is_seen(driver: Driver) -> None:
    with serving(lambda data: data[:-1] + b"!") as port, pytest.raises(BenchmarkError, match="connection 0, message 0"):
        driver.load(Load("raw", connections=1), port, _SECONDS)


def test_a_wrong_byte_on_a_connection_of_its_own_is_seen(driver: Driver) -> None:
    with serving(lambda data: data[:-1] + b"!") as port, pytest.raises(BenchmarkError, match="connection 0, message 0"):
        driver.load(Load("churn", connections=1), port, _SECONDS)


def test_a_server_that_closes_instead_of_answering_is_told_of(driver: Driver) -> None:
    def hang_up(data: bytes) -> bytes:
        raise ConnectionError

    with serving(hang_up) as port, pytest.raises(BenchmarkError, match="closed by the server after 0 messages"):
        driver.load(Load("churn", connections=1), port, _SECONDS)


def test_churn_refuses_what_a_fresh_connection_may_not_take_at_once(driver: Driver) -> None:
    with pytest.raises(BenchmarkError, match="at most 16384 bytes"):
        driver.load(Load("churn", size=16385), 1, _SECONDS)


def test_an_older_reply_is_seen(driver: Driver) -> None:
    first: list[bytes] = []

    def repeat(data: bytes) -> bytes:
        first.append(data)
        return first[0]

    with serving(repeat) as port, pytest.raises(BenchmarkError, match="message 1"):
        driver.load(Load("raw", connections=1), port, _SECONDS)


def test_more_than_was_sent_is_seen(driver: Driver) -> None:
    with serving(lambda data: data * 2) as port, pytest.raises(BenchmarkError, match="more than were sent"):
        driver.load(Load("raw", connections=1), port, _SECONDS)


def test_a_server_that_hangs_up_is_told_of(driver: Driver) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(BenchmarkError, match="connect"):
            driver.load(Load("raw", connections=1), port, _SECONDS)


def test_a_message_too_short_for_its_stamp_is_refused(driver: Driver) -> None:
    with pytest.raises(BenchmarkError, match="at least 16"):
        driver.load(Load("raw", size=15), 1, _SECONDS)


def _hello(body: bytes) -> Callable[[bytes], bytes]:
    return lambda asked: b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def test_another_hello_is_seen() -> None:
    with serving(_hello(b"Hello, world\n")) as port:
        see_hello(port)
    with serving(_hello(b"Hello, World\n")) as port, pytest.raises(BenchmarkError, match="Hello, World"):
        see_hello(port)


def _redis(value: bytes) -> Callable[[bytes], bytes]:
    """Answers SET and GET in the order in which they come."""

    def answer(asked: bytes) -> bytes:
        commands = [piece[:3] for piece in asked.split(b"$3\r\n")[1:]]
        return b"".join(b"+OK\r\n" if name == b"SET" else b"$5\r\n%b\r\n" % value for name in commands)

    return answer


def test_another_value_is_seen() -> None:
    with serving(_redis(b"right")) as port:
        see_redis(port)
    with serving(_redis(b"wrong")) as port, pytest.raises(BenchmarkError, match="wrong"):
        see_redis(port)


@pytest.mark.parametrize(
    ("said", "found"),
    [("  99%   12.34ms\n", 12340.0), ("  99%    7.00us\n", 7.0), ("  99%    1.50s\n", 1.5e6), ("nothing", 0.0)],
)
def test_percentiles_of_wrk_are_microseconds(said: str, found: float) -> None:
    assert microseconds(said, "99%") == pytest.approx(found)
