"""PhaseTimer, on virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net.codecs.http.client import Timeouts
from pipeline_net.codecs.http.client.timeouts import PhaseTimer
from pipeline_net.testing import EmbeddedChannel


class _Watch:
    def __init__(self) -> None:
        self.channel = EmbeddedChannel()
        self.expired: list[tuple[str, float]] = []
        self.timer = PhaseTimer(self.channel.loop, lambda *what: self.expired.append(what))

    def after(self, seconds: float) -> list[tuple[str, float]]:
        self.channel.advance(seconds)
        return self.expired


def test_a_phase_expires_once() -> None:
    watch = _Watch()
    watch.timer.begin("head", 5.0)
    assert watch.after(4.9) == []
    assert watch.after(0.2) == [("head", 5.0)]
    assert watch.after(100) == [("head", 5.0)]


def test_progress_gives_a_phase_all_its_time_again() -> None:
    watch = _Watch()
    watch.timer.begin("read", 5.0)
    for _ in range(10):
        assert watch.after(4) == []
        watch.timer.touch()
    assert watch.after(4.9) == []
    assert watch.after(0.2) == [("read", 5.0)]


@pytest.mark.parametrize(("first", "second"), [(5.0, 1.0), (1.0, 5.0)])
def test_the_next_phase_counts_from_its_beginning(first: float, second: float) -> None:
    watch = _Watch()
    watch.timer.begin("connect", first)
    watch.after(0.5)
    watch.timer.begin("tls", second)
    assert watch.after(second - 0.1) == []
    assert watch.after(0.2) == [("tls", second)]


def test_none_is_for_ever_and_stopping_ends_it() -> None:
    watch = _Watch()
    watch.timer.begin("head", 1.0)
    watch.timer.begin("read", None)
    watch.timer.touch()
    assert watch.after(1e6) == []
    watch.timer.begin("head", 1.0)
    watch.timer.stop()
    assert watch.after(1e6) == []


@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_impossible_times(value: Any) -> None:
    with pytest.raises(ValueError, match="total must be more than 0 seconds"):
        Timeouts(total=value)
