"""RootFolder: what lies below a folder, and nothing else; and no descriptor is left behind."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_net.codecs.http.files.root_folder import RootFolder


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A folder with everything in it that might be asked for; descriptors are counted."""
    (tmp_path / "secret").write_text("secret")
    root = tmp_path / "root"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / ".well-known").mkdir()
    (root / "sub" / ".well-known").mkdir()
    (root / "a.txt").write_text("a")
    (root / "sub" / "b.txt").write_text("b")
    (root / ".env").write_text("password")
    (root / "sub" / ".git").mkdir()
    (root / "sub" / ".git" / "config").write_text("config")
    (root / ".well-known" / "x").write_text("x")
    (root / "sub" / ".well-known" / "y").write_text("y")
    (root / "inside").symlink_to("a.txt")
    (root / "outside").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to("..")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "fifo")
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    yield root
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after == before, "a descriptor was left open"


def _read(root: Path, path: str, *, follow_symlinks: bool = False, dotfiles: bool = False) -> str | None:
    """What is in a file, as a client would see it; ``None`` if there is nothing to be seen."""
    folder = RootFolder(os.fsencode(root), follow_symlinks=follow_symlinks, dotfiles=dotfiles)
    *names, last = [os.fsencode(name) for name in path.split("/")]
    try:
        with folder.folder(names) as fd, folder.open_file(fd, last, level=len(names)) as file:
            return file.read().decode()
    except OSError:
        return None


@pytest.mark.parametrize(
    ("path", "strictly", "with_links", "with_dots"),
    [
        ("a.txt", "a", "a", "a"),
        ("sub/b.txt", "b", "b", "b"),
        ("none", None, None, None),
        ("none/b.txt", None, None, None),
        ("a.txt/b.txt", None, None, None),
        ("sub", None, None, None),
        (".env", None, None, "password"),
        ("sub/.git/config", None, None, "config"),
        (".well-known/x", "x", "x", "x"),
        ("sub/.well-known/y", None, None, "y"),
        ("inside", None, "a", None),
        ("outside", None, "secret", None),
        ("up/secret", None, "secret", None),
        ("up/root/a.txt", None, "a", None),
        ("loop", None, None, None),
        ("fifo", None, None, None),
        ("n" * 300, None, None, None),
    ],
)
def test_what_is_to_be_seen(
    path: str, strictly: str | None, with_links: str | None, with_dots: str | None, root: Path
) -> None:
    assert _read(root, path) == strictly
    assert _read(root, path, follow_symlinks=True) == with_links
    assert _read(root, path, dotfiles=True) == with_dots


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "/dev/tty"])
def test_a_device_is_not_opened(path: str) -> None:
    folder = RootFolder(b"/", follow_symlinks=True, dotfiles=False)
    with folder.folder([b"dev"]) as fd, pytest.raises(OSError, match="no such"):
        folder.open_file(fd, os.path.basename(path).encode())


def test_a_socket_is_not_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)  # a path of a socket may not be long
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("sock")
        assert _read(root, "sock") is None


def test_the_root_may_be_a_link_that_changes(root: Path, tmp_path: Path) -> None:
    current = tmp_path / "current"
    current.symlink_to(root)
    assert _read(current, "a.txt") == "a"
    current.unlink()
    current.symlink_to(root / "sub")
    assert _read(current, "b.txt") == "b"


def test_who_exchanges_a_folder_for_a_link_meanwhile_gains_nothing(root: Path, tmp_path: Path) -> None:
    """One thread swaps a folder and a link to a secret for each other, as fast as it can; another one asks."""
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "b.txt").write_text("secret")
    swapped, link, sub = root / "swapped", root / "link", root / "sub"
    link.symlink_to(outside)
    is_over = threading.Event()

    def swap() -> None:
        while not is_over.is_set():
            os.rename(sub, swapped)
            os.rename(link, sub)
            os.rename(sub, link)
            os.rename(swapped, sub)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        seen = {_read(root, "sub/b.txt") for _ in range(2000)}
    finally:
        is_over.set()
        thread.join()
    assert seen <= {"b", None}


def test_a_folder_lists_what_can_be_asked_for(root: Path) -> None:
    strict = RootFolder(os.fsencode(root), follow_symlinks=False, dotfiles=False)
    with strict.folder([]) as fd:
        assert sorted(strict.entries(fd)) == [(b"a.txt", False), (b"sub", True)]
    lenient = RootFolder(os.fsencode(root), follow_symlinks=True, dotfiles=True)
    with lenient.folder([]) as fd:
        found = sorted(lenient.entries(fd), key=lambda entry: (entry[1], entry[0]))
    assert [name for name, is_folder in found if not is_folder] == [b".env", b"a.txt", b"inside", b"outside"]
    assert [name for name, is_folder in found if is_folder] == [b".well-known", b"sub", b"up"]


def test_a_neighbour_is_taken_if_it_is_not_older(root: Path) -> None:
    folder = RootFolder(os.fsencode(root), follow_symlinks=False, dotfiles=False)
    (root / "a.txt.gz").write_text("zipped")
    os.utime(root / "a.txt", (100, 100))
    for seconds, coding, text in ((100, "gzip", b"zipped"), (99, None, b"a")):
        os.utime(root / "a.txt.gz", (seconds, seconds))
        with folder.folder([]) as fd, folder.open_file(fd, b"a.txt") as plain:
            file = folder.open_neighbour(fd, plain, ["br", "gzip"])
            assert (file.coding, file.label, file.read()) == (coding, b"a.txt", text)
            file.close()
