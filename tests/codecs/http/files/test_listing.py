"""The page of a folder: names are text, whatever they look like."""

from __future__ import annotations

from pipeline_net.codecs.http.files.listing import page_of


def test_names_are_escaped_in_text_and_in_links() -> None:
    names = [b"<script>alert(1)</script>", b'"><img src=x>', b"javascript:alert(1)", b"\xff", "é".encode(), b"a b?#%"]
    page = page_of("/%3Cb%3E/", [(name, False) for name in names], has_parent=True).decode()
    assert "<script" not in page
    assert "<img" not in page
    assert "<b>" not in page
    assert "<title>/&lt;b&gt;/</title>" in page
    assert 'href="./javascript%3Aalert%281%29"' in page
    assert 'href="./%FF"' in page
    assert '<a href="./%C3%A9">é</a>' in page
    assert '<a href="./a%20b%3F%23%25">a b?#%</a>' in page


def test_folders_come_first_and_lead_on() -> None:
    page = page_of("/a/", [(b"b", False), (b"z", True), (b"a", False)], has_parent=True).decode()
    assert [line.split('"')[1] for line in page.splitlines() if "<li>" in line] == ["../", "./z/", "./a", "./b"]


def test_above_the_root_there_is_nothing() -> None:
    assert b"../" not in page_of("/", [], has_parent=False)
