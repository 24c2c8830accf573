"""AccessLogFile: lines of many connections, written to one file by a thread of its own.

A disk that is slow, a pipe that nobody reads: whoever waits for them on the loop makes all connections wait.  So lines
are put into a queue, which a thread empties, many lines with each write.  The queue is bounded; when it is full, lines
are dropped and counted, for a log that lags behind must not take the memory of the server.
"""

from __future__ import annotations

import logging
import os
import threading
from queue import SimpleQueue
from types import TracebackType
from typing import Final, TextIO

_logger: Final = logging.getLogger("pipeline_net.http")

_AT_ONCE: Final = 1000  # lines that are written together
_WAIT: Final = 10.0  # seconds that close() gives the thread


class AccessLogFile:
    """Takes lines from any thread, and never waits for the file.

    The thread begins with the first line.  ``close()`` (or the end of a ``with``) writes what is left.

    Args:
        file: a path, to which lines are appended; or something open for text, which stays open.
        max_lines: how many may wait; further ones are dropped, and counted in ``dropped``.

    Raises:
        OSError: the path cannot be opened.
        ValueError: ``max_lines`` is not above 0.
    """

    def __init__(self, file: str | os.PathLike[str] | TextIO, *, max_lines: int = 100_000) -> None:
        if max_lines < 1:
            raise ValueError(f"max_lines must be more than 0, not {max_lines!r}")
        self._is_ours: Final = isinstance(file, (str, os.PathLike))
        self._file: Final[TextIO] = (
            open(file, "a", encoding="ascii", errors="backslashreplace")  # noqa: SIM115 - closed by close()
            if isinstance(file, (str, os.PathLike))
            else file
        )
        self._max_lines: Final = max_lines
        self._lines: Final[SimpleQueue[str | None]] = SimpleQueue()
        self._lock: Final = threading.Lock()  # for beginning and ending
        self._writer: threading.Thread | None = None
        self._is_closed = False
        self._is_failing = False
        self.dropped = 0
        """Lines for which there was no room, or that the file did not take."""

    def __repr__(self) -> str:
        return f"<AccessLogFile {getattr(self._file, 'name', self._file)!r}, {self._lines.qsize()} lines waiting>"

    def __call__(self, line: str) -> None:
        """Write a line, soon."""
        if self._is_closed or self._lines.qsize() >= self._max_lines:
            self.dropped += 1
            return
        self._lines.put(line)
        if self._writer is None:
            self._begin()

    def close(self) -> None:
        """Write what is left, and close the file if it was opened here; again is allowed."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            writer = self._writer
        if writer is not None:
            self._lines.put(None)
            writer.join(_WAIT)
            if writer.is_alive():
                _logger.error("%r does not take what is left", self)
                return
        if self._is_ours:
            self._file.close()

    def __enter__(self) -> AccessLogFile:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self) -> None:
        with self._lock:
            if self._writer is None and not self._is_closed:
                self._writer = threading.Thread(target=self._write_lines, name="access log", daemon=True)
                self._writer.start()

    def _write_lines(self) -> None:
        is_last = False
        while not is_last:
            line = self._lines.get()
            batch: list[str] = []
            while line is not None:
                batch.append(line)
                if len(batch) >= _AT_ONCE or self._lines.empty():
                    break
                line = self._lines.get()
            is_last = line is None
            if batch:
                self._write(batch)

    def _write(self, batch: list[str]) -> None:
        try:
            self._file.write("\n".join(batch) + "\n")
            self._file.flush()
            self._is_failing = False
        except (OSError, ValueError) as exc:  # the disk is full; the file is closed
            self.dropped += len(batch)
            if not self._is_failing:
                self._is_failing = True  # once is enough
                _logger.error("%r cannot be written: %s", self, exc)
