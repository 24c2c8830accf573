"""What can be agreed on about compression."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net.codecs.websocket import DeflateParameters


def test_what_is_not_mentioned_is_what_the_rfc_says() -> None:
    agreed = DeflateParameters()
    assert (agreed.server_max_window_bits, agreed.client_max_window_bits) == (15, 15)
    assert not agreed.server_no_context_takeover
    assert not agreed.client_no_context_takeover


@pytest.mark.parametrize(
    "wrong",
    [
        {"server_max_window_bits": 7},
        {"server_max_window_bits": 16},
        {"client_max_window_bits": 7},
        {"client_max_window_bits": "15"},
        {"level": 10},
        {"mem_level": 0},
        {"threshold": -1},
    ],
)
def test_a_number_that_deflate_does_not_know_is_refused(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name} must be a whole number from"):
        DeflateParameters(**wrong)
