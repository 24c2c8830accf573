"""What LengthFieldBasedFrameCodec is told: one description for writing, one for reading."""

from __future__ import annotations

import attrs


@attrs.frozen
class EncoderConfig:
    """How frames are written; see ``LengthFieldPrepender``."""

    length_field_length: int = 4  # bytes
    length_adjustment: int = attrs.field(default=0, kw_only=True)
    length_includes_length_field: bool = attrs.field(default=False, kw_only=True)
    byte_order: str = attrs.field(default="big", kw_only=True)


@attrs.frozen
class DecoderConfig:
    """How frames are read; see ``LengthFieldBasedFrameDecoder``."""

    length_field_offset: int = 0  # bytes
    length_field_length: int = 4  # bytes
    length_adjustment: int = 0
    initial_bytes_to_strip: int = 0
    byte_order: str = attrs.field(default="big", kw_only=True)
