"""Options are refused by name, with what they must be."""

from __future__ import annotations

import math
import sys
from typing import Any

import attrs
import pytest

from pipeline_net.option_checks import count, not_negative, positive, positive_or_none


@attrs.frozen(kw_only=True)
class Options:
    pause: float = attrs.field(default=1.0, validator=positive)
    limit: float | None = attrs.field(default=None, validator=positive_or_none)
    patience: float = attrs.field(default=0.0, validator=not_negative)
    size: int = attrs.field(default=2, validator=count(2))


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("pause", 0, "pause must be more than 0, not 0"),
        ("pause", math.nan, "pause must be more than 0, not nan"),
        ("limit", 0.0, r"limit must be more than 0, or None, and not 0\.0"),
        ("limit", math.nan, "limit must be more than 0, or None, and not nan"),
        ("patience", -1, "patience must not be negative, but is -1"),
        ("patience", math.nan, "patience must not be negative, but is nan"),
        ("size", 1, f"size must be a whole number from 2 to {sys.maxsize}, not 1"),
        ("size", 2.5, f"size must be a whole number from 2 to {sys.maxsize}, not 2.5"),
        ("size", 10**30, "size must be a whole number"),
        ("size", "2", "size must be a whole number"),
    ],
)
def test_what_is_out_of_its_range_is_named(name: str, value: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Options(**{name: value})


def test_the_ends_of_the_ranges_are_inside() -> None:
    Options(pause=5e-324, limit=math.inf, patience=0, size=2)
    Options(limit=None, size=sys.maxsize)
