"""Stages without a protocol: what any server or client may seat between its own, one file each.

Those that change no message are transparent: in ``wire() >> …`` the types of a stack pass through them.
"""

from __future__ import annotations

from .flow_control import FlowControlHandler

__all__ = [
    "FlowControlHandler",
]
