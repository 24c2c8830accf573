"""server_stack(): the stages between the wire and the application of an HTTP server."""

from __future__ import annotations

from ...handler import ChannelDuplexHandler
from ...stack import Sendable, Stack
from .encoder import HttpResponseEncoder
from .messages import RequestPart, ResponsePart
from .options import DEADLINES, LIMITS, STRICT, Deadlines, Leniency, Limits
from .request_decoder import HttpRequestDecoder


class HttpServerHandler(ChannelDuplexHandler[RequestPart, RequestPart, ResponsePart, Sendable]):
    """Pairs requests with their responses, and keeps or ends the connection.

    * Responses leave in the order of their requests.  By default the application has one request at a time; the next
      one is decoded when the response to it has ended.  With ``limits.max_pipelined`` above 1 it has several, and each
      part that it writes says ``to=request``; what comes early is held back.
    * A response may be written at any time: at once, from a task of the loop, or with ``channel.write`` from any
      thread.
    * The connection ends after a response if the request or the response says so, if the request was HTTP/1.0 without
      keep-alive, and when the server is drained.
    * ``Expect: 100-continue`` is answered with ``100 Continue`` when the head of the request was read and no response
      has begun (``auto_continue``).
    * Bytes that are no request are answered with 400, 413, 414, 417, 431, 501 or 505, after the responses to earlier
      requests; deadlines that pass, with 408.  Then the connection ends.
    * A channel that is closed with an unanswered request, for instance because a handler raised, answers 500 first.
    * After ``Response(101)``, or a 2xx to CONNECT, the stages of HTTP leave the pipeline when the current event is
      done, and the stages that then follow get the ``bytes`` that come, the unread ones first.
    """

    def __init__(
        self,
        decoder: HttpRequestDecoder,
        encoder: HttpResponseEncoder,
        *,
        limits: Limits = LIMITS,
        deadlines: Deadlines = DEADLINES,
        auto_continue: bool = True,
    ) -> None:
        raise NotImplementedError


def server_stack(
    *,
    limits: Limits = LIMITS,
    deadlines: Deadlines = DEADLINES,
    leniency: Leniency = STRICT,
    auto_continue: bool = True,
    date: bool = True,
) -> Stack[bytes, RequestPart, ResponsePart, bytes]:
    """Everything below the application: ``server_stack() >> RequestAggregator() >> Hello()`` is a server's pipeline.

    Without an aggregator, the application reads ``Request``, ``Data``, ``End``.

    Args:
        limits: how much one message may be; on by default.
        deadlines: how long a peer may take; on by default.
        leniency: what is forgiven; nothing by default.
        auto_continue: whether ``100 Continue`` is sent as soon as a request that expects it was read and not answered;
            otherwise the application writes ``InterimResponse(100)`` when it wants the body.
        date: whether responses get a Date.
    """
    raise NotImplementedError
