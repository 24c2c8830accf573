"""RequestAggregator and ResponseAggregator: whole messages instead of parts."""

from __future__ import annotations

from typing import Never

from ...handler import ChannelInboundHandler
from .messages import FullRequest, FullResponse, InterimResponse, RequestPart, ResponsePart


class RequestAggregator(ChannelInboundHandler[RequestPart, FullRequest, ResponsePart]):
    """``Request``, ``Data``, ``End`` → ``FullRequest``; a body above ``max_body`` is answered with 413."""

    def __init__(self, max_body: int = 1024 * 1024) -> None:
        self._max_body = max_body


class ResponseAggregator(ChannelInboundHandler[ResponsePart, FullResponse | InterimResponse, Never]):
    """``Response``, ``Data``, ``End`` → ``FullResponse``; ``InterimResponse`` is passed on.

    Raises:
        FrameTooLongError: a body is above ``max_body``.
    """

    def __init__(self, max_body: int = 1024 * 1024) -> None:
        self._max_body = max_body
