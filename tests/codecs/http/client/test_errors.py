"""Errors name the URL and the rule, and survive a process boundary."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from pipeline_net import PipelineNetError
from pipeline_net.codecs import http

_URL = "http://a/b"


@pytest.mark.parametrize(
    ("error", "also"),
    [
        (http.HttpClientError(_URL, "why"), PipelineNetError),
        (http.UrlError(_URL, "why"), ValueError),
        (http.ConnectError(_URL, "why"), http.HttpClientError),
        (http.ProxyError(_URL, "why", 407), http.HttpClientError),
        (http.ResponseTooLargeError(_URL, "why"), http.ResponseError),
        (http.TooManyRedirectsError(_URL, "why"), http.RedirectError),
    ],
)
def test_an_error_names_url_and_rule(error: Any, also: type[BaseException]) -> None:
    assert (error.url, error.rule, str(error)) == (_URL, "why", "http://a/b: why")
    assert isinstance(error, also)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.__dict__) == (type(error), str(error), error.__dict__)


def test_a_timeout_names_its_phase() -> None:
    error = http.RequestTimeoutError(_URL, "head", 1.5)
    assert isinstance(error, TimeoutError)
    assert str(error) == "http://a/b: the phase 'head' took more than 1.5 s"
    again = pickle.loads(pickle.dumps(error))
    assert (again.phase, again.seconds) == ("head", 1.5)
