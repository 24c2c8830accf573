"""client_stack(): the stages between the wire and the program of an HTTP client."""

from __future__ import annotations

from ...handler import ChannelDuplexHandler
from ...stack import Sendable, Stack
from .encoder import HttpRequestEncoder
from .messages import RequestPart, ResponsePart
from .options import LIMITS, STRICT, Leniency, Limits
from .response_decoder import HttpResponseDecoder


class HttpClientHandler(ChannelDuplexHandler[ResponsePart, ResponsePart, RequestPart, Sendable]):
    """Pairs responses with the requests they answer, and knows whether the connection may carry another.

    ``is_reusable``: no request is unanswered, none is half written, and the server keeps the connection.
    ``unanswered``: how many requests have been written whose response has not ended.
    A response that nobody asked for, and a connection that ends in the middle of one, are errors for the program.
    After a 101, or a 2xx to CONNECT, the stages of HTTP leave the pipeline, as on a server.
    """

    def __init__(self, decoder: HttpResponseDecoder, encoder: HttpRequestEncoder) -> None:
        raise NotImplementedError


def client_stack(
    *, host: str | None = None, limits: Limits = LIMITS, leniency: Leniency = STRICT
) -> Stack[bytes, ResponsePart, RequestPart, bytes]:
    """Everything below the program: ``client_stack(host="example.org") >> ResponseAggregator() >> Mine()``.

    Args:
        host: the Host of requests that have none.
        limits: how much one message may be.
        leniency: what is forgiven; nothing by default.
    """
    raise NotImplementedError
