"""What HttpServerHandler tells the stages behind it besides requests: InputEnded, RequestRefused."""

from __future__ import annotations

from .messages import Request


class InputEnded:
    """User event: the client sends no more, and may be gone; the response that it waits for is sent all the same."""

    def __repr__(self) -> str:
        return "InputEnded()"


class RequestRefused:
    """User event: the server itself answers with ``status``, in the place of the application, and then closes.

    400 and its like for bytes that are no request, 408 for one that did not come in time, 500 when the channel is
    closed with an unanswered request, or 503 when that is because the server is drained.  ``request`` is ``None`` when
    not even its head has come.
    """

    def __init__(self, status: int, request: Request | None) -> None:
        self.status = status
        self.request = request

    def __repr__(self) -> str:
        return f"RequestRefused({self.status}, {self.request!r})"
