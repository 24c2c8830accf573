"""FormLimits: how much one form may be."""

from __future__ import annotations

import sys
from typing import Any, Final

import attrs


def _count(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= sys.maxsize:
        raise ValueError(f"{field.name} must be a whole number from 0 to {sys.maxsize}, not {value!r}")


@attrs.frozen(kw_only=True)
class FormLimits:
    """How much one form may be; what is above is a 413.  Sizes are bytes.

    ``http.Limits.max_body`` comes first: a server that takes uploads raises both.

    Raises:
        ValueError: a limit is no whole number, or below 0.
    """

    max_fields: int = attrs.field(default=1000, validator=_count)
    """Fields that are no files."""
    max_files: int = attrs.field(default=100, validator=_count)
    """Files, empty ones and inputs that were left empty included."""
    max_name_size: int = attrs.field(default=1024, validator=_count)
    """The name of a field, once it is decoded."""
    max_field_size: int = attrs.field(default=64 * 1024, validator=_count)
    """The value of a field that is no file, once it is decoded."""
    max_fields_size: int = attrs.field(default=1024 * 1024, validator=_count)
    """Names and values of all such fields together: what a form may take of memory."""
    max_part_head: int = attrs.field(default=8192, validator=_count)
    """The headers of one part of a multipart body."""
    max_file_size: int = attrs.field(default=16 * 1024 * 1024, validator=_count)
    """The content of one file."""
    max_total_size: int = attrs.field(default=64 * 1024 * 1024, validator=_count)
    """The body as it travels; a longer announced one is refused before its first byte."""
    max_padding: int = attrs.field(default=1024, validator=_count)
    """What a multipart body may have before its first boundary, and after its last."""


FORM_LIMITS: Final = FormLimits()
