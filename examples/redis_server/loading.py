"""Loading: from the commands in an append-only file to what they have made.

A server that is killed may leave half a command at the end, or a transaction without its EXEC: nobody was told that
those were done, and they are cut off.  Anything else that is wrong was not the server's doing.  Then the file is left
as it is, and somebody has to look.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final

from pipeline_net.codecs import redis

from .strings import MAX_LENGTH
from .table import TABLE, Client

_MAX_LINE: Final = 64  # bytes of "*3\r\n" and "$5\r\n"; those of a long number are a third of this

_MAX_WORDS: Final = 2**31 - 1  # of one command, as in the real server: the members that one SPOP took, for example

_logger: Final = logging.getLogger("redis_server")


class CorruptedFileError(Exception):
    """The file is not what an append-only file is, in other places than its end."""


class _EndInside(Exception):
    """The file ends in the middle of a command."""


def load(path: Path, client: Client) -> None:
    """Run the commands of a file; cut off what is incomplete at its end.

    Raises:
        CorruptedFileError: something else is wrong with it.
    """
    store = client.store
    client.is_executing = True  # as inside a transaction, nothing waits
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        store.is_loading = True
        try:
            complete = _run_all(file, size, path, client)
        finally:
            store.is_loading = False
    if complete < size:
        _logger.warning("%s: the last %d bytes are an incomplete command, and are cut off", path, size - complete)
        os.truncate(path, complete)


def _run_all(file: BufferedReader, size: int, path: Path, client: Client) -> int:
    """Run all complete commands; where the last of them ends."""
    complete = 0  # what the file has up to here was run
    transaction: list[redis.Command] | None = None
    for command, begin, end in read_commands(file, size, path):
        name = command[0].upper()
        if name == b"MULTI" and transaction is None:
            transaction = []
        elif name == b"EXEC" and transaction is not None:
            for queued in transaction:
                _run(queued, client, f"{path}, before byte {end}")
            transaction = None
        elif transaction is not None:
            transaction.append(command)
        else:
            _run(command, client, f"{path}, byte {begin}")
        if transaction is None:
            complete = end
    return complete


def _run(command: redis.Command, client: Client, where: str) -> None:
    entry = TABLE.find(command)
    if entry is None or not (entry.is_write or entry.name == "select"):
        raise CorruptedFileError(f"{where}: {command[0]!r} is no command that writes")
    if not entry.least <= len(command) <= entry.most:
        raise CorruptedFileError(f"{where}: {command[0]!r} with {len(command) - 1} arguments is no command")
    try:
        entry.run(client, command)
    except redis.CommandError as exc:
        raise CorruptedFileError(f"{where}: {command[0]!r} fails: {exc}") from exc


def read_commands(file: BufferedReader, size: int, path: Path) -> Iterator[tuple[redis.Command, int, int]]:
    """Read each command, where it begins and where it ends, up to the last that is complete.

    Raises:
        CorruptedFileError: something that is no command, and is not only half of one.
    """
    begin = file.tell()
    try:
        while begin < size:
            if file.peek(1)[:1] == b"#":  # the real server's annotations
                _line(file, b"#", path)
            else:
                number = _number(file, b"*", path)
                yield [_word(file, size, path) for _ in range(number)], begin, file.tell()
            begin = file.tell()
    except _EndInside:
        return


def _number(file: BufferedReader, mark: bytes, path: Path) -> int:
    begin = file.tell()
    digits = _line(file, mark, path)
    most = _MAX_WORDS if mark == b"*" else MAX_LENGTH
    if not digits.isdigit() or len(digits) > 18 or int(digits) > most or (mark == b"*" and int(digits) == 0):
        raise _wrong(path, begin, f"expected a number after {mark.decode()!r}, not {digits!r}")
    return int(digits)


def _line(file: BufferedReader, mark: bytes, path: Path) -> bytes:
    begin = file.tell()
    line = file.readline(_MAX_LINE)
    if not line.startswith(mark) and line:
        hint = ""
        if begin == 0 and line.startswith(b"REDIS"):
            hint = ": this is a snapshot (RDB), which the real server leaves out with aof-use-rdb-preamble no"
        raise _wrong(path, begin, f"expected {mark.decode()!r}, not {line[:16]!r}{hint}")
    if not line.endswith(b"\r\n"):
        if (
            len(line) < _MAX_LINE
            and not line.endswith(b"\n")
            and (line[1:].removesuffix(b"\r").isdigit() or len(line) < 2)
        ):
            raise _EndInside
        raise _wrong(path, begin, f"expected a line, not {line[:16]!r}")
    return line[1:-2]


def _word(file: BufferedReader, size: int, path: Path) -> bytes:
    length = _number(file, b"$", path)
    if file.tell() + length + 2 > size:
        raise _EndInside
    word = file.read(length)
    if file.read(2) != b"\r\n":
        raise _wrong(path, file.tell() - 2, f"expected the end of a word of {length} bytes")
    return word


def _wrong(path: Path, at: int, what: str) -> CorruptedFileError:
    return CorruptedFileError(f"{path}, byte {at}: {what}.  The file was left as it is")
