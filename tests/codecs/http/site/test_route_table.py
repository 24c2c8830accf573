"""Which route a path leads to."""

from __future__ import annotations

import re
import sys
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_net import COMPILED
from pipeline_net.codecs.http.site.route_pattern import MalformedPathError, RoutePattern, split_path
from pipeline_net.codecs.http.site.route_table import Route, RouteTable


def _table(*lines: str) -> RouteTable:
    table = RouteTable()
    for line in lines:
        method, pattern = line.split(" ")
        table.add(Route(method, RoutePattern(pattern), print))
    return table


_NOTES = _table(
    "GET /",
    "GET /notes",
    "POST /notes",
    "GET /notes/new",
    "GET /notes/{number:int}",
    "DELETE /notes/{number:int}",
    "PUT /notes/{name}",
    "GET /{page}",
    "GET /files/{where:path}",
    "GET /a/b/c",
    "GET /a/{x}/d",
    "GET /{x}/b/e",
    "GET /slash/",
)


@pytest.mark.parametrize(
    ("method", "path", "pattern", "values"),
    [
        ("GET", "/", "/", {}),
        ("GET", "/notes", "/notes", {}),
        ("HEAD", "/notes", "/notes", {}),
        ("GET", "/notes/new", "/notes/new", {}),
        ("GET", "/notes/7", "/notes/{number:int}", {"number": 7}),
        ("PUT", "/notes/7", "/notes/{name}", {"name": "7"}),  # the int has no PUT
        ("PUT", "/notes/new", "/notes/{name}", {"name": "new"}),
        ("GET", "/about", "/{page}", {"page": "about"}),
        ("GET", "/a%2Fb", "/{page}", {"page": "a/b"}),
        ("GET", "/files/a/b%20c", "/files/{where:path}", {"where": "a/b c"}),
        ("GET", "/files/a/", "/files/{where:path}", {"where": "a/"}),
        ("GET", "/a/b/c", "/a/b/c", {}),
        ("GET", "/a/b/d", "/a/{x}/d", {"x": "b"}),
        ("GET", "/a/b/e", "/{x}/b/e", {"x": "a"}),
        ("GET", "/slash/", "/slash/", {}),
        ("GET", "/n%6ftes", "/notes", {}),
    ],
)
def test_a_path_leads_to_a_route(method: str, path: str, pattern: str, values: dict[str, Any]) -> None:
    match = _NOTES.find(method, split_path(path))
    assert match.route is not None
    assert (match.route.pattern.text, match.arguments) == (pattern, values)


@pytest.mark.parametrize(
    ("method", "path", "methods"),
    [
        ("POST", "/notes/7", ["GET", "DELETE", "PUT"]),
        ("PATCH", "/notes", ["GET", "POST", "GET"]),  # also of /{page}
        ("POST", "/", ["GET"]),
        ("GET", "/notes/", []),
        ("GET", "//", []),
        ("GET", "/files//etc/passwd", []),
        ("GET", "/files/a%2Fb", []),
        ("GET", "/a/b/f", []),
        ("GET", "/slash/x", []),
    ],
)
def test_a_path_that_leads_to_none_tells_which_methods_there_are(method: str, path: str, methods: list[str]) -> None:
    match = _NOTES.find(method, split_path(path))
    assert (match.route, match.methods, match.arguments) == (None, methods, {})


@pytest.mark.parametrize(
    "lines",
    [
        ("GET /a", "GET /a"),
        ("GET /{a}", "GET /{b}"),
        ("GET /{a}", "GET /{b:str}"),
        ("GET /x/{a:int}", "GET /x/{b:int}"),
        ("* /a", "GET /a"),
        ("GET /a", "* /a"),
    ],
)
def test_routes_that_cannot_be_told_apart_are_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="match the same requests"):
        _table(*lines)


def test_a_literal_path_is_found_at_once() -> None:
    found = _NOTES.find_literal("GET", "/notes/new")
    assert repr(found) == "<Route GET /notes/new>"
    assert _NOTES.find_literal("HEAD", "/notes") is None  # that takes the longer way
    assert _NOTES.find_literal("GET", "/notes/7") is None


# -- the same, by a slow way: every pattern as a regular expression, the best one wins ---------------------------------

_KINDS = {"": "0", "int": "1", "str": "2", "path": "3"}


def _slowly(table: RouteTable, method: str, path: str) -> str | None:
    segments = split_path(path)
    best: tuple[str, str] | None = None
    for route in table.routes:
        if route.method not in ((method, "GET") if method == "HEAD" else (method,)):
            continue
        if _fits(route.pattern, segments):
            rank = "".join(_KINDS[kind] for kind, _ in route.pattern.segments)
            if best is None or rank < best[0]:
                best = rank, route.pattern.text
    return None if best is None else best[1]


def _fits(pattern: RoutePattern, segments: list[str]) -> bool:
    wanted: list[str] = []
    for kind, text in pattern.segments:
        wanted.append(
            {"": re.escape(text), "int": "[0-9]{1,18}", "str": "[^\n]+", "path": "[^\n/]+(\n[^\n/]+)*\n?"}[kind]
        )
    if pattern.ends_with_slash:
        wanted.append("")
    return re.fullmatch("\n".join(wanted), "\n".join(segments)) is not None


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["GET", "POST", "PUT", "HEAD", "DELETE"]),
    st.lists(
        st.sampled_from(["a", "b", "c", "d", "e", "", "7", "notes", "new", "files", "slash", "%2F", "x%20"]), max_size=5
    ),
)
def test_the_tree_finds_what_a_list_of_expressions_finds(method: str, pieces: list[str]) -> None:
    path = "/" + "/".join(pieces)
    match = _NOTES.find(method, split_path(path))
    assert (None if match.route is None else match.route.pattern.text) == _slowly(_NOTES, method, path)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("/%.aA0217notefils2Ef{}:*\\~;@"), max_size=60))
def test_no_path_breaks_the_tree(text: str) -> None:
    try:
        segments = split_path("/" + text)
    except MalformedPathError:
        return
    match = _NOTES.find("GET", segments)
    for value in match.arguments.values():
        assert value != ""
        assert not str(value).startswith("/") or "%2F" in text or "%2f" in text
        assert ".." not in str(value).split("/")


@pytest.mark.parametrize("path", ["/" + "a/" * 4000, "/" * 8000, "/files/" + "b/" * 4000, "/" + "%61/" * 2000])
def test_a_long_path_costs_no_more_than_its_length(path: str) -> None:
    began = time.process_time()
    _NOTES.find("GET", split_path(path))
    assert time.process_time() - began < 0.5


@pytest.mark.skipif(COMPILED, reason="compiled functions cannot be counted; they are the same")
def test_branches_do_not_multiply() -> None:
    """Each depth offers a text, an int and a str, and only the last segment decides."""
    table = RouteTable()
    calls = 0
    for width in range(1, 13):
        for kind in ("1", "{a%d:int}", "{a%d}"):
            pattern = "/" + "/".join(kind % n if "%" in kind else kind for n in range(width)) + f"/end{width}"
            table.add(Route("GET", RoutePattern(pattern), print))

    def count(frame: Any, event: str, arg: Any) -> None:
        nonlocal calls
        if event == "call" and frame.f_code.co_name == "look":
            calls += 1

    sys.setprofile(count)
    try:
        match = table.find("GET", ["1"] * 12 + ["none"])
    finally:
        sys.setprofile(None)
    assert match.route is None
    assert 0 < calls < 3 * 14
