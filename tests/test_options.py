"""ChannelOptions: the defaults keep a channel bounded, and what contradicts itself is refused at once."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from pipeline_net import ChannelOptions


def test_the_defaults_are_those_that_are_promised() -> None:
    assert attrs.asdict(ChannelOptions()) == {
        "write_buffer_high": 65536,
        "write_buffer_low": 32768,
        "write_buffer_limit": 67108864,
        "pause_reads_when_unwritable": True,
        "auto_read": True,
        "auto_flush": True,
        "connect_timeout": 10.0,
        "close_timeout": 30.0,
        "receive_size": 65536,
        "tcp_nodelay": True,
        "keepalive": None,
        "keepalive_interval": None,
        "keepalive_count": None,
        "receive_buffer": None,
        "send_buffer": None,
    }


def test_options_are_named_and_cannot_be_changed_afterwards() -> None:
    options = ChannelOptions(receive_size=10)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        options.receive_size = 20  # type: ignore[misc]  # that it cannot be set is the point of this test
    with pytest.raises(TypeError):
        ChannelOptions(10)  # type: ignore[call-arg]  # that a nameless number is refused is the point of this test
    assert attrs.evolve(options, receive_size=20) == ChannelOptions(receive_size=20)


@pytest.mark.parametrize(
    "name",
    [
        *("write_buffer_limit", "connect_timeout", "receive_size", "keepalive"),
        *("keepalive_interval", "keepalive_count", "receive_buffer", "send_buffer"),
    ],
)
@pytest.mark.parametrize("value", [0, -1])
def test_what_must_be_more_than_nothing_is(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be more than 0, not {value}"):
        ChannelOptions(**{name: value})


@pytest.mark.parametrize(
    "name",
    [
        *("write_buffer_high", "write_buffer_low", "write_buffer_limit", "receive_size"),
        *("keepalive_count", "receive_buffer", "send_buffer"),
    ],
)
@pytest.mark.parametrize("value", [0.5, float("inf"), "1", 1 << 63])
def test_what_is_counted_is_a_whole_number_that_the_compiled_build_can_count(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a whole number"):
        ChannelOptions(**{name: value})


@pytest.mark.parametrize("name", ["write_buffer_high", "write_buffer_low", "close_timeout"])
def test_what_may_be_nothing_may_not_be_less(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must not be negative, but is -1"):
        ChannelOptions(**{name: -1})  # type: ignore[arg-type]  # mypy cannot see which name it is


def test_nothing_is_allowed_where_it_makes_sense() -> None:
    options = ChannelOptions(write_buffer_high=0, write_buffer_low=0, close_timeout=0)
    assert (options.write_buffer_high, options.write_buffer_low, options.close_timeout) == (0, 0, 0)


@pytest.mark.parametrize("name", ["connect_timeout", "close_timeout", "keepalive", "keepalive_interval"])
def test_a_time_is_a_number(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must"):
        ChannelOptions(**{name: float("nan")})  # type: ignore[arg-type]  # mypy cannot see which name it is
    with pytest.raises(ValueError, match=f"{name} must be a number, not '5'"):
        ChannelOptions(**{name: "5"})  # type: ignore[arg-type]  # what the test is about


def test_water_marks_that_contradict_each_other_are_refused_and_both_named() -> None:
    with pytest.raises(ValueError, match=r"write_buffer_low \(11\) must not be above write_buffer_high \(10\)"):
        ChannelOptions(write_buffer_high=10, write_buffer_low=11)
    with pytest.raises(ValueError, match=r"write_buffer_high \(10\) must not be above write_buffer_limit \(9\)"):
        ChannelOptions(write_buffer_high=10, write_buffer_low=5, write_buffer_limit=9)
    assert ChannelOptions(write_buffer_high=10, write_buffer_low=10, write_buffer_limit=10).write_buffer_low == 10
