"""What a client of HTTP raises besides what every channel may; each error names the URL and the rule.

::

    HttpClientError(url, rule)
        UrlError                 also a ValueError: the URL does not say where to go, or says too much
        ConnectError             no connection: refused, unknown name, TLS that did not work out (``__cause__``)
        ProxyError               the proxy could not be reached, or refused (``status``)
        RequestTimeoutError      also a TimeoutError; ``phase`` says which part took too long
        ResponseError            the answer broke the rules of HTTP, or the connection ended before the answer did
            ResponseTooLargeError    it is above a limit
        RedirectError            the server sends us where we must not go
            TooManyRedirectsError
        StatusError              from ``raise_for_status()``; ``response`` has the rest
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....errors import PipelineNetError

if TYPE_CHECKING:
    from .response import ResponseHead


class HttpClientError(PipelineNetError):
    """A request has no answer.

    Args:
        url: what was asked for, without user name and password.
        rule: what went wrong, and what would have been right.
    """

    def __init__(self, url: str, rule: str) -> None:
        super().__init__(f"{url}: {rule}")
        self.url = url
        self.rule = rule

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.url, self.rule), self.__dict__


class UrlError(HttpClientError, ValueError):
    """The URL does not say where to go, or has what must not travel."""


class ConnectError(HttpClientError):
    """There is no connection to the server; nothing of the request has left."""


class ProxyError(HttpClientError):
    """The proxy could not be reached, or does not lead where we want to go.

    ``status`` is what it answered to CONNECT; 0 when it did not answer.
    """

    def __init__(self, url: str, rule: str, status: int = 0) -> None:
        super().__init__(url, rule)
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.url, self.rule, self.status), self.__dict__


class RequestTimeoutError(HttpClientError, TimeoutError):
    """A part of the work took too long.

    ``phase`` is ``"pool"``, ``"connect"``, ``"tls"``, ``"send"``, ``"head"``, ``"read"`` or ``"total"``: the names of
    ``Timeouts``.
    """

    def __init__(self, url: str, phase: str, seconds: float) -> None:
        super().__init__(url, f"the phase {phase!r} took more than {seconds:g} s")
        self.phase = phase
        self.seconds = seconds

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.url, self.phase, self.seconds), self.__dict__


class ResponseError(HttpClientError):
    """The answer is none by the rules of HTTP, or the connection ended before the answer did."""


class ResponseTooLargeError(ResponseError):
    """The answer is above a limit."""


class RedirectError(HttpClientError):
    """The server sends us somewhere, and we must not or cannot go there."""


class TooManyRedirectsError(RedirectError):
    """One redirect leads to the next, and on and on."""


class StatusError(HttpClientError):
    """The status is an error, and ``raise_for_status()`` was asked; ``response`` has what the server said."""

    def __init__(self, url: str, rule: str, response: ResponseHead) -> None:
        super().__init__(url, rule)
        self.response = response

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.url, self.rule, self.response), self.__dict__
