"""What somebody else calls a file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.codecs.http import safe_filename


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("cat.jpg", "cat.jpg"),
        ("/etc/passwd", "passwd"),
        ("C:\\a\\..\\b.txt", "b.txt"),
        ("../../x", "x"),
        ("a/", "unnamed"),
        ("..", "unnamed"),
        ("", "unnamed"),
        (".htaccess", "htaccess"),
        ("a\0b\r\n.txt", "ab.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ('a<b>:"|?*.txt', "a_b______.txt"),
        ("con", "_con"),
        ("NUL.txt", "_NUL.txt"),
        ("con .txt", "_con .txt"),
        ("COM¹.txt", "_COM¹.txt"),
        ("conout$", "_conout$"),
        ("trailing. . ", "trailing"),
        ("é€.txt", "é€.txt"),
        ("\ud800.txt", "txt"),
        ("é" * 200 + ".txt", "é" * 125 + ".txt"),
        ("a" * 300, "a" * 255),
        ("a." + "b" * 300, "a." + "b" * 253),
    ],
)
def test_names(raw: str, safe: str) -> None:
    assert safe_filename(raw) == safe


@given(st.text())
def test_any_name_becomes_one_that_stays_in_its_folder(raw: str) -> None:
    name = safe_filename(raw)
    assert 1 <= len(name.encode()) <= 255
    assert name not in (".", "..")
    assert not set(name) & set('/\\\0<>:"|?*\n')
    assert safe_filename(name) == name
