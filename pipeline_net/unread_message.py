"""UnreadMessage: what a channel tells its pipeline about a message that no stage has read."""

from __future__ import annotations

from typing import Any


class UnreadMessage:
    """User event: ``message`` came to the end of the pipeline, and was dropped there.

    The log has said so already.  The event is for a stage that owes the peer something for each message, such as an
    answer for each request: HTTP's says 404.
    """

    def __init__(self, message: Any) -> None:
        self.message = message

    def __repr__(self) -> str:
        return f"UnreadMessage({self.message!r})"
