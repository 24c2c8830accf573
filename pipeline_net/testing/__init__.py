"""testing: the kit that tests your stages, and ours.

::

    EmbeddedChannel     a channel whose other end is the test, on a loop whose time is virtual
    VirtualClock        time that stands still until a test lets it pass
"""

from __future__ import annotations

from .clock import VirtualClock
from .embedded_channel import EmbeddedChannel
from .embedded_loop import EmbeddedLoop

__all__ = ["EmbeddedChannel", "EmbeddedLoop", "VirtualClock"]
