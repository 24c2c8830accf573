"""Paths of requests: what they name, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.codecs.http.files.target_path import names_of

# What people have sent to file servers, and hoped for.
HOSTILE = [
    "/..",
    "/../",
    "/../etc/passwd",
    "/a/../b",
    "/a/..",
    "/.",
    "/./a",
    "/%2e%2e/etc/passwd",
    "/%2E%2E/etc/passwd",
    "/.%2e/etc/passwd",
    "/..%2fetc/passwd",
    "/..%2Fetc%2Fpasswd",
    "/%2e%2e%2fetc%2fpasswd",
    "/a%2fb",
    "/%2fetc/passwd",
    "/..\\etc\\passwd",
    "/..%5cetc%5cpasswd",
    "/a\\b",
    "/%5c%5cserver%5cshare",
    "/a%00.txt",
    "/%00",
    "//etc/passwd",
    "///",
    "/a//b",
    "/%",
    "/%2",
    "/%zz",
    "/a%2",
    "/%u002e%u002e/etc",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_that_means_something_else_is_refused(path: str) -> None:
    assert names_of(path) is None


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/", [b""]),
        ("/a.txt", [b"a.txt"]),
        ("/a/b/c", [b"a", b"b", b"c"]),
        ("/a/b/", [b"a", b"b", b""]),
        ("/a%20b", [b"a b"]),
        ("/%41", [b"A"]),
        ("/%C3%A9", [b"\xc3\xa9"]),
        ("/%252e%252e", [b"%2e%2e"]),  # decoded once
        ("/%25zz", [b"%zz"]),
        ("/...", [b"..."]),
        ("/..a", [b"..a"]),
        ("/.hidden", [b".hidden"]),
        ("/a+b", [b"a+b"]),
        ("/a;b=c", [b"a;b=c"]),
        ("/C:", [b"C:"]),
    ],
)
def test_what_a_path_names(path: str, names: list[bytes]) -> None:
    assert names_of(path) == names


@given(st.text(st.sampled_from("/.%2eEfF5cC0\\a"), max_size=30))
def test_no_name_can_lead_elsewhere(text: str) -> None:
    for name in names_of("/" + text) or []:
        assert name not in (b".", b"..")
        assert not set(name) & set(b"/\\\0")


@given(st.lists(st.binary(min_size=1, max_size=8), min_size=1, max_size=4))
def test_a_name_that_was_encoded_whole_comes_out_again(names: list[bytes]) -> None:
    path = "".join("/" + "".join(f"%{byte:02x}" for byte in name) for name in names)
    is_odd = any(name in (b".", b"..") or set(name) & set(b"/\\\0") for name in names)
    assert names_of(path) == (None if is_odd else names)
