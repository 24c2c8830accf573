"""Limits, Deadlines, Leniency: what they refuse to be."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from pipeline_net.codecs.http import Deadlines, Leniency, Limits


@pytest.mark.parametrize("name", [field.name for field in attrs.fields(Limits)])
@pytest.mark.parametrize("value", [-1, 2**63, 1.5, None])
def test_a_limit_is_a_whole_number(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["head", "body", "idle"])
def test_a_deadline_is_above_zero_or_none(name: str) -> None:
    settings: dict[str, Any] = {name: None}
    Deadlines(**settings)
    for value in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=name):
            Deadlines(**{**settings, name: value})


def test_nothing_is_forgiven_by_default() -> None:
    assert not any(attrs.asdict(Leniency()).values())


def test_everything_is_limited_by_default() -> None:
    assert all(value is not None for value in attrs.asdict(Deadlines()).values())
    assert Limits().max_pipelined == 1
