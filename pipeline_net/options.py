"""ChannelOptions: what may be set for a channel, with the defaults that keep it bounded."""

from __future__ import annotations

from typing import Any, Final

import attrs

from .option_checks import LARGEST, not_negative, positive


def _whole(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, int) or value > LARGEST:
        raise ValueError(f"{field.name} must be a whole number of at most {LARGEST}, not {value!r}")


_POSITIVE_WHOLE: Final = attrs.validators.and_(_whole, positive)
_NOT_NEGATIVE_WHOLE: Final = attrs.validators.and_(_whole, not_negative)


@attrs.frozen(kw_only=True)
class ChannelOptions:
    """Options of one channel, or of every channel of a server.  Sizes are bytes, times are seconds.

    Raises:
        ValueError: an option contradicts itself or another one; the message names both.
    """

    write_buffer_high: int = attrs.field(default=65536, validator=_NOT_NEGATIVE_WHOLE)
    """More than this waits to be sent: ``is_writable`` is false, and reading from the peer pauses."""
    write_buffer_low: int = attrs.field(default=32768, validator=_NOT_NEGATIVE_WHOLE)
    """Less than this waits to be sent: writable again."""
    write_buffer_limit: int = attrs.field(default=67108864, validator=_POSITIVE_WHOLE)
    """This much waits already and another write comes: the write fails, and the channel closes."""
    pause_reads_when_unwritable: bool = True
    """Whether a peer that does not read what we send is not listened to either.

    Holds for accepted channels.  One that ``Bootstrap`` connected always goes on reading: were both sides to wait until
    the other one reads, both would wait for ever.
    """
    auto_read: bool = True
    """Whether to read without being asked; otherwise one ``read()`` lets one batch through."""
    auto_flush: bool = True
    """Whether what was written is sent by itself when the current batch of work ends."""
    connect_timeout: float = attrs.field(default=10.0, validator=positive)
    close_timeout: float = attrs.field(default=30.0, validator=not_negative)
    """How long ``close()`` may take to send what was written before."""
    receive_size: int = attrs.field(default=65536, validator=_POSITIVE_WHOLE)
    """Bytes asked of the kernel at once: fewer while little comes; from 64 KiB on a sixteenth more, for a header before
    a body of just this size.  Above 120 KiB each read costs extra system calls (glibc maps such blocks).
    """
    tcp_nodelay: bool = True
    keepalive: float | None = attrs.field(default=None, validator=attrs.validators.optional(positive))
    """Idle seconds before the kernel probes whether the peer is still there; ``None`` for never."""
    keepalive_interval: float | None = attrs.field(default=None, validator=attrs.validators.optional(positive))
    keepalive_count: int | None = attrs.field(default=None, validator=attrs.validators.optional(_POSITIVE_WHOLE))
    receive_buffer: int | None = attrs.field(default=None, validator=attrs.validators.optional(_POSITIVE_WHOLE))
    """The kernel's buffer (SO_RCVBUF); ``None`` lets the kernel choose and grow it, which is nearly always better."""
    send_buffer: int | None = attrs.field(default=None, validator=attrs.validators.optional(_POSITIVE_WHOLE))

    def __attrs_post_init__(self) -> None:
        if self.write_buffer_low > self.write_buffer_high:
            raise ValueError(
                f"write_buffer_low ({self.write_buffer_low}) must not be above"
                f" write_buffer_high ({self.write_buffer_high})"
            )
        if self.write_buffer_high > self.write_buffer_limit:
            raise ValueError(
                f"write_buffer_high ({self.write_buffer_high}) must not be above"
                f" write_buffer_limit ({self.write_buffer_limit})"
            )
