r"""What HTTP peers say to each other: in parts, as they arrive, or whole.

::

    in parts                                             whole (see RequestAggregator)
    Request      GET / HTTP/1.1 and its headers          FullRequest    a Request with body and trailers
    Data         some of the body, any number of times
    End          of the message, with its trailers

    InterimResponse   100 Continue, 103 Early Hints: no End follows
    Response, Data, End                                  FullResponse   a Response with body and trailers

Every message is a head, then any number of ``Data``, then ``End``, also when it has no body.  Whoever writes may write
a ``FullRequest`` or a ``FullResponse`` in their place.

Of messages that every exchange makes and drops, one is kept for the next (``free_list_len``).

``to`` says which request a part of a response answers.  It may be left out while only one request is unanswered, which
is always so unless ``max_pipelined`` allows more.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from ..._mypyc import i64, mypyc_attr
from ...errors import EncodeError
from ...file_region import FileRegion
from . import grammar
from .headers import Headers, HeadersLike, Text, as_headers, from_block
from .status import reason_phrase

CHUNKED: Final = -1  # body_length of a message whose body comes in chunks
UNTIL_CLOSE: Final = -2  # body_length of a response whose body ends with the connection

HTTP_1_1: Final = "1.1"
HTTP_1_0: Final = "1.0"


@mypyc_attr(free_list_len=1)
class Request:
    """The head of a request.

    Args:
        method: a token, in the case in which it travels: methods have one.
        target: what stands between method and version: ``/path?query``; for CONNECT ``host:port``; for a proxy a URL;
            for OPTIONS also ``*``.  Visible ASCII.
        headers: ``Headers``, or what they are made of.  An HTTP/1.1 request needs a Host, unless a client adds it.

    Raises:
        EncodeError: the method or the target could end the request line early.

    Of a request that came, a decoder has filled in what its headers mean: ``body_length``, ``keep_alive``,
    ``expects_continue``, ``wants_upgrade``.
    """

    def __init__(
        self, method: str, target: Text, headers: HeadersLike | None = None, *, version: str = HTTP_1_1
    ) -> None:
        self.method = method
        self.raw_target: bytes = target.encode("utf-8", "replace") if isinstance(target, str) else target
        self.version = version
        self._headers: Headers | None = None
        self._block = b""
        self.body_length: i64 = 0
        """Bytes of the body that follows, as far as it is known: 0 for none, ``CHUNKED`` for chunks."""
        self.keep_alive = True
        """Whether the peer allows another request on this connection."""
        self.expects_continue = False
        """Whether the peer waits for ``100 Continue`` before it sends the body."""
        self.wants_upgrade = False
        """Whether the peer would like to speak another protocol (Upgrade and Connection say so)."""
        if headers is not None:
            self._headers = as_headers(headers)
            self.checked_method()

    @property
    def headers(self) -> Headers:
        """Taken apart on first use."""
        headers = self._headers
        if headers is None:
            headers = self._headers = from_block(self._block)
        return headers

    def checked_method(self) -> bytes:
        """Return the method as bytes, once more made sure that it is a token: attributes can be set.

        Raises:
            EncodeError: it is none; or the target has been made something else.
        """
        method = self.method.encode("utf-8", "replace")
        if not grammar.is_token(method):
            raise EncodeError(f"a method is a token, not {self.method!r}")
        if not grammar.is_target(self.raw_target):
            raise EncodeError(f"a target is visible ASCII without a fragment, not {self.raw_target!r}")
        return method

    @property
    def target(self) -> str:
        """The target as text."""
        return self.raw_target.decode("ascii")

    @property
    def path(self) -> str:
        """The target up to its query, percent-encoded as it came; without the ``http://host`` that a client may put in
        front (RFC 9112, section 3.2.2), so that nothing depends on who does.
        """
        path = self.raw_target.partition(b"?")[0].decode("ascii")
        if not path.startswith("/"):
            _, marks, behind = path.partition("://")
            if marks:
                return "/" + behind.partition("/")[2]
        return path

    @property
    def query(self) -> str:
        """The target behind its first question mark, percent-encoded as it came; empty without one."""
        return self.raw_target.partition(b"?")[2].decode("ascii")

    @property
    def has_body(self) -> bool:
        """Whether any ``Data`` may come before ``End``."""
        return self.body_length != 0

    def set_block(self, block: bytes) -> None:
        """Take over a block of headers that a decoder has validated."""
        self._block = block
        self._headers = None

    def completed(self, body: bytes, trailers: Headers | None) -> FullRequest:
        """Return the whole request of which this was the head."""
        full = FullRequest(self.method, self.raw_target, None, body, trailers, version=self.version)
        full._headers = self._headers
        full._block = self._block
        full.body_length = self.body_length
        full.keep_alive = self.keep_alive
        full.expects_continue = self.expects_continue
        full.wants_upgrade = self.wants_upgrade
        full.head = self
        return full

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Request)
            and type(other) is type(self)
            and self.method == other.method
            and self.raw_target == other.raw_target
            and self.version == other.version
            and self.headers == other.headers
        )

    def __hash__(self) -> int:
        return hash((self.method, self.raw_target))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.method} {self.raw_target.decode('latin-1')} {self.headers.shown()!r}>"


@mypyc_attr(free_list_len=1)
class FullRequest(Request):
    """A whole request: head, body, trailers.

    Raises:
        EncodeError: as for ``Request``.
    """

    def __init__(
        self,
        method: str,
        target: Text,
        headers: HeadersLike | None = None,
        body: bytes = b"",
        trailers: HeadersLike | None = None,
        *,
        version: str = HTTP_1_1,
    ) -> None:
        super().__init__(method, target, headers, version=version)
        self.head: Request | None = None
        """The head from which it was made, if it came in parts; ``to`` may name either."""
        self.body = body
        self.trailers: Headers | None = None if trailers is None else as_headers(trailers)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, FullRequest)
            and self.method == other.method
            and self.raw_target == other.raw_target
            and self.version == other.version
            and self.headers == other.headers
            and self.body == other.body
            and self.trailers == other.trailers
        )

    def __hash__(self) -> int:
        return hash((self.method, self.raw_target))


class Response:
    """The head of a final response.

    Args:
        status: 200 to 999, or 101, which ends HTTP on this connection.
        headers: ``Headers``, or what they are made of; keep them in a constant where they are always the same.
            Content-Length, Transfer-Encoding, Date and Connection are added by the encoder where they are missing.
        reason: the phrase behind the status; the registered one, if it is left out.
        to: the request that is answered; needed when several are unanswered.

    Raises:
        EncodeError: the status or the reason cannot stand in a status line.
    """

    def __init__(
        self,
        status: int,
        headers: HeadersLike | None = None,
        reason: str | None = None,
        *,
        to: Request | None = None,
        version: str = HTTP_1_1,
    ) -> None:
        self.status = status
        self.reason = reason
        self.version = version
        self.to = to
        self._headers: Headers | None = as_headers(headers) if headers is not None else None
        self._block = b""
        self.body_length: i64 = 0
        """Of a response that came: bytes of the body that follows, ``CHUNKED`` or ``UNTIL_CLOSE``."""
        self.keep_alive = True
        """Of a response that came: whether the peer allows another request on this connection."""
        if (status < 200 and status != 101) or status > 999:
            raise EncodeError(f"the status of a final response is from 200 to 999, or 101, not {status!r}")
        if reason is not None:
            phrase_in_bytes(reason)

    @property
    def headers(self) -> Headers:
        """Taken apart on first use."""
        headers = self._headers
        if headers is None:
            headers = self._headers = from_block(self._block)
        return headers

    @property
    def given_headers(self) -> Headers | None:
        """The headers, if there can be any: for who sends them and need not change them."""
        if self._headers is None and not self._block:
            return None
        return self.headers

    @property
    def phrase(self) -> str:
        """The reason phrase: the one given, or the registered one."""
        return reason_phrase(self.status) if self.reason is None else self.reason

    def set_block(self, block: bytes) -> None:
        """Take over a block of headers that a decoder has validated."""
        self._block = block
        self._headers = None

    def completed(self, body: bytes, trailers: Headers | None) -> FullResponse:
        """Return the whole response of which this was the head."""
        full = FullResponse(self.status, None, body, trailers, reason=self.reason, to=self.to, version=self.version)
        full._headers = self._headers
        full._block = self._block
        full.body_length = self.body_length
        full.keep_alive = self.keep_alive
        return full

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Response)
            and type(other) is type(self)
            and self.status == other.status
            and self.phrase == other.phrase
            and self.version == other.version
            and self.headers == other.headers
        )

    def __hash__(self) -> int:
        return hash(self.status)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status} {self.phrase} {self.headers.shown()!r}>"


@mypyc_attr(free_list_len=1)
class FullResponse(Response):
    """A whole response: head, body, trailers.

    Raises:
        EncodeError: as for ``Response``.
    """

    def __init__(
        self,
        status: int,
        headers: HeadersLike | None = None,
        body: bytes = b"",
        trailers: HeadersLike | None = None,
        *,
        reason: str | None = None,
        to: Request | None = None,
        version: str = HTTP_1_1,
    ) -> None:
        super().__init__(status, headers, reason, to=to, version=version)
        self.body = body
        self.trailers: Headers | None = None if trailers is None else as_headers(trailers)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, FullResponse)
            and self.status == other.status
            and self.phrase == other.phrase
            and self.version == other.version
            and self.headers == other.headers
            and self.body == other.body
            and self.trailers == other.trailers
        )

    def __hash__(self) -> int:
        return hash(self.status)


class InterimResponse:
    """A response that is not the last word: 100 Continue, 102 Processing, 103 Early Hints.  No ``End`` follows.

    Raises:
        EncodeError: the status is not from 100 to 199, or 101, which is final.
    """

    def __init__(
        self, status: int, headers: HeadersLike | None = None, reason: str | None = None, *, to: Request | None = None
    ) -> None:
        if not 100 <= status <= 199 or status == 101:
            raise EncodeError(f"the status of an interim response is from 100 to 199, and not 101, but is {status!r}")
        if reason is not None:
            phrase_in_bytes(reason)
        self.status = status
        self.headers = Headers() if headers is None else as_headers(headers)
        self.reason = reason
        self.to = to

    @property
    def phrase(self) -> str:
        """The reason phrase: the one given, or the registered one."""
        return reason_phrase(self.status) if self.reason is None else self.reason

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, InterimResponse)
            and self.status == other.status
            and self.phrase == other.phrase
            and self.headers == other.headers
        )

    def __hash__(self) -> int:
        return hash(self.status)

    def __repr__(self) -> str:
        return f"<InterimResponse {self.status} {self.phrase} {self.headers.shown()!r}>"


class Data:
    """Some of the body of a message.  What is written may also be a part of a file, which the kernel then sends."""

    def __init__(self, data: bytes | bytearray | memoryview | FileRegion, *, to: Request | None = None) -> None:
        self.data = data
        self.to = to

    def as_bytes(self) -> bytes:
        """Give what it holds as ``bytes``: for who reads a body, where it comes as such and is not copied.

        Raises:
            TypeError: it is a part of a file, which is only ever written.
        """
        data = self.data
        if isinstance(data, bytes):
            return data
        if isinstance(data, FileRegion):
            raise TypeError(f"{data!r} is for the kernel to send: its bytes are not here")
        return bytes(data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Data) and bool(self.data == other.data)

    def __hash__(self) -> int:
        return hash(("Data", len(self.data)))

    def __repr__(self) -> str:
        return f"Data({self.data!r})"


class End:
    """The end of a message, and its trailers: headers that were known only after the body."""

    def __init__(self, trailers: HeadersLike | None = None, *, to: Request | None = None) -> None:
        self.trailers: Headers | None = None if trailers is None else as_headers(trailers)
        self.to = to

    def __eq__(self, other: object) -> bool:
        return isinstance(other, End) and self.trailers == other.trailers

    def __hash__(self) -> int:
        return hash("End")

    def __repr__(self) -> str:
        return "End()" if self.trailers is None else f"End({self.trailers!r})"


def phrase_in_bytes(reason: str) -> bytes:
    """Make sure that a reason phrase stays in its line.

    Raises:
        EncodeError: it has a control character.
    """
    phrase = reason.encode("latin-1", "replace")
    if not grammar.is_field_value(phrase):
        raise EncodeError(f"a reason phrase has no control characters: {reason!r}")
    return phrase


END: Final = End()
"""The end of a message without trailers."""

RequestPart: TypeAlias = Request | Data | End
"""What a server reads and a client writes."""

ResponsePart: TypeAlias = Response | InterimResponse | Data | End
"""What a server writes and a client reads."""
