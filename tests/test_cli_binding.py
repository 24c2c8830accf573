"""A server that cannot listen says why, and what to type instead."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest

from pipeline_net import cli
from pipeline_net.cli_binding import another_address, says_why_it_cannot_bind


@pytest.mark.parametrize(
    ("code", "address", "other"),
    [
        (errno.EADDRINUSE, "tcp://127.0.0.1:6379", "tcp://127.0.0.1:6380"),
        (errno.EADDRINUSE, "tcp://[::1]:65535", "tcp://[::1]:65534"),
        (errno.EACCES, "udp://0.0.0.0:53", "udp://0.0.0.0:8053"),
        (errno.EADDRINUSE, "unix://app.sock", "unix://app.sock.2"),
        (errno.EADDRINUSE, "local://chat", "tcp://127.0.0.1:9000"),
        (errno.EADDRNOTAVAIL, "tcp://192.0.2.1:5000", "tcp://127.0.0.1:5000"),
        (errno.EADDRNOTAVAIL, "udp://[2001:db8::1]:5000", "udp://[::1]:5000"),
        (errno.EADDRNOTAVAIL, "tcp6://some.example:5000", "tcp6://[::1]:5000"),
        (errno.ENOENT, "unix:///run/missing/app.sock", "unix://app.sock"),
        (errno.ENOTDIR, "unix:///etc/passwd/app.sock", "unix://app.sock"),
    ],
)
def test_which_address_is_suggested(code: int, address: str, other: str) -> None:
    assert another_address(OSError(code, f"cannot bind {address}: for some reason")) == other


def test_a_name_that_nobody_knows_is_replaced_by_this_machine() -> None:
    exc = socket.gaierror(socket.EAI_NONAME, "cannot bind tcp://no.example:5000: Name or service not known")
    assert another_address(exc) == "tcp://127.0.0.1:5000"


@pytest.mark.parametrize(
    "exc",
    [
        OSError(errno.EMFILE, "cannot bind tcp://127.0.0.1:1: Too many open files"),
        OSError(errno.ENOENT, "No such file or directory", "data.json"),
    ],
)
def test_other_errors_are_not_explained(exc: OSError, capsys: pytest.CaptureFixture[str]) -> None:
    assert not says_why_it_cannot_bind(exc, "pipeline-net run mine:app")
    assert capsys.readouterr().err == ""


def test_a_folder_that_is_not_there_is_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address = f"unix://{tmp_path}/missing/app.sock"
    assert cli.main(["run", "pipeline_net:EventHandler", "--address", address]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"pipeline-net: cannot bind {address}: No such file or directory",
        "Choose another address:  pipeline-net run pipeline_net:EventHandler --address unix://app.sock",
    ]
