"""WebSocketDecodeError: what a peer's bytes did wrong, and with which code the connection ends."""

from __future__ import annotations

from typing import Any

from ...errors import DecodeError


class WebSocketDecodeError(DecodeError):
    """The peer's bytes break the rules, or a limit; nothing after them can be trusted.

    Args:
        code: of the Close frame that says so: 1002, 1007, 1008 or 1009; 1006 when the input ended too early.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type[WebSocketDecodeError], tuple[int, str], dict[str, Any]]:
        return type(self), (self.code, str(self)), self.__dict__
