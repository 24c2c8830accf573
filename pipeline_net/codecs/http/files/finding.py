"""Finding: from the names in a path to what is answered, on a pool thread: a file, a folder's page, or an error."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import Final

from .listing import page_of
from .root_folder import RootFolder, SentFile

SMALL: Final = 65536  # bytes; a smaller file is read at once, and its descriptor is given back before it is sent


class Question:
    """What is looked for.

    Args:
        names: the last one is empty for a folder.
        path: as it was asked for, for the title of a page.
        codings: which neighbours may be sent in the file's place, the best one first.
        wants_body: whether the bytes are wanted, or only what they are (HEAD).
    """

    def __init__(self, names: list[bytes], path: str, codings: Sequence[str], wants_body: bool) -> None:
        self.names = names
        self.path = path
        self.codings = codings
        self.wants_body = wants_body


class Found:
    """A file, open or read already; or a page about a folder, which is ``body`` alone."""

    def __init__(self, file: SentFile | None, body: bytes | None) -> None:
        self.file = file
        self.body = body
        self.facts = None if file is None else file.facts
        self.name = b"" if file is None else file.label
        self.coding = None if file is None else file.coding
        if file is not None and body is not None:
            file.close()
            self.file = None


class Finder:
    """Answers questions about one root folder.

    Args:
        index: names of files that stand for their folder, the first one that is there.
        listing: whether a folder without one is listed.
    """

    def __init__(self, root: RootFolder, index: Sequence[bytes], listing: bool) -> None:
        self._root = root
        self._index = index
        self._listing = listing

    def find(self, question: Question) -> Found:
        """Find and open a file.

        Raises:
            IsADirectoryError: it is a folder, and its path lacks the slash.
            OSError: ``FileNotFoundError`` if it is not there, or not to be seen.
        """
        *names, last = question.names
        with self._root.folder(names) as folder:
            if last:
                file = self._root.open_file(folder, last, level=len(names))
            else:
                index = self._index_file(folder, len(names))
                if index is None:
                    page = page_of(question.path, self._root.entries(folder), has_parent=len(names) > 0)
                    return Found(None, page)
                file = index
            file = self._root.open_neighbour(folder, file, question.codings)
        return _opened(file, question.wants_body)

    def _index_file(self, folder: int, level: int) -> SentFile | None:
        """Open the file that stands for a folder; ``None`` if there is none, and the folder may be listed."""
        for name in self._index:
            try:
                return self._root.open_file(folder, name, level=level)
            except (FileNotFoundError, IsADirectoryError):
                continue  # perhaps the next one is there
        if not self._listing:
            raise FileNotFoundError(errno.ENOENT, "the folder has no index, and is not listed")
        return None


def _opened(file: SentFile, wants_body: bool) -> Found:
    try:
        size = file.facts.st_size
        if not wants_body or size > SMALL:
            return Found(file, None)
        body = os.pread(file.fileno(), size, 0)
        if len(body) != size:
            raise OSError(errno.EBUSY, "the file has become shorter while it was read")
        return Found(file, body)
    except BaseException:
        file.close()
        raise
