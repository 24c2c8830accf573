"""UploadedFile, and the file without a name in which it lies.

A file that has no name cannot be left behind: the kernel frees it with the last descriptor, also after ``kill -9``.
Linux makes such a file at once (``O_TMPFILE``), and lets one give it a name later, so that saving an upload inside the
same file system moves not a byte.  Elsewhere ``tempfile`` makes one and takes its name away.
"""

from __future__ import annotations

import errno
import io
import os
from typing import IO, Final

_O_TMPFILE: Final = getattr(os, "O_TMPFILE", 0)


class UnnamedFile(io.FileIO):
    """A file on disk that goes when it is closed or forgotten, and then says nothing about it."""

    def __init__(self, folder: str) -> None:
        super().__init__(_open_unnamed(folder), "r+b")

    def __del__(self) -> None:
        self.close()  # FileIO would warn: but to be forgotten is how such a file is meant to end


def _open_unnamed(folder: str) -> int:
    if _O_TMPFILE:
        try:
            return os.open(folder, _O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            if exc.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                raise  # otherwise the file system knows no such files, as NFS does not
    import tempfile  # here, for most programs never need it

    with tempfile.TemporaryFile(dir=folder) as file:
        return os.dup(file.fileno())


class UploadedFile:
    """A file that came with a form; small ones are in memory, others on disk.

    Args:
        name: the field's.
        raw_filename: what the sender calls it; show it, escaped, but never open it.
        filename: that without folders, fit for a file system (see ``safe_filename``).
        content_type: what the sender says it is.
        file: where the content is.
        size: of the content, in bytes.
    """

    def __init__(
        self, name: str, raw_filename: str, filename: str, content_type: str | None, file: IO[bytes], size: int
    ) -> None:
        self.name = name
        self.raw_filename = raw_filename
        self.filename = filename
        self.content_type = content_type
        self.file = file
        self.size = size

    @property
    def is_in_memory(self) -> bool:
        """Whether the file never was on disk."""
        return isinstance(self.file, io.BytesIO)

    def read(self) -> bytes:
        """Return the whole content; of a file on disk, that blocks."""
        self.file.seek(0)
        return self.file.read()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Keep the content under ``path``, which must not be there yet; readable by its owner only.

        It blocks, and belongs into ``loop.run_blocking``.

        Raises:
            OSError: ``FileExistsError``, and what else a file system may say.
        """
        import shutil  # here, for it brings a good deal along

        if not self.is_in_memory and _give_name(self.file.fileno(), path):
            return
        self.file.seek(0)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as target:
                shutil.copyfileobj(self.file, target, 1024 * 1024)
        except BaseException:
            os.unlink(path)  # half a file is none
            raise

    def close(self) -> None:
        """Let the content go; what was saved stays.  Again is allowed."""
        self.file.close()

    def __repr__(self) -> str:
        where = "in memory" if self.is_in_memory else "on disk"
        return f"<UploadedFile {self.name!r} {self.filename!r}, {self.size} bytes {where}>"


def _give_name(descriptor: int, path: str | os.PathLike[str]) -> bool:
    """Link a file of Linux that has no name to one; False if that cannot be, as between two file systems."""
    if not _O_TMPFILE:
        return False
    root = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
    try:
        # With a folder's descriptor Python calls linkat(AT_SYMLINK_FOLLOW), which a magic link of /proc needs.
        os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=root, follow_symlinks=True)
    except OSError:
        return False  # copying then says what is wrong, if anything is
    finally:
        os.close(root)
    return True
