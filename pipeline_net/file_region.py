"""FileRegion: a part of a file, to be written like bytes and sent by the kernel without passing through Python."""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO


class FileRegion:
    """``count`` bytes of ``file`` from ``offset`` on.

    ``channel.write(FileRegion(file))`` sends it with ``sendfile``.  The file must be a real one, opened in binary
    mode, and must stay open until the write is done; who opened it closes it.

    Raises:
        ValueError: the region is not inside the file.
    """

    def __init__(self, file: BinaryIO, offset: int = 0, count: int | None = None) -> None:
        position = file.tell()
        size = file.seek(0, os.SEEK_END)
        file.seek(position)  # where its owner reads is the owner's business
        if not 0 <= offset <= size:
            raise ValueError(f"offset {offset} is not inside a file of {size} bytes")
        if count is None:
            count = size - offset
        if not 0 <= count <= size - offset:
            raise ValueError(f"{count} bytes from offset {offset} are not inside a file of {size} bytes")
        self.file = file
        self.offset = offset
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __repr__(self) -> str:
        return f"<FileRegion {self.offset}+{self.count} of {getattr(self.file, 'name', self.file)!r}>"


def is_plain(file: Any) -> bool:
    """Whether what ``file`` gives are the bytes behind its descriptor; of what only looks like a file, it is believed.

    Whatever decompresses has a descriptor, too: that of the file which it reads, and not of what it gives.
    """
    if type(file) in (io.BufferedReader, io.BufferedRandom):
        file = file.raw
    return type(file) is io.FileIO or not isinstance(file, io.IOBase)
