"""FileRegion: it knows its size, and that it lies inside its file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from pipeline_net import FileRegion


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
