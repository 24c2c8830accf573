"""What the kernel is told about a socket."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest

from pipeline_net import ChannelOptions
from pipeline_net.transport.socket_options import INHERITED, apply_options, holds_unsent_bytes, reset_when_closed


def look(sock: socket.socket, level: int, name: int) -> int:
    return sock.getsockopt(level, name)


def test_by_default_small_writes_are_not_held_back_and_nobody_is_probed() -> None:
    with socket.socket() as sock:
        apply_options(sock, ChannelOptions())
        assert look(sock, socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert not look(sock, socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_nodelay_can_be_left_alone() -> None:
    with socket.socket() as sock:
        apply_options(sock, ChannelOptions(tcp_nodelay=False))
        assert not look(sock, socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="another name here")
@pytest.mark.parametrize(("seconds", "whole"), [(61, 61), (0.2, 1), (1.6, 2)])
def test_keepalive_is_counted_in_whole_seconds(seconds: float, whole: int) -> None:
    with socket.socket() as sock:
        apply_options(sock, ChannelOptions(keepalive=seconds, keepalive_interval=seconds, keepalive_count=4))
        assert look(sock, socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert look(sock, socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == whole
        assert look(sock, socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == whole
        assert look(sock, socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 4


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_buffers_are_for_every_kind_of_socket(family: int, kind: int) -> None:
    with socket.socket(family, kind) as sock:
        apply_options(sock, ChannelOptions(receive_buffer=40_000, send_buffer=30_000, keepalive=5))
        assert look(sock, socket.SOL_SOCKET, socket.SO_RCVBUF) >= 40_000
        assert look(sock, socket.SOL_SOCKET, socket.SO_SNDBUF) >= 30_000


@pytest.mark.skipif(not INHERITED, reason="each connection is told for itself here")
def test_accepted_connections_inherit_what_their_listener_was_told() -> None:
    with socket.socket() as listener:
        apply_options(listener, ChannelOptions(keepalive=61, receive_buffer=40_000))
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert look(accepted, socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert look(accepted, socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 61
                assert look(accepted, socket.SOL_SOCKET, socket.SO_RCVBUF) >= 40_000


@pytest.mark.skipif(not INHERITED, reason="only Linux tells")
def test_whether_the_peer_has_room_can_be_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as near:
        far, _ = listener.accept()
        with far:
            near.sendall(b"there is room for this")
            assert far.recv(100) == b"there is room for this"
            assert not holds_unsent_bytes(near)
            near.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    near.send(bytes(65536))
            assert holds_unsent_bytes(near)
    near, far = socket.socketpair()
    with near, far:
        near.send(b"this is with the peer")
        assert not holds_unsent_bytes(near)


def test_a_socket_resets_its_connection_when_it_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
        with far:
            reset_when_closed(near)
            near.close()
            with pytest.raises(ConnectionResetError):
                far.recv(1)
