"""PubSub: who hears what, across all loops of a process.

Each loop has a book of its own subscribers, which that loop alone changes.  Publishing looks into the books of all
loops, in single steps that need no lock: how many hear of it is known at once.  Subscribers on the publisher's loop get
the message there and then; another loop gets one task, however many subscribers it has.  A message is encoded once a
loop for each version of the protocol.
"""

from __future__ import annotations

from ..._mypyc import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class PubSub:
    """Channels, patterns, and who has subscribed to them."""

    def publish(self, channel: bytes, message: bytes) -> int:
        """Send ``message`` to all subscribers of ``channel``; how many there are.  From any thread."""
        raise NotImplementedError
