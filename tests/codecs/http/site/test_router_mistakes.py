"""What a handler returns that is no response: the log says which handler it was, and what to return instead."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net.codecs import http
from pipeline_net.future import completed

Make = Callable[..., Any]


class _Notes:
    """Handlers that are no plain functions."""

    def all_of_them(self, request: http.FullRequest) -> Any:
        return ["a"]

    def __call__(self, request: http.FullRequest) -> Any:
        return ["a"]


def _some(request: http.FullRequest, number: int, *, result: Any) -> Any:
    return result


@pytest.mark.parametrize(
    ("result", "complaint"),
    [
        ({"a": 1}, "_some, the handler of GET /notes/{number:int}, returned {'a': 1}: http.json_response(…) makes"),
        ([1], "returned [1]: http.json_response(…) makes a response of that"),
        ("hello", "returned 'hello': http.FullResponse(200, body=…) makes a response of its bytes"),
        (b"hello", "returned b'hello': http.FullResponse(200, body=…) makes a response of its bytes"),
        (None, "returned None: is there a return missing?"),
        (7, "returned 7, and not a response (see Router)"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_result_that_is_no_response_names_the_handler_and_the_way_out(
    make_site: Make, caplog: pytest.LogCaptureFixture, method: str, result: Any, complaint: str
) -> None:
    router = http.Router()
    router.add("GET", "/notes/{number:int}", functools.partial(_some, result=result))
    assert make_site(router).ask(method, "/notes/7").status == 500
    assert complaint in caplog.text


def test_one_that_comes_later_does_so_too(make_site: Make, caplog: pytest.LogCaptureFixture) -> None:
    def later(request: http.FullRequest) -> Any:
        return completed(site.channel.loop, {"a": 1})

    router = http.Router()
    router.add("POST", "/later", later)
    site = make_site(router)
    assert site.ask("POST", "/later").status == 500
    assert ".later, the handler of POST /later, returned {'a': 1}" in caplog.text


@pytest.mark.parametrize(
    ("handler", "name"),
    [(_Notes().all_of_them, "_Notes.all_of_them"), (_Notes(), "_Notes"), (lambda request: ["a"], "<lambda>")],
)
def test_a_handler_that_is_no_plain_function_is_named_as_well(
    make_site: Make, caplog: pytest.LogCaptureFixture, handler: Any, name: str
) -> None:
    inner = http.Router()
    inner.add("GET", "/notes", handler)
    router = http.Router()
    router.mount("/site", inner)
    assert make_site(router).ask("GET", "/site/notes").status == 500
    assert f"{name}, the handler of GET /site/notes, returned ['a']" in caplog.text


@pytest.mark.parametrize("target", [b"/elsewhere", b"/%zz", b"/\xff"])
def test_a_handler_that_has_changed_its_request_is_not_known_any_more(
    make_site: Make, caplog: pytest.LogCaptureFixture, target: bytes
) -> None:
    def change(request: http.FullRequest) -> Any:
        request.raw_target = target

    router = http.Router()
    router.add("GET", "/", change)
    assert make_site(router).ask("GET", "/").status == 500
    assert "a handler returned None: is there a return missing?" in caplog.text


def test_a_long_result_is_cut(make_site: Make, caplog: pytest.LogCaptureFixture) -> None:
    router = http.Router()
    router.add("GET", "/", lambda request: ["a"] * 1000)
    with caplog.at_level(logging.ERROR, "pipeline_net.http"):
        assert make_site(router).ask("GET", "/").status == 500
    error = caplog.records[0].exc_info
    assert error is not None
    assert len(str(error[1])) < 300
