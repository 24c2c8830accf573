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
    client_handler  client_stack(): the same from the other side
    client      Client: asks servers, for many threads and coroutines at once
    site        a router, CORS, redirects, server-sent events, an access log
    proxies     TrustedProxies: whose X-Forwarded-For is believed
    client      client_stack(): the same from the other side
    forms       queries, cookies, and forms with uploads that go to disk
"""

from __future__ import annotations

from .aggregator import RequestAggregator, ResponseAggregator
from .client import (
    BasicAuth,
    BearerAuth,
    Client,
    ClientOptions,
    ClientResponse,
    ConnectError,
    HttpClientError,
    ProxyError,
    RedirectError,
    RequestTimeoutError,
    ResponseError,
    ResponseHead,
    ResponseTooLargeError,
    StatusError,
    StreamedResponse,
    Streaming,
    Timeouts,
    TooManyRedirectsError,
    Url,
    UrlError,
)
from .client_handler import HttpClientHandler, client_stack
from .content import ContentCompression, ContentDecodingError, ContentDecompression
from .encoder import HttpRequestEncoder, HttpResponseEncoder
from .errors import HttpDecodeError
from .events import InputEnded, RequestRefused
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
from .proxies import TrustedProxies
from .request_decoder import HttpRequestDecoder
from .response_decoder import HttpResponseDecoder
from .server import HttpServerHandler, server_stack
from .site import (
    AccessLog,
    AccessLogFile,
    AccessRecord,
    BasicAuthentication,
    Cors,
    CorsPolicy,
    EventBroadcast,
    EventStream,
    EventStreamDecoder,
    EventStreamReader,
    HttpError,
    Redirect,
    Router,
    ServerSentEvent,
    StreamingResponse,
    basic_credentials,
    combined_format,
    common_format,
    encode_comment,
    encode_event,
    json_response,
    redirect,
    timed_format,
)
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
    "RequestRefused",
    "RequestAggregator",
    "ResponseAggregator",
    "client_stack",
    "server_stack",
    # bodies that are compressed
    "ContentCompression",
    "ContentDecodingError",
    "ContentDecompression",
    # what a site is made of
    "AccessLog",
    "AccessLogFile",
    "AccessRecord",
    "BasicAuthentication",
    "Cors",
    "CorsPolicy",
    "EventBroadcast",
    "EventStream",
    "EventStreamDecoder",
    "EventStreamReader",
    "HttpError",
    "Redirect",
    "Router",
    "ServerSentEvent",
    "StreamingResponse",
    "basic_credentials",
    "combined_format",
    "common_format",
    "encode_comment",
    "encode_event",
    "json_response",
    "redirect",
    "timed_format",
    "TrustedProxies",
    # how much, how long, how strict
    "Deadlines",
    "HttpDecodeError",
    "Leniency",
    "Limits",
    # asking
    "BasicAuth",
    "BearerAuth",
    "Client",
    "ClientOptions",
    "ClientResponse",
    "ConnectError",
    "HttpClientError",
    "ProxyError",
    "RedirectError",
    "RequestTimeoutError",
    "ResponseError",
    "ResponseHead",
    "ResponseTooLargeError",
    "StatusError",
    "StreamedResponse",
    "Streaming",
    "Timeouts",
    "TooManyRedirectsError",
    "Url",
    "UrlError",
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
