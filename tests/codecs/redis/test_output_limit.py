from __future__ import annotations

from typing import Any

import pytest

from pipeline_net.codecs import redis


def test_the_defaults_are_those_of_the_real_server_for_subscribers() -> None:
    assert repr(redis.OutputLimit()) == "OutputLimit(33554432, 8388608, 60.0)"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"hard": 10, "soft": 11}, "from 1 to the hard one of 10, but is 11"),
        ({"soft": 0}, "but is 0"),
        ({"soft_seconds": -1.0}, "must not be negative, but is -1.0"),
        ({"soft_seconds": float("nan")}, "must not be negative, but is nan"),
    ],
)
def test_limits_that_make_no_sense_are_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        redis.OutputLimit(**settings)
