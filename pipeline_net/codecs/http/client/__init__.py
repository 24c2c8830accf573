"""The HTTP client: connections that are kept, answers whole or in parts, redirects, proxies, cookies, TLS.

    client          Client: what most programs want
    response        ClientResponse; stream has StreamedResponse, whose body is read in parts
    options         ClientOptions, with timeouts
    auth, cookies   who we are
    errors          what is raised

and below that, from what a caller asks for to the wire::

    request, url, body     what is asked for, checked on the caller's thread
    call                   attempts: redirects and retries say when there is another one
    pool                   which connection an attempt gets
    exchange               one request and its answer (sinks: where the body goes)
    opening, proxy         how a connection is made: TCP, CONNECT, TLS
    connection             a channel that carries one exchange after the other
"""

from __future__ import annotations

from .auth import BasicAuth, BearerAuth
from .client import Client
from .errors import (
    ConnectError,
    HttpClientError,
    ProxyError,
    RedirectError,
    RequestTimeoutError,
    ResponseError,
    ResponseTooLargeError,
    StatusError,
    TooManyRedirectsError,
    UrlError,
)
from .options import ClientOptions
from .response import ClientResponse, ResponseHead
from .stream import StreamedResponse, Streaming
from .timeouts import Timeouts
from .url import Url

__all__ = [
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
]
