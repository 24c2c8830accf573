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
    client_handler
                client_stack(): the same from the other side
    client      Client: asks servers, for many threads and coroutines at once
    site        a router, CORS, redirects, server-sent events, an access log
    proxies     TrustedProxies: whose X-Forwarded-For is believed
    forms       queries, cookies, and forms with uploads that go to disk
    content     ContentCompression, ContentDecompression: bodies that are compressed on their way
    files       StaticFiles: the files of a folder
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from .aggregator import RequestAggregator, ResponseAggregator
from .client_handler import HttpClientHandler, client_stack
from .encoder import HttpRequestEncoder, HttpResponseEncoder
from .errors import HttpDecodeError
from .events import InputEnded, RequestRefused
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
from .status import PHRASES, reason_phrase

if TYPE_CHECKING:
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
    from .content import (
        ContentCompression,
        ContentDecodingError,
        ContentDecompression,
    )
    from .files import (
        StaticFiles,
    )
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

# What not every program of HTTP needs, and the room that is opened when somebody asks for it.
_LATER: Final = {
    "BasicAuth": ".client",
    "BearerAuth": ".client",
    "Client": ".client",
    "ClientOptions": ".client",
    "ClientResponse": ".client",
    "ConnectError": ".client",
    "HttpClientError": ".client",
    "ProxyError": ".client",
    "RedirectError": ".client",
    "RequestTimeoutError": ".client",
    "ResponseError": ".client",
    "ResponseHead": ".client",
    "ResponseTooLargeError": ".client",
    "StatusError": ".client",
    "StreamedResponse": ".client",
    "Streaming": ".client",
    "Timeouts": ".client",
    "TooManyRedirectsError": ".client",
    "Url": ".client",
    "UrlError": ".client",
    "ContentCompression": ".content",
    "ContentDecodingError": ".content",
    "ContentDecompression": ".content",
    "StaticFiles": ".files",
    "CookieSigner": ".forms",
    "Cookies": ".forms",
    "Fields": ".forms",
    "FieldsLike": ".forms",
    "FilePart": ".forms",
    "FormFieldData": ".forms",
    "FormFieldEnd": ".forms",
    "FormFieldPart": ".forms",
    "FormFieldStart": ".forms",
    "FormLimits": ".forms",
    "FormParts": ".forms",
    "FormRequest": ".forms",
    "Forms": ".forms",
    "MultipartBody": ".forms",
    "MultipartDecoder": ".forms",
    "Query": ".forms",
    "SetCookie": ".forms",
    "UploadedFile": ".forms",
    "UrlencodedDecoder": ".forms",
    "build_query": ".forms",
    "parse_query": ".forms",
    "safe_filename": ".forms",
    "AccessLog": ".site",
    "AccessLogFile": ".site",
    "AccessRecord": ".site",
    "BasicAuthentication": ".site",
    "Cors": ".site",
    "CorsPolicy": ".site",
    "EventBroadcast": ".site",
    "EventStream": ".site",
    "EventStreamDecoder": ".site",
    "EventStreamReader": ".site",
    "HttpError": ".site",
    "Redirect": ".site",
    "Router": ".site",
    "ServerSentEvent": ".site",
    "StreamingResponse": ".site",
    "basic_credentials": ".site",
    "combined_format": ".site",
    "common_format": ".site",
    "encode_comment": ".site",
    "encode_event": ".site",
    "json_response": ".site",
    "redirect": ".site",
    "timed_format": ".site",
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
    "RequestRefused",
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


def __getattr__(name: str) -> Any:
    room = _LATER.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    thing = globals()[name] = getattr(import_module(room, __name__), name)
    return thing
