"""HttpResponseEncoder and HttpRequestEncoder: messages of HTTP/1.1 as bytes."""

from __future__ import annotations

from ..base import MessageToByteEncoder
from .messages import Request, RequestPart, ResponsePart


class HttpResponseEncoder(MessageToByteEncoder[ResponsePart]):
    """``Response``, ``Data``, ``End``, or ``FullResponse`` → bytes.

    Content-Length, Transfer-Encoding, Date and Connection are added where they are missing: a ``FullResponse`` gets its
    length, a ``Response`` without one is sent in chunks.

    Args:
        date: whether a Date is added.

    Raises:
        EncodeError: a body that has another length than its Content-Length says, parts in the wrong order.
    """

    def __init__(self, *, date: bool = True) -> None:
        self._date = date

    def answers(self, request: Request, keep_alive: bool) -> None:
        """Say what is answered next: a HEAD has a response without a body, HTTP/1.0 knows no chunks."""
        raise NotImplementedError


class HttpRequestEncoder(MessageToByteEncoder[RequestPart]):
    """``Request``, ``Data``, ``End``, or ``FullRequest`` → bytes.

    Args:
        host: the Host of requests that have none.

    Raises:
        EncodeError: no Host, a body that has another length than its Content-Length says, parts in the wrong order.
    """

    def __init__(self, *, host: str | None = None) -> None:
        self._host = host
