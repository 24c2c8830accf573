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
    forms       queries, cookies, and forms with uploads that go to disk
"""

from __future__ import annotations

from .aggregator import RequestAggregator, ResponseAggregator
from .client import HttpClientHandler, client_stack
from .encoder import HttpRequestEncoder, HttpResponseEncoder
from .errors import HttpDecodeError
from .forms import (
    Cookies,
    CookieSigner,
    Fields,
    FieldsLike,
    FilePart,
    FormFieldData,
    FormFieldEnd,
    FormFieldPart,
    FormFieldStart,
    FormLimits,
    FormParts,
    FormRequest,
    Forms,
    MultipartBody,
    MultipartDecoder,
    Query,
    SetCookie,
    UploadedFile,
    UrlencodedDecoder,
    build_query,
    parse_query,
    safe_filename,
)
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
    # how much, how long, how strict
    "Deadlines",
    "HttpDecodeError",
    "Leniency",
    "Limits",
    # queries, cookies, forms
    "CookieSigner",
    "Cookies",
    "Fields",
    "FieldsLike",
    "FilePart",
    "FormFieldData",
    "FormFieldEnd",
    "FormFieldPart",
    "FormFieldStart",
    "FormLimits",
    "FormParts",
    "FormRequest",
    "Forms",
    "MultipartBody",
    "MultipartDecoder",
    "Query",
    "SetCookie",
    "UploadedFile",
    "UrlencodedDecoder",
    "build_query",
    "parse_query",
    "safe_filename",
]
