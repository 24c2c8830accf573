"""Ready-made answers, and where a client may be sent."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from pipeline_net import EncodeError
from pipeline_net.codecs import http


def test_json_is_one_line_of_utf_8() -> None:
    response = http.json_response({"a": [1, "ä"]}, 201)
    assert (response.status, response.body) == (201, '{"a":[1,"ä"]}\n'.encode())
    assert response.headers.items() == [("content-type", "application/json")]
    response = http.json_response(None, headers={"location": "/notes/1"})
    assert response.headers.items() == [("location", "/notes/1"), ("content-type", "application/json")]
    assert http.json_response("\ud800").body == b'"\\ud800"\n'  # half a character stays JSON


@pytest.mark.parametrize(
    ("value", "error"), [(object(), TypeError), (float("nan"), ValueError), (float("inf"), ValueError)]
)
def test_what_json_has_no_word_for_is_refused(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        http.json_response(value)


def test_an_error_is_text_and_has_the_headers_that_it_was_given() -> None:
    error = http.HttpError(404, "nö")
    assert (str(error), repr(error)) == ("nö", "HttpError(404, 'nö')")
    assert error.response() == http.FullResponse(404, {"content-type": "text/plain; charset=utf-8"}, "nö\n".encode())
    assert http.HttpError(503, headers={"retry-after": "1"}).response().headers["retry-after"] == "1"
    assert http.HttpError(418).message == "418 I'm a Teapot"
    assert http.HttpError(499).message == "499"
    assert repr(pickle.loads(pickle.dumps(error))) == repr(error)


@pytest.mark.parametrize("status", [200, 399, 600, -1])
def test_an_error_has_the_status_of_one(status: int) -> None:
    with pytest.raises(ValueError, match="from 400 to 599"):
        http.HttpError(status)


@pytest.mark.parametrize("location", ["/", "/notes?page=2", "/a//b", "/%0d%0a", "/a:b", "/?next=//evil.example"])
def test_a_redirection_stays_on_the_site(location: str) -> None:
    response = http.redirect(location)
    assert (response.status, response.headers["location"]) == (303, location)


@pytest.mark.parametrize(
    "location",
    [
        "",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "http://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "notes",
        " /notes",
        "/notes\r\nSet-Cookie: a=b",
        "/a\nb",
        "/a\0b",
        "/a b",
        "/ä",
        "\t//evil.example",
        "/\t/evil.example",
    ],
)
def test_a_location_that_leads_away_or_ends_its_line_is_refused(location: str) -> None:
    with pytest.raises(ValueError, match="a location"):
        http.redirect(location)


def test_another_site_has_to_be_meant() -> None:
    assert http.redirect("https://example.org/a", 308, elsewhere=True).headers["location"] == "https://example.org/a"
    for location in (
        "/notes",
        "javascript:alert(1)",
        "https:///x",
        "https://",
        "ftp://a",
        "https://a\r\nb",
        "http://\\a",
    ):
        with pytest.raises(ValueError, match="a location"):
            http.redirect(location, elsewhere=True)


def test_a_redirection_has_the_status_of_one() -> None:
    with pytest.raises(ValueError, match="not 200"):
        http.redirect("/", 200)


def test_a_header_of_an_error_is_checked_when_it_is_sent() -> None:
    with pytest.raises(EncodeError):
        http.HttpError(400, headers={"x": "a\r\nb"}).response()


def test_what_is_added_to_one_answer_is_not_in_the_next() -> None:
    http.json_response(1).headers.add("set-cookie", "session=of-somebody")
    assert http.json_response(2).headers.get("set-cookie") is None
