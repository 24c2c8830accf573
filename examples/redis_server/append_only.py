"""AppendOnlyFile: a file that commands are added to, in the form in which clients send them.

Two threads use it: the loop adds records to a queue, which never waits for a disk, and a thread of a pool writes what
is queued and makes it safe.  ``_queue_lock`` is held for a moment, ``_file_lock`` for as long as the disk takes.

A rewrite puts a shorter file in the place of this one.  What is added meanwhile goes into both::

    records      … 7  8  9 | 10  11  12  13 | 14 …
                           ^                ^
              the state is copied       switch()

    old file     … 7  8  9   10  11  12  13
    new file     the state   10  11  12  13   14 …

``switch()`` adds what was missed to the new file, makes it safe, gives it the old one's name in a single step, and
makes the name safe too.  A crash at any moment leaves one of the two, whole, under that name.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Final

from pipeline_net.codecs import redis

if sys.platform != "win32":
    import fcntl

_MAX_MISSED: Final = 256 * 1024 * 1024  # bytes added during a rewrite, which wait in memory; more, and it is given up

sync_file: Final = getattr(os, "fdatasync", os.fsync)  # the size is made safe with the data; times need not be


class FileInUseError(OSError):
    """Another server writes to the file."""


def encode(command: redis.Command) -> bytes:
    """Put a command into the bytes that a client would send."""
    words = b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in command])
    return b"*%d\r\n%b" % (len(command), words)


def write_all(fd: int, data: bytes) -> None:
    """Write all of it, in as many steps as the kernel wants."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_folder(path: Path) -> None:
    """Make safe which files are in the folder of ``path``, and how they are called."""
    if sys.platform == "win32":
        return  # folders cannot be opened there
    fd = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def open_for_adding(path: Path) -> int:
    """Open a file, or make one; nobody else may have it open.

    Raises:
        FileInUseError: somebody has.
    """
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        if sys.platform != "win32":
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        os.close(fd)
        raise FileInUseError(f"{path} is being written to by another server") from exc
    except OSError:
        os.close(fd)
        raise
    return fd


class AppendOnlyFile:
    """Records in, and when they are safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.added = 0  # records, ever
        self.safe = 0  # how many of them are where commit() was to bring them
        self._fd = open_for_adding(path)
        self.size = os.fstat(self._fd).st_size
        self.queued = 0  # bytes that have not been given to the kernel
        self._queue: list[bytes] = []
        self._missed: list[bytes] | None = None  # what a file that is to replace this one does not have
        self._missed_size = 0
        self._queue_lock = threading.Lock()
        self._file_lock = threading.Lock()
        sync_folder(path)

    def add(self, record: bytes) -> None:
        with self._queue_lock:
            self._queue.append(record)
            self.queued += len(record)
            self.added += 1
            if self._missed is not None:
                self._missed.append(record)
                self._missed_size += len(record)
                if self._missed_size > _MAX_MISSED:
                    self._missed = None

    def commit(self, *, sync: bool) -> None:
        """Give the kernel what is queued; with ``sync``, return when the disk has it."""
        with self._file_lock:
            with self._queue_lock:
                records = self._take_queue()
            self._write(records, sync)

    def _take_queue(self) -> list[bytes]:
        records, self._queue, self.queued = self._queue, [], 0
        return records

    def _write(self, records: list[bytes], sync: bool) -> None:
        data = b"".join(records)
        write_all(self._fd, data)
        self.size += len(data)
        if sync:
            sync_file(self._fd)
        self.safe += len(records)

    def begin_rewrite(self) -> None:
        """Remember what is added from now on."""
        with self._queue_lock:
            self._missed, self._missed_size = [], 0

    def give_up_rewrite(self) -> None:
        with self._queue_lock:
            self._missed = None

    def sync(self) -> None:
        """Return when the disk has what the kernel has now; meanwhile more may be committed."""
        with self._file_lock:
            fd = os.dup(self._fd)
        try:
            sync_file(fd)
        finally:
            os.close(fd)

    def switch(self, replacement: Path, *, sync: bool) -> OSError | None:
        """Go on in another file, which has everything that this one had when ``begin_rewrite`` was called.

        Returns:
            What went wrong with the new one.  The old one then is as good as before.
        """
        with self._file_lock:
            with self._queue_lock:
                records = self._take_queue()
                missed, self._missed = self._missed, None
            self._write(records, sync)
            if missed is None:
                return OSError(f"more than {_MAX_MISSED} bytes were added while it was made")
            try:
                fd = self._complete(replacement, missed)
            except OSError as exc:
                return exc
            os.close(self._fd)
            self._fd = fd
            self.size = os.fstat(fd).st_size
            sync_folder(self.path)
            return None

    def _complete(self, replacement: Path, missed: list[bytes]) -> int:
        """Add to a file what it lacks, and give it the old one's name."""
        fd = open_for_adding(replacement)
        try:
            write_all(fd, b"".join(missed))
            sync_file(fd)
            os.replace(replacement, self.path)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def close(self) -> None:
        """Write what is left, make it safe, and let the file go."""
        self.commit(sync=True)
        os.close(self._fd)
