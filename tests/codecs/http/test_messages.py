"""Messages: what they hold, how they compare, and what they refuse to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline_net import EncodeError
from pipeline_net.codecs.http import (
    END,
    Data,
    End,
    FullRequest,
    FullResponse,
    Headers,
    HttpRequestDecoder,
    InterimResponse,
    Request,
    Response,
)
from pipeline_net.file_region import FileRegion


def test_a_target_and_its_halves() -> None:
    request = Request("GET", "/a%20b?c=d?e")
    assert (request.target, request.path, request.query) == ("/a%20b?c=d?e", "/a%20b", "c=d?e")
    assert (request.raw_target, Request("GET", "/").query) == (b"/a%20b?c=d?e", "")


def test_a_whole_message_is_a_head() -> None:
    request = FullRequest("GET", "/", {"a": "b"}, b"c", {"d": "e"})
    assert isinstance(request, Request)
    assert (request.headers["a"], request.body, request.trailers) == ("b", b"c", Headers({"d": "e"}))
    response = FullResponse(200, {"a": "b"}, b"c", {"d": "e"})
    assert isinstance(response, Response)
    assert (response.headers["a"], response.body, response.trailers) == ("b", b"c", Headers({"d": "e"}))


def test_a_whole_request_keeps_what_its_head_said() -> None:
    head = HttpRequestDecoder().feed(
        b"POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    )[0]
    full = head.completed(b"hello", None)
    assert full.head is head
    assert (full.method, full.target, full.headers, full.body) == ("POST", "/a", head.headers, b"hello")
    assert (full.body_length, full.keep_alive, full.expects_continue) == (5, False, True)
    assert full.has_body


def test_headers_may_be_shared_and_are_not_copied() -> None:
    headers = Headers({"a": "b"})
    assert Response(200, headers).headers is headers
    assert Request("GET", "/", headers).headers is headers


EQUAL: list[tuple[Any, Any]] = [
    (Request("GET", "/", {"A": "b"}), Request("GET", b"/", [("a", "b")])),
    (FullRequest("GET", "/", None, b"x"), FullRequest("GET", "/", {}, b"x")),
    (Response(200), Response(200, reason="OK")),
    (FullResponse(200, None, b"x"), FullResponse(200, {}, b"x")),
    (InterimResponse(103, {"a": "b"}), InterimResponse(103, {"A": "b"})),
    (Data(b"x"), Data(bytearray(b"x"))),
    (End(), END),
    (End({"a": "b"}), End({"A": "b"})),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_what_is_equal(one: Any, other: Any) -> None:
    assert one == other
    assert hash(one) == hash(other)
    assert repr(one)


def test_what_is_not() -> None:
    different = [
        *(one for one, _ in EQUAL),
        Request("PUT", "/"),
        Request("GET", "/b"),
        Request("GET", "/", version="1.0"),
        FullRequest("GET", "/", None, b"y"),
        FullRequest("GET", "/", None, b"x", {"t": "1"}),
        Response(201),
        Response(200, reason="Fine"),
        FullResponse(200, None, b"y"),
        FullResponse(200, None, b"x", {"t": "1"}),
        InterimResponse(102),
        Data(b"y"),
        "a string",
    ]
    for index, one in enumerate(different):
        assert [other for other in different[index + 1 :] if one == other] == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: Response(199),
        lambda: Response(100),
        lambda: Response(1000),
        lambda: Response(-200),
        lambda: InterimResponse(200),
        lambda: InterimResponse(101),
        lambda: InterimResponse(99),
        lambda: Response(200, reason="a\nb"),
        lambda: Request("a b", "/", {}),
        lambda: Request("", "/", {}),
        lambda: Request("GET", "a b", {}),
    ],
)
def test_what_no_message_can_be(make: Any) -> None:
    with pytest.raises(EncodeError):
        make()


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("http://a/ws?x", "/ws"),
        ("http://a", "/"),
        ("HTTPS://a:1/b/c", "/b/c"),
        ("/http://a/b", "/http://a/b"),
        ("*", "*"),
    ],
)
def test_the_path_of_a_target_is_the_same_in_absolute_form(target: str, path: str) -> None:
    assert Request("GET", target).path == path


@pytest.mark.parametrize("data", [b"abc", bytearray(b"abc"), memoryview(b"a-b-c")[::2]])
def test_some_of_a_body_as_bytes(data: Any) -> None:
    assert Data(data).as_bytes() == b"abc"
    assert type(Data(data).as_bytes()) is bytes


def test_bytes_are_not_copied_and_a_part_of_a_file_is_not_read(tmp_path: Path) -> None:
    data = bytes(1000)
    assert Data(data).as_bytes() is data
    (tmp_path / "a").write_bytes(b"hello")
    with (tmp_path / "a").open("rb") as file, pytest.raises(TypeError, match="its bytes are not here"):
        Data(FileRegion(file)).as_bytes()
