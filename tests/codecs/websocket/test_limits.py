"""What may be configured, and what is refused when it is."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from pipeline_net.codecs.websocket import KEEP_ALIVE, LIMITS, KeepAlive, Limits


def test_everything_is_bounded_by_default() -> None:
    assert LIMITS.max_message == 1024 * 1024
    assert LIMITS.max_frame < sys.maxsize
    assert LIMITS.max_fragments < sys.maxsize
    assert (KEEP_ALIVE.interval, KEEP_ALIVE.timeout) == (20.0, 20.0)


@pytest.mark.parametrize(
    "wrong",
    [{"max_message": -1}, {"max_message": 2**63}, {"max_frame": 1.5}, {"max_fragments": 0}, {"max_ratio": 0}],
)
def test_a_limit_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name} must be a whole number from"):
        Limits(**wrong)


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["interval", "timeout"])
def test_a_time_that_is_none_is_refused(name: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be more than 0 seconds, not"):
        KeepAlive(**{name: seconds})
