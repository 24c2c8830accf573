"""Where a server can be reached: families, names, and the files of Unix sockets."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path

import pytest

from pipeline_net import ChannelOptions
from pipeline_net.transport.address import parse_address
from pipeline_net.transport.listening import BoundSocket, bind_socket, default_backlog

_HAS_IPV6 = socket.has_ipv6 and socket.has_dualstack_ipv6()


def listen(address: str, *, reuse_port: bool = False) -> BoundSocket:
    return bind_socket(parse_address(address), ChannelOptions(), reuse_port=reuse_port, backlog=5)


def reaches(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock:
        return sock.connect_ex((host, port)) == 0


def test_the_real_port_is_told_in_a_form_that_can_be_connected_to() -> None:
    bound = listen("tcp://127.0.0.1:0")
    assert bound.address == f"tcp://127.0.0.1:{bound.port}"
    assert not bound.sock.getblocking()
    assert reaches("127.0.0.1", bound.port)
    bound.close()


@pytest.mark.skipif(not _HAS_IPV6, reason="no IPv6 here")
@pytest.mark.parametrize(
    ("address", "over4", "over6"),
    [("tcp://:0", True, True), ("tcp4://:0", True, False), ("tcp6://:0", False, True), ("tcp://[::]:0", False, True)],
)
def test_all_interfaces_means_those_of_the_families_asked_for(address: str, over4: bool, over6: bool) -> None:
    bound = listen(address)
    assert reaches("127.0.0.1", bound.port) is over4
    assert reaches("::1", bound.port) is over6
    bound.close()


def test_without_ipv6_all_interfaces_are_those_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    bound = listen("tcp://:0")
    assert bound.sock.family == socket.AF_INET
    bound.close()


def test_a_name_is_bound_to_an_ipv4_address_if_it_has_one() -> None:
    bound = listen("tcp://localhost:0")
    assert bound.address.startswith("tcp://127.0.0.1:")
    bound.close()


def test_what_cannot_be_bound_is_named_and_keeps_its_class_and_number() -> None:
    bound = listen("tcp://127.0.0.1:0")
    with pytest.raises(OSError, match=bound.address) as caught:
        listen(bound.address)
    assert caught.value.errno == errno.EADDRINUSE
    bound.close()
    with pytest.raises(OSError, match=r"tcp://192\.0\.2\.1:80"):
        listen("tcp://192.0.2.1:80")
    with pytest.raises(FileNotFoundError, match="unix:///nowhere/at/all"):
        listen("unix:///nowhere/at/all")


def test_a_name_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*args: object, **kwargs: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(socket.gaierror, match=r"tcp://name\.test:80"):
        listen("tcp://name.test:80")


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="no SO_REUSEPORT here")
def test_several_sockets_share_a_port_only_when_asked_to() -> None:
    first = listen("tcp://127.0.0.1:0", reuse_port=True)
    second = listen(first.address, reuse_port=True)
    assert second.address == first.address
    with pytest.raises(OSError, match="in use"):
        listen(first.address)
    first.close()
    second.close()


def test_two_datagram_servers_never_share_a_port_by_accident() -> None:
    bound = bind_socket(parse_address("udp://127.0.0.1:0"), ChannelOptions())
    with pytest.raises(OSError, match="in use"):
        bind_socket(parse_address(bound.address), ChannelOptions())
    bound.close()


# -- the files of Unix sockets ----------------------------------------------------------------------


def leave_stale(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()


def test_a_stale_file_is_replaced_and_ours_is_removed_on_close(tmp_path: Path) -> None:
    path = tmp_path / "s"
    leave_stale(path)
    bound = listen(f"unix://{path}")
    assert bound.address == f"unix://{path}"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    bound.close()
    bound.close()
    assert not path.exists()


def test_a_file_on_which_somebody_listens_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    bound = listen(f"unix://{path}")
    with pytest.raises(OSError, match=str(path)) as caught:
        listen(f"unix://{path}")
    assert caught.value.errno == errno.EADDRINUSE
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    bound.close()


def test_a_listener_that_is_too_busy_to_answer_is_no_stale_file(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(0)
        fillers: list[socket.socket] = []
        while not fillers or fillers[-1].connect_ex(str(path)) == 0:
            fillers.append(socket.socket(socket.AF_UNIX))
            fillers[-1].setblocking(False)
        with pytest.raises(OSError, match="in use"):
            listen(f"unix://{path}")
        for filler in fillers:
            filler.close()
    assert path.exists()


def test_an_ordinary_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("important")
    with pytest.raises(OSError, match="in use"):
        listen(f"unix://{path}")
    assert path.read_text() == "important"


def test_a_link_to_a_stale_socket_is_left_alone(tmp_path: Path) -> None:
    leave_stale(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(OSError, match="in use"):
        listen(f"unix://{tmp_path}/link")
    assert (tmp_path / "link").is_symlink()


def test_a_file_that_somebody_put_in_our_place_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    bound = listen(f"unix://{path}")
    path.unlink()
    path.write_text("somebody else's")
    bound.close()
    assert path.exists()


def test_the_file_is_found_again_after_the_directory_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bound = listen("unix://relative")
    monkeypatch.chdir("/")
    bound.close()
    assert not (tmp_path / "relative").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract names")
def test_an_abstract_name_needs_no_file() -> None:
    bound = listen("unix://@pipeline-net-test-listening")
    assert bound.address == "unix://@pipeline-net-test-listening"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0pipeline-net-test-listening")
    with pytest.raises(OSError, match="@pipeline-net-test-listening"):
        listen("unix://@pipeline-net-test-listening")
    bound.close()
    assert not os.path.exists("@pipeline-net-test-listening")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_default_backlog_is_the_kernels_limit() -> None:
    assert default_backlog() == int(Path("/proc/sys/net/core/somaxconn").read_text())


def test_a_file_that_cannot_be_removed_stays_behind_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "kept"
    bound = bind_socket(parse_address(f"unix://{path}"), ChannelOptions(), backlog=1)

    def refuse(path: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(os, "unlink", refuse)
    bound.close()
    assert bound.sock.fileno() == -1
    assert path.exists()
    assert "stays behind" in caplog.text
