"""A socket that is only a number until more is wanted of it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator

import pytest

from pipeline_net.transport.bare_socket import BareSocket, accept

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a socket is no file there")


@pytest.fixture
def pair() -> Iterator[tuple[BareSocket, socket.socket]]:
    near, far = socket.socketpair()
    bare = BareSocket(near.detach())
    yield bare, far
    bare.close()
    far.close()


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_it_reads_writes_and_shuts_like_a_socket(pair: tuple[BareSocket, socket.socket]) -> None:
    bare, far = pair
    far.sendall(b"ping")
    assert bare.recv(10) == b"ping"
    assert bare.sendmsg([b"po", b"ng"]) == 4
    assert far.recv(10) == b"pong"
    bare.setblocking(False)
    with pytest.raises(BlockingIOError):
        bare.recv(10)
    bare.shutdown(socket.SHUT_WR)
    assert far.recv(10) == b""


def test_what_only_a_whole_socket_can_do(pair: tuple[BareSocket, socket.socket]) -> None:
    bare, far = pair
    assert bare.getsockname() == far.getpeername()
    assert (bare.family, bare.type) == (socket.AF_UNIX, socket.SOCK_STREAM)
    bare.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    assert bare.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 8192, "Linux doubles it"
    assert bare.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


@pytest.mark.parametrize("is_whole", [False, True])
def test_it_is_closed_once(is_whole: bool) -> None:
    near, far = socket.socketpair()
    bare = BareSocket(near.detach())
    fd = bare.fileno()
    assert repr(bare) == f"<BareSocket {fd}>"
    if is_whole:
        bare.getsockname()
    assert is_open(fd)
    bare.close()
    assert not is_open(fd)
    with open(os.devnull) as other:  # gets the number
        assert other.fileno() == fd
        bare.close()
        del bare
        assert is_open(fd)
    far.close()


@pytest.mark.parametrize("is_whole", [False, pytest.param(True, marks=pytest.mark.filterwarnings("ignore:unclosed"))])
def test_one_that_is_forgotten_is_closed(is_whole: bool) -> None:
    near, far = socket.socketpair()
    bare = BareSocket(near.detach())
    fd = bare.fileno()
    if is_whole:
        bare.getsockname()
    del bare
    assert not is_open(fd)
    far.close()


def test_accepting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            accept(listener)
        with socket.create_connection(listener.getsockname()) as client:
            sock, remote = accept(listener)
            assert remote == client.getsockname()
            client.sendall(b"x")
            assert sock.recv(1) == b"x"
            sock.close()
