"""VirtualClock: it stands still, and never goes back."""

from __future__ import annotations

import math

import pytest

from pipeline_net.testing import VirtualClock


def test_time_stands_still_until_it_is_told_to_pass() -> None:
    clock = VirtualClock(100)
    assert clock.time() == clock.time() == 100.0
    clock.advance(2.5)
    assert clock.time() == 102.5
    clock.advance(0)
    assert clock.time() == 102.5
    assert repr(clock) == "<VirtualClock at 102.5 s>"


def test_tenths_of_a_second_add_up() -> None:
    clock = VirtualClock()
    for _ in range(3):
        clock.advance(0.1)
    assert clock.time() == 0.3
    assert clock.after(0.3) == 0.6


@pytest.mark.parametrize("seconds", [-0.001, -math.inf, math.nan])
def test_time_never_goes_back(seconds: float) -> None:
    clock = VirtualClock()
    with pytest.raises(ValueError, match="0 or more seconds, not by"):
        clock.advance(seconds)
    assert clock.time() == 0.0
