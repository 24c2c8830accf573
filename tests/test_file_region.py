"""FileRegion: it knows its size, and that it lies inside its file."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from pipeline_net import FileRegion
from pipeline_net.file_region import is_plain


@pytest.fixture
def file(tmp_path: Path) -> Iterator[BinaryIO]:
    path = tmp_path / "ten"
    path.write_bytes(b"0123456789")
    with path.open("rb") as opened:
        yield opened


@pytest.mark.parametrize(
    ("offset", "count", "expected"),
    [(0, None, 10), (3, None, 7), (3, 4, 4), (3, 7, 7), (0, 0, 0), (10, None, 0), (10, 0, 0)],
)
def test_it_counts_its_bytes(file: BinaryIO, offset: int, count: int | None, expected: int) -> None:
    region = FileRegion(file, offset, count)
    assert len(region) == region.count == expected
    assert region.offset == offset
    assert region.file is file


@pytest.mark.parametrize(
    ("offset", "count", "complaint"),
    [
        (-1, None, "offset -1 is not inside a file of 10 bytes"),
        (11, None, "offset 11 is not inside a file of 10 bytes"),
        (0, 11, "11 bytes from offset 0 are not inside a file of 10 bytes"),
        (4, 7, "7 bytes from offset 4 are not inside a file of 10 bytes"),
        (4, -1, "-1 bytes from offset 4 are not inside a file of 10 bytes"),
    ],
)
def test_a_region_outside_of_its_file_is_refused(
    file: BinaryIO, offset: int, count: int | None, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        FileRegion(file, offset, count)


def test_the_place_where_the_owner_reads_is_left_alone(file: BinaryIO) -> None:
    file.seek(4)
    FileRegion(file)
    assert file.read() == b"456789"


def test_it_shows_what_it_is_of(file: BinaryIO) -> None:
    assert repr(FileRegion(file, 2, 5)) == f"<FileRegion 2+5 of {file.name!r}>"
    nameless = io.BytesIO(b"0123456789")
    assert repr(FileRegion(nameless, 2, 5)) == f"<FileRegion 2+5 of {nameless!r}>"


@pytest.mark.parametrize("mode", ["rb", "r+b", "w+b"])
@pytest.mark.parametrize("buffering", [-1, 0])
def test_files_of_the_system_are_plain(tmp_path: Path, mode: str, buffering: int) -> None:
    path = tmp_path / "file"
    path.touch()
    with open(path, mode, buffering=buffering) as opened:
        assert is_plain(opened)


def test_files_without_a_name_are_plain_and_so_are_those_that_vanish() -> None:
    with tempfile.TemporaryFile() as nameless, tempfile.NamedTemporaryFile() as vanishing:
        assert is_plain(nameless)
        assert is_plain(vanishing)


@pytest.mark.parametrize("opener", [gzip.open, bz2.open, lzma.open])
def test_what_decompresses_is_not_plain_although_it_has_a_descriptor(tmp_path: Path, opener: Any) -> None:
    path = tmp_path / "packed"
    with opener(path, "wb") as packed:
        packed.write(b"0123456789")
    with opener(path, "rb") as unpacked:
        assert unpacked.fileno() >= 0
        assert not is_plain(unpacked)
        assert not is_plain(io.BufferedReader(unpacked))


def test_what_keeps_its_bytes_elsewhere_is_not_plain() -> None:
    with tempfile.SpooledTemporaryFile() as spooled:
        for other in (io.BytesIO(), io.StringIO(), spooled):
            assert not is_plain(other)


def test_what_looks_like_a_file_is_believed(file: BinaryIO) -> None:
    class Wrapper:
        fileno = file.fileno

    assert is_plain(Wrapper())
