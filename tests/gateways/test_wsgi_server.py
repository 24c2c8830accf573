"""A server for a WSGI application, until a signal."""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import Any

import pytest

from pipeline_net.gateways.wsgi_server import WsgiOptions, run_wsgi

from .test_wsgi import get, hello


def test_run_wsgi_serves_until_a_signal_and_finishes_what_is_under_way() -> None:
    begun, go_on = threading.Event(), threading.Event()
    answers: list[bytes] = []

    def app(environ: Any, start_response: Any) -> Any:
        begun.set()
        assert go_on.wait(10)
        return hello(environ, start_response)

    def client(port: int) -> None:
        answers.append(get(port))

    def ready(server: Any) -> None:
        port = int(server.addresses[0].rpartition(":")[2])
        threads.append(threading.Thread(target=client, args=(port,)))
        threads.append(threading.Thread(target=end))
        for thread in threads:
            thread.start()

    def end() -> None:
        assert begun.wait(10)
        os.kill(os.getpid(), signal.SIGTERM)
        go_on.set()

    threads: list[threading.Thread] = []
    before = signal.getsignal(signal.SIGTERM)
    assert run_wsgi(app, "tcp://127.0.0.1:0", loops=2, threads=2, ready=ready) == 0
    for thread in threads:
        thread.join(10)
    assert answers[0].endswith(b"hello")
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_address_that_is_taken_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="cannot bind"):
        run_wsgi(hello, f"tcp://127.0.0.1:{other.getsockname()[1]}")


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="root path"):
        WsgiOptions(root_path="x")
