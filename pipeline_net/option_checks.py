"""What an option must be: validators for the fields of options, whose complaints name the field."""

from __future__ import annotations

import sys
from typing import Any, Final

import attrs

LARGEST: Final = sys.maxsize  # what the compiled build counts with


def _check_number(field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, int | float):
        raise ValueError(f"{field.name} must be a number, not {value!r}")


def positive(_: object, field: attrs.Attribute[Any], value: float) -> None:
    """More than 0."""
    _check_number(field, value)
    if not value > 0:  # nan, too
        raise ValueError(f"{field.name} must be more than 0, not {value!r}")


def positive_or_none(_: object, field: attrs.Attribute[Any], value: float | None) -> None:
    """More than 0, or ``None`` for no limit."""
    if value is None:
        return
    _check_number(field, value)
    if not value > 0:
        raise ValueError(f"{field.name} must be more than 0, or None, and not {value!r}")


def not_negative(_: object, field: attrs.Attribute[Any], value: float) -> None:
    """0 or more."""
    _check_number(field, value)
    if not value >= 0:
        raise ValueError(f"{field.name} must not be negative, but is {value!r}")


def count(least: int) -> Any:
    """A whole number from ``least`` on."""

    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, int) or not least <= value <= LARGEST:
            raise ValueError(f"{field.name} must be a whole number from {least} to {LARGEST}, not {value!r}")

    return check
