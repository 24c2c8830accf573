"""Patterns and paths: what may stand in them, and what it is when it is decoded."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net.codecs.http.site.route_pattern import (
    MalformedPathError,
    RoutePattern,
    is_below,
    number_of,
    rest_of,
    split_path,
)


@pytest.mark.parametrize(
    ("pattern", "segments"),
    [
        ("/", ()),
        ("/notes", (("", "notes"),)),
        ("/notes/", (("", "notes"),)),
        ("/größe", (("", "größe"),)),
        ("/notes/{number:int}", (("", "notes"), ("int", "number"))),
        ("/{name}/{other:str}", (("str", "name"), ("str", "other"))),
        ("/files/{where:path}", (("", "files"), ("path", "where"))),
    ],
)
def test_a_pattern_is_taken_apart(pattern: str, segments: Any) -> None:
    parsed = RoutePattern(pattern)
    assert parsed.segments == segments
    assert parsed.ends_with_slash is pattern.endswith("/")
    assert repr(parsed) == f"RoutePattern({pattern!r})"


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("", "begins with a slash"),
        ("notes", "begins with a slash"),
        ("//notes", "cannot be a segment"),
        ("/a//b", "cannot be a segment"),
        ("/a/../b", "cannot be a segment"),
        ("/a{b}", "is {name} or {name:kind}"),
        ("/{b}c", "is {name} or {name:kind}"),
        ("/x{b}c", "cannot be a segment"),
        ("/{1b}", "is {name} or {name:kind}"),
        ("/{}", "is {name} or {name:kind}"),
        ("/{a:float}", "str, int or path, not 'float'"),
        ("/{a:}", "str, int or path, not ''"),
        ("/{a}/{a:int}", "stands twice"),
        ("/{a:path}/b", "nothing can follow"),
        ("/{a:path}/", "nothing can follow"),
        ("/a%20b", "as it reads when decoded"),
        ("/a?b", "as it reads when decoded"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        RoutePattern(pattern)


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/", [""]),
        ("/a", ["a"]),
        ("/a/", ["a", ""]),
        ("//a", ["", "a"]),
        ("/a%2Fb/c", ["a/b", "c"]),  # a slash that is encoded is no border
        ("/a%20b", ["a b"]),
        ("/%C3%A4", ["ä"]),
        ("/a+b", ["a+b"]),  # that is a space in forms only
        ("/%25", ["%"]),
        ("/%252e%252e", ["%2e%2e"]),  # decoded once
        ("/...", ["..."]),
    ],
)
def test_a_path_is_split_and_then_decoded(path: str, segments: list[str]) -> None:
    assert split_path(path) == segments


@pytest.mark.parametrize(
    "path",
    ["/%", "/%4", "/%zz", "/%-1", "/%+1", "/%0x", "/a%", "/%FF", "/%C3", "/%00", "/.", "/a/..", "/%2e%2E/b", "/a/./b"],
)
def test_a_path_that_nobody_should_look_up(path: str) -> None:
    with pytest.raises(MalformedPathError):
        split_path(path)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("007", 7),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, -1),
        ("9" * 5000, -1),
        ("", -1),
        ("-1", -1),
        ("+1", -1),
        ("1_0", -1),
        (" 1", -1),
        ("١", -1),
        ("²", -1),
    ],
)
def test_a_number_is_digits_and_not_too_many(text: str, number: int) -> None:
    assert number_of(text) == number


@pytest.mark.parametrize(
    ("segments", "rest"),
    [
        (["a"], "a"),
        (["a", "b"], "a/b"),
        (["a", "b", ""], "a/b/"),
        ([""], None),
        (["", "etc", "passwd"], None),  # would be absolute
        (["a", "", "b"], None),
        (["a/b"], None),  # would be two
        ([], None),
    ],
)
def test_the_rest_of_a_path_means_joined_what_it_meant_apart(segments: list[str], rest: str | None) -> None:
    assert rest_of(["x", *segments], 1) == rest


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/open/", True),
        ("/open/a/b", True),
        ("/open/%C3%A4", True),
        ("/other/", True),
        ("/open", False),
        ("/opens/", False),
        ("/open/../closed", False),
        ("/open/%2e%2e/closed", False),
        ("/open/..%2Fclosed", False),
        ("/open/..\\closed", False),
        ("/open/%5c..%5cclosed", False),
        ("/open/%zz", False),
    ],
)
def test_a_path_that_could_be_read_as_another_is_below_nothing(path: str, answer: bool) -> None:
    assert is_below(path, ("/open/", "/other/")) is answer


@pytest.mark.parametrize("path", ["/open/..;/secret", "/open/.;x/secret", "/open/..%3B/secret", "/open/a/..;v=1/../x"])
def test_dots_before_a_semicolon_are_not_left_out_of_a_rule(path: str) -> None:
    assert not is_below(path, ("/open/",))
    assert is_below("/open/a;b=1/c", ("/open/",))


@pytest.mark.parametrize("pattern", ["/notes/<number>", "/notes/:number"])
def test_places_as_other_frameworks_write_them_are_no_texts(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"a place is {name} or {name:kind}, not '"):
        RoutePattern(pattern)
