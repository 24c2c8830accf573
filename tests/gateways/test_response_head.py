"""The head of a response as applications write it, and as it may travel."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import EncodeError
from pipeline_net.gateways.response_head import tidy_head

_LENGTH = ("content-length", "4")
_CHUNKED = ("transfer-encoding", "chunked")


@pytest.mark.parametrize(
    ("status", "given", "kept"),
    [
        (200, [("a", "b"), _LENGTH], [("a", "b"), _LENGTH]),
        (200, [_CHUNKED, ("a", "b")], [("a", "b")]),
        (200, [("connection", "keep-alive")], []),
        (200, [("connection", "close")], [("connection", "close")]),
        (204, [_LENGTH, _CHUNKED], []),
        (205, [_LENGTH], []),
        (304, [_LENGTH], [_LENGTH]),
        (200, [(b"a", b"\xe4")], [("a", "ä")]),
    ],
)
def test_what_is_the_servers_affair_is_left_out(status: int, given: Any, kept: Any) -> None:
    assert tidy_head(status, given).items() == kept


@pytest.mark.parametrize("status", [100, 101, 199, 1000, -1, "200", None, 200.0])
def test_a_status_is_a_final_one(status: Any) -> None:
    with pytest.raises(EncodeError, match="from 200 to 999"):
        tidy_head(status, [])


@pytest.mark.parametrize("pair", [("a\r\nb", "c"), ("a", "b\nc"), ("a", "\0"), ("", "b"), ("a:", "b")])
def test_nobody_writes_headers_in_our_name(pair: tuple[str, str]) -> None:
    with pytest.raises(EncodeError):
        tidy_head(200, [pair])
