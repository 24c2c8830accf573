"""DeflateParameters: what two peers have agreed on about compression, and how hard we try.

Source: RFC 7692, section 7.1
"""

from __future__ import annotations

from typing import Any

import attrs


def _within(least: int, most: int) -> Any:
    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"{field.name} must be a whole number from {least} to {most}, not {value!r}")

    return check


@attrs.frozen(kw_only=True)
class DeflateParameters:
    """permessage-deflate as negotiated; and what each side decides alone: level, memory, threshold.

    A connection that compresses takes about ``2 ** (window_bits + 2) + 2 ** (mem_level + 9)`` bytes, and to inflate
    ``2 ** window_bits``: 144 KiB and 32 KiB as it stands here, 32 KiB and 4 KiB with windows of 12 bits.
    Without context takeover this is given back between messages.

    Raises:
        ValueError: a number that DEFLATE does not know.
    """

    server_no_context_takeover: bool = False
    """The server compresses each message by itself."""
    client_no_context_takeover: bool = False
    """The client does."""
    server_max_window_bits: int = attrs.field(default=15, validator=_within(8, 15))
    """How far back the server refers: 2 to the power of this bytes."""
    client_max_window_bits: int = attrs.field(default=15, validator=_within(8, 15))
    """How far the client does."""
    level: int = attrs.field(default=6, validator=_within(0, 9))
    """From 0, stored, over 1, quick, to 9, small."""
    mem_level: int = attrs.field(default=5, validator=_within(1, 9))
    """Memory for the search of repetitions: 2 to the power of this plus 9 bytes."""
    threshold: int = attrs.field(default=256, validator=_within(0, 2**31))
    """Messages of fewer bytes go as they are."""
