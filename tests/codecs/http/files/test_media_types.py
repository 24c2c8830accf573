"""Media types of files."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.http.files.media_types import media_type_of


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        (b"index.html", "text/html; charset=utf-8"),
        (b"INDEX.HTM", "text/html; charset=utf-8"),
        (b"a.css", "text/css; charset=utf-8"),
        (b"a.js", "text/javascript; charset=utf-8"),
        (b"a.mjs", "text/javascript; charset=utf-8"),
        (b"a.json", "application/json"),
        (b"a.png", "image/png"),
        (b"a.svg", "image/svg+xml"),
        (b"a.wasm", "application/wasm"),
        (b"a.woff2", "font/woff2"),
        (b"a.tar.gz", "application/gzip"),
        (b"a.gpx", "application/gpx+xml"),
        (b"a.log", "text/x-log; charset=ascii"),
        (b"README", "application/octet-stream"),
        (b".html", "application/octet-stream"),
        (b"a.\xff", "application/octet-stream"),
    ],
)
def test_the_end_of_a_name_says_what_is_inside(name: bytes, media_type: str) -> None:
    more = {".gpx": "application/gpx+xml", ".log": "text/x-log; charset=ascii"}
    assert media_type_of(name, more, "utf-8") == media_type


def test_a_charset_may_be_left_out() -> None:
    assert media_type_of(b"a.txt", {}, None) == "text/plain"
