"""Limits and KeepAlive: how much a WebSocket takes, and how long it stays with a silent peer."""

from __future__ import annotations

from typing import Any, Final

import attrs

from ...option_checks import count


def _seconds(_: object, field: attrs.Attribute[Any], value: float) -> None:
    if not 0 < value < float("inf"):  # nan, too
        raise ValueError(f"{field.name} must be more than 0 seconds, not {value!r}")


@attrs.frozen(kw_only=True)
class Limits:
    """How much one message may be.  Sizes are bytes.

    What waits to be sent is bounded by the water marks of ``ChannelOptions``.

    Raises:
        ValueError: a limit is no whole number, or lets nothing through.
    """

    max_message: int = attrs.field(default=1024 * 1024, validator=count(0))
    """A whole message, inflated, as bytes; more is a 1009.  Fragments that are read one by one add up to no message."""
    max_frame: int = attrs.field(default=16 * 1024 * 1024, validator=count(0))
    """The payload that one frame announces; more is a 1009 before its first byte is taken."""
    max_fragments: int = attrs.field(default=16384, validator=count(1))
    """Frames of one message; more are a 1008.  Each costs work, also if it is empty."""
    max_ratio: int | None = attrs.field(default=None, validator=attrs.validators.optional(count(1)))
    """Bytes that a message of more than 64 KiB may have for each compressed one; more are a 1009.  ``None`` for what
    DEFLATE can do, which is 1032."""


@attrs.frozen(kw_only=True)
class KeepAlive:
    """When a peer is asked whether it is still there, in seconds.

    Raises:
        ValueError: a time that is not above 0.
    """

    interval: float = attrs.field(default=20.0, validator=_seconds)
    """A Ping goes out when nothing has come for this long, and at most for twice as long."""
    timeout: float = attrs.field(default=20.0, validator=_seconds)
    """Nothing has come for this long after the Ping: the connection ends with 1011."""


LIMITS: Final = Limits()
KEEP_ALIVE: Final = KeepAlive()
