"""testing: the kit that tests your stages, and ours.

::

    EmbeddedChannel     a channel whose other end is the test, on a loop whose time is virtual
    check_decoder       the same messages come of the same bytes, however they are cut
    check_codec         what a codec encodes it also decodes
    check_limits        no prefix makes a stage hold more than it may
    chunks              a strategy for hypothesis: bytes, cut anywhere
    VirtualClock        time that stands still until a test lets it pass
"""

from __future__ import annotations

from .checks import check_codec, check_decoder, check_limits
from .clock import VirtualClock
from .embedded_channel import EmbeddedChannel
from .embedded_loop import EmbeddedLoop
from .strategies import chunks

__all__ = [
    "EmbeddedChannel",
    "EmbeddedLoop",
    "VirtualClock",
    "check_codec",
    "check_decoder",
    "check_limits",
    "chunks",
]
