"""Status codes: the registered phrases."""

from __future__ import annotations

from http import HTTPStatus

from pipeline_net.codecs.http import PHRASES, reason_phrase

_RENAMED = {413, 414, 416, 418, 422, 505}  # where the standard library of some versions has older or other words


def test_they_are_those_that_python_knows() -> None:
    for status in HTTPStatus:
        if status.value not in _RENAMED and status.value in PHRASES:
            assert PHRASES[status.value] == status.phrase
    assert {200, 404, 413, 431, 500, 505} <= set(PHRASES)


def test_an_unregistered_one_has_no_phrase() -> None:
    assert reason_phrase(299) == ""
