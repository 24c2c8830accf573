"""Finding: files, index files, pages, and what is not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline_net.codecs.http.files.finding import SMALL, Finder, Found, Question
from pipeline_net.codecs.http.files.root_folder import RootFolder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_bytes(b"a")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "large").write_bytes(bytes(SMALL + 1))
    (tmp_path / "with").mkdir()
    (tmp_path / "with" / "main.html").write_bytes(b"main")
    (tmp_path / "without").mkdir()
    (tmp_path / "odd" / "index.html").mkdir(parents=True)
    return tmp_path


def _find(root: Path, path: str, *, listing: bool = False, wants_body: bool = True) -> Found:
    finder = Finder(
        RootFolder(os.fsencode(root), follow_symlinks=False, dotfiles=False), [b"index.html", b"main.html"], listing
    )
    return finder.find(Question(path.encode().split(b"/")[1:], path, [], wants_body))


def test_a_small_file_is_read_and_closed(root: Path) -> None:
    found = _find(root, "/a.txt")
    assert (found.body, found.file, found.name) == (b"a", None, b"a.txt")
    assert found.facts is not None
    assert found.facts.st_size == 1
    assert _find(root, "/empty").body == b""


@pytest.mark.parametrize(("path", "wants_body"), [("/large", True), ("/a.txt", False)])
def test_another_one_is_left_open(path: str, wants_body: bool, root: Path) -> None:
    found = _find(root, path, wants_body=wants_body)
    assert found.body is None
    assert found.file is not None
    found.file.close()


def test_a_folder_is_its_index_or_its_page_or_not_there(root: Path) -> None:
    assert _find(root, "/with/").body == b"main"
    page = _find(root, "/without/", listing=True)
    assert page.facts is None
    assert b"<title>/without/</title>" in (page.body or b"")
    for path in ("/without/", "/odd/"):
        with pytest.raises(FileNotFoundError):
            _find(root, path)


def test_a_folder_without_a_slash_is_one(root: Path) -> None:
    with pytest.raises(IsADirectoryError):
        _find(root, "/with")


def test_a_file_with_a_slash_is_none(root: Path) -> None:
    with pytest.raises(NotADirectoryError):
        _find(root, "/a.txt/")
