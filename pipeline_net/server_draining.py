"""ServerDraining: what a server that is going to end tells its pipelines."""

from __future__ import annotations


class ServerDraining:
    """User event: the server takes in nobody any more; finish what you are doing, and close.

    ``timeout`` is the number of seconds after which those that are still open are closed.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout

    def __repr__(self) -> str:
        return f"ServerDraining(timeout={self.timeout!r})"
