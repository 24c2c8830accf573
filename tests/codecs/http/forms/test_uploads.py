"""Files that came, and the files without a name in which they lie."""

from __future__ import annotations

import errno
import gc
import io
import os
from pathlib import Path

import pytest

from pipeline_net.codecs.http import UploadedFile
from pipeline_net.codecs.http.forms import uploads
from pipeline_net.codecs.http.forms.uploads import UnnamedFile


def on_disk(folder: Path, content: bytes = b"hello") -> UploadedFile:
    file = UnnamedFile(str(folder))
    file.write(content)
    return UploadedFile("f", "a/b.txt", "b.txt", "text/plain", file, len(content))


def in_memory() -> UploadedFile:
    return UploadedFile("f", "a/b.txt", "b.txt", "text/plain", io.BytesIO(b"hello"), 5)


def test_a_file_on_disk_has_no_name_until_it_is_saved(tmp_path: Path) -> None:
    upload = on_disk(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not upload.is_in_memory
    assert upload.read() == upload.read() == b"hello"
    upload.save(tmp_path / "kept")
    upload.close()
    upload.close()
    assert (tmp_path / "kept").read_bytes() == b"hello"
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o600


def test_a_file_in_memory_is_saved_too(tmp_path: Path) -> None:
    upload = in_memory()
    upload.save(tmp_path / "kept")
    assert upload.is_in_memory
    assert (tmp_path / "kept").read_bytes() == upload.read() == b"hello"


def test_saving_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"mine")
    for upload in (on_disk(tmp_path), in_memory()):
        with pytest.raises(FileExistsError):
            upload.save(tmp_path / "there")
        with pytest.raises(FileNotFoundError):
            upload.save(tmp_path / "none" / "x")
    assert (tmp_path / "there").read_bytes() == b"mine"


def test_where_no_name_can_be_given_the_content_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(os, "link", refuse)
    on_disk(tmp_path).save(tmp_path / "kept")
    assert (tmp_path / "kept").read_bytes() == b"hello"


def test_half_a_copy_is_taken_away(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(errno.EIO, "the disk is broken")

    upload = UploadedFile("f", "b", "b", None, Broken(), 5)
    with pytest.raises(OSError, match="broken"):
        upload.save(tmp_path / "kept")
    assert list(tmp_path.iterdir()) == []


def test_systems_without_o_tmpfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_O_TMPFILE", 0)
    upload = on_disk(tmp_path)
    assert list(tmp_path.iterdir()) == []
    upload.save(tmp_path / "kept")
    assert (tmp_path / "kept").read_bytes() == b"hello"


def test_file_systems_without_o_tmpfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_O_TMPFILE", os.O_DIRECTORY)  # EISDIR, as a kernel says that knows it not
    assert on_disk(tmp_path).read() == b"hello"


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        UnnamedFile(str(tmp_path / "none"))


def test_a_file_that_is_forgotten_is_closed_without_a_word(tmp_path: Path) -> None:
    upload = on_disk(tmp_path)
    descriptor = upload.file.fileno()
    del upload
    gc.collect()  # a warning would fail this test
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_what_it_looks_like(tmp_path: Path) -> None:
    assert repr(in_memory()) == "<UploadedFile 'f' 'b.txt', 5 bytes in memory>"
    assert repr(on_disk(tmp_path)) == "<UploadedFile 'f' 'b.txt', 5 bytes on disk>"
