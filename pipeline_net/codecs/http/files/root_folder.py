"""RootFolder: finds and opens what lies below a folder, and nothing else.

Whoever first looks where a path leads, and then opens the path, leaves a moment in which somebody exchanges a folder
for a link.  So each name is opened from the descriptor of the folder before it, with ``O_NOFOLLOW``: what was looked at
is what is open.  Nothing is opened that could block or do something when it is opened: a FIFO, a device, a socket.

Everything here may wait for a disk, and is meant for a pool thread.

Source: openat(2), path_resolution(7)
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from .listing import MAX_ENTRIES

# A folder on the way need not be readable, only searchable, where O_PATH exists.
_STEP: Final = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", os.O_RDONLY)
_FOLDER: Final = getattr(os, "O_DIRECTORY", 0) | os.O_RDONLY
_FILE: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_PUBLIC: Final = b".well-known"  # RFC 8615: a dot file that is there to be found

CAN_OPEN_BELOW: Final = os.open in os.supports_dir_fd and os.stat in os.supports_dir_fd and os.scandir in os.supports_fd

# How neighbours are called that hold the same in another coding.
ENDINGS: Final = {"gzip": b".gz", "br": b".br", "zstd": b".zst"}


class SentFile(io.FileIO):
    """A file that is open to be sent.  Closed with the last reference, should its loop stop before it can be sent."""

    def __init__(self, fd: int, facts: os.stat_result, name: bytes, coding: str | None) -> None:
        super().__init__(fd, "rb")
        self.facts = facts
        self.label = name
        self.coding = coding

    def __del__(self) -> None:
        self.close()


class RootFolder:
    """A folder whose files are served.

    Args:
        follow_symlinks: whether links are followed, wherever they lead; the root itself may always be one.
        dotfiles: whether names that begin with a dot are there; ``.well-known`` always is.
    """

    def __init__(self, path: bytes, *, follow_symlinks: bool, dotfiles: bool) -> None:
        self.path = path
        self._follows = follow_symlinks
        self._dotfiles = dotfiles
        self._nofollow = 0 if follow_symlinks else _NOFOLLOW

    @contextmanager
    def folder(self, names: Sequence[bytes]) -> Iterator[int]:
        """Open a folder below the root, for as long as the block lasts; its descriptor.

        Raises:
            OSError: ``FileNotFoundError`` if there is none, or it is not to be seen.
        """
        if not all(self._is_visible(name, level) for level, name in enumerate(names)):
            raise _missing()
        fd = os.open(self.path, _STEP)
        try:
            for name in names:
                below = os.open(name, _STEP | self._nofollow, dir_fd=fd)
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)

    def open_file(self, folder: int, name: bytes, coding: str | None = None, *, level: int = 1) -> SentFile:
        """Open a regular file in a folder.

        Raises:
            IsADirectoryError: it is a folder.
            OSError: ``FileNotFoundError`` if there is none, or it is no regular file.
        """
        if not self._is_visible(name, level):
            raise _missing()
        self._must_be_regular(os.stat(name, dir_fd=folder, follow_symlinks=self._follows))
        fd = os.open(name, _FILE | self._nofollow, dir_fd=folder)
        try:
            facts = os.fstat(fd)  # of what is open, which may be something else by now
            self._must_be_regular(facts)
            return SentFile(fd, facts, name, coding)
        except BaseException:
            os.close(fd)
            raise

    def open_neighbour(self, folder: int, file: SentFile, codings: Sequence[str]) -> SentFile:
        """Return the same in the first of ``codings`` in which it lies beside ``file`` and is not older; or ``file``
        itself.
        """
        for coding in codings:
            try:
                neighbour = self.open_file(folder, file.label + ENDINGS[coding], coding)
            except OSError:
                continue  # there is none that we may read
            if neighbour.facts.st_mtime_ns >= file.facts.st_mtime_ns:
                neighbour.label = file.label  # what it is inside
                file.close()
                return neighbour
            neighbour.close()
        return file

    def entries(self, folder: int) -> list[tuple[bytes, bool]]:
        """List what can be asked for in a folder: the name of each, and whether it is a folder."""
        found: list[tuple[bytes, bool]] = []
        fd = os.open(b".", _FOLDER, dir_fd=folder)
        try:
            with os.scandir(fd) as things:
                for thing in things:
                    name = os.fsencode(thing.name)
                    if not self._is_visible(name, 1):
                        continue
                    try:
                        if thing.is_dir(follow_symlinks=self._follows):
                            found.append((name, True))
                        elif thing.is_file(follow_symlinks=self._follows):
                            found.append((name, False))
                    except OSError:
                        continue  # a link that leads round in a circle, or to where we may not look
                    if len(found) >= MAX_ENTRIES:
                        break
        finally:
            os.close(fd)
        return found

    def _is_visible(self, name: bytes, level: int) -> bool:
        return self._dotfiles or not name.startswith(b".") or (level == 0 and name == _PUBLIC)

    def _must_be_regular(self, facts: os.stat_result) -> None:
        if stat.S_ISDIR(facts.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if not stat.S_ISREG(facts.st_mode):
            raise _missing()


def _missing() -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, "there is no such file to be seen")
