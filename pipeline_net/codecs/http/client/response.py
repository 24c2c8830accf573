"""ResponseHead, ClientResponse: what a server has answered."""

from __future__ import annotations

import codecs
from typing import Any, Final

from ..headers import Headers
from ..messages import Response
from .errors import ResponseError, StatusError
from .request import PreparedRequest
from .url import Url

# Codecs that no page is written in, and that can be made to work for hours or to build odd things.
_NO_CHARSETS: Final = frozenset(["idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf_7"])


class ResponseHead:
    """Status and headers of an answer, and how it came about."""

    def __init__(self, request: PreparedRequest, response: Response, history: tuple[ResponseHead, ...]) -> None:
        self.status: int = response.status
        self.reason: str = response.phrase
        self.headers: Headers = response.headers
        self.version: str = response.version
        self.request = request
        """The last one that was sent, after all redirects."""
        self.history = history
        """The redirects that were followed, oldest first; their bodies have been dropped."""

    @property
    def url(self) -> Url:
        """Where the answer comes from."""
        return self.request.url

    @property
    def is_success(self) -> bool:
        """Whether the status is from 200 to 299."""
        return 200 <= self.status <= 299

    @property
    def content_type(self) -> str:
        """The media type in lower case, without its parameters; empty if the server has not said."""
        return (self.headers.get("content-type") or "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """The name of the charset that Content-Type gives, if Python knows it and pages use it; else ``utf-8``."""
        from email.message import Message  # it knows how parameters are quoted; few ask

        message = Message()
        message["content-type"] = self.headers.get("content-type") or "text/plain"
        name = message.get_content_charset() or "utf-8"
        try:
            found = codecs.lookup(name)
        except (LookupError, ValueError):  # ValueError: a NUL in the name
            return "utf-8"
        is_text = getattr(found, "_is_text_encoding", True)
        return "utf-8" if not is_text or found.name.replace("-", "_") in _NO_CHARSETS else found.name

    def raise_for_status(self) -> None:
        """Raise ``StatusError`` if the status is 400 or above; the error has this response."""
        if self.status >= 400:
            raise StatusError(str(self.url), f"the server answered {self.status} {self.reason}", self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status} {self.reason} from {self.url}>"


class ClientResponse(ResponseHead):
    """A whole answer; ``body`` are its bytes, decompressed where the client has said that it can do that."""

    def __init__(
        self,
        request: PreparedRequest,
        response: Response,
        history: tuple[ResponseHead, ...],
        body: bytes,
        trailers: Headers | None,
    ) -> None:
        super().__init__(request, response, history)
        self.body = body
        self.trailers = trailers

    @property
    def text(self) -> str:
        """The body as text; what does not fit the charset becomes U+FFFD."""
        return self.body.decode(self.charset, "replace")

    def json(self) -> Any:
        """Parse the body as JSON.

        Raises:
            ResponseError: it is none.
        """
        from json import loads  # only whoever speaks JSON pays for it

        try:
            return loads(self.body)
        except (ValueError, RecursionError) as exc:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
            raise ResponseError(str(self.url), f"the body is no JSON: {exc}") from exc
