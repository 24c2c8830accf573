"""HTTP/1.1, as servers and clients speak it: strict in what it reads, and in what it writes.

::

    from pipeline_net.codecs import http

    class Hello(ChannelInboundHandler[http.FullRequest, Never, http.FullResponse]):
        def channel_read(self, ctx, request):
            ctx.write(http.FullResponse(200, {"content-type": "text/plain"}, b"Hello, world\\n"))

    ServerBootstrap(loops, initializer=lambda channel: http.server_stack() >> http.RequestAggregator() >> Hello())

    messages    what is said: Request, Response, Data, End, FullRequest, FullResponse, InterimResponse
    headers     ordered, without case, several of one name, taken apart when somebody looks
    grammar     which bytes may stand where
    options     Limits, Deadlines, Leniency
    decoder     bytes → Request, Data, End; and the same for responses
    encoder     messages → bytes
    aggregator  parts → whole messages, with 413
    server      server_stack(): which response answers which request, and how long the connection lives
    client      client_stack(): the same from the other side
    content     ContentCompression, ContentDecompression: bodies that are compressed on their way
    files       StaticFiles: the files of a folder
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from .aggregator import RequestAggregator, ResponseAggregator
from .client import HttpClientHandler, client_stack
from .encoder import HttpRequestEncoder, HttpResponseEncoder
from .errors import HttpDecodeError
from .headers import Headers, HeadersLike
from .messages import (
    CHUNKED,
    END,
    HTTP_1_0,
    HTTP_1_1,
    UNTIL_CLOSE,
    Data,
    End,
    FullRequest,
    FullResponse,
    InterimResponse,
    Request,
    RequestPart,
    Response,
    ResponsePart,
)
from .options import Deadlines, Leniency, Limits
from .request_decoder import HttpRequestDecoder
from .response_decoder import HttpResponseDecoder
from .server import HttpServerHandler, InputEnded, server_stack
from .status import PHRASES, reason_phrase

if TYPE_CHECKING:
    from .content import ContentCompression, ContentDecodingError, ContentDecompression
    from .files import StaticFiles

# What not every program of HTTP needs, and the room that is opened when somebody asks for it.
_LATER: Final = {
    "ContentCompression": ".content",
    "ContentDecodingError": ".content",
    "ContentDecompression": ".content",
    "StaticFiles": ".files",
}

__all__ = [
    # what is said
    "CHUNKED",
    "Data",
    "END",
    "End",
    "FullRequest",
    "FullResponse",
    "HTTP_1_0",
    "HTTP_1_1",
    "Headers",
    "HeadersLike",
    "InterimResponse",
    "PHRASES",
    "Request",
    "RequestPart",
    "Response",
    "ResponsePart",
    "UNTIL_CLOSE",
    "reason_phrase",
    # stages
    "HttpClientHandler",
    "HttpRequestDecoder",
    "HttpRequestEncoder",
    "HttpResponseDecoder",
    "HttpResponseEncoder",
    "HttpServerHandler",
    "InputEnded",
    "RequestAggregator",
    "ResponseAggregator",
    "client_stack",
    "server_stack",
    # bodies that are compressed
    "ContentCompression",
    "ContentDecodingError",
    "ContentDecompression",
    # files
    "StaticFiles",
    # how much, how long, how strict
    "Deadlines",
    "HttpDecodeError",
    "Leniency",
    "Limits",
]


def __getattr__(name: str) -> Any:
    room = _LATER.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    thing = globals()[name] = getattr(import_module(room, __name__), name)
    return thing
