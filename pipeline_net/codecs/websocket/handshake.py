r"""The opening handshake: what the request and the answer must say, and what happens if they do not.

::

    GET /chat HTTP/1.1                                    HTTP/1.1 101 Switching Protocols
    Host: example.org                                     Upgrade: websocket
    Upgrade: websocket                                    Connection: Upgrade
    Connection: Upgrade                                   Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
    Sec-WebSocket-Version: 13                             Sec-WebSocket-Protocol: chat
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
    Sec-WebSocket-Protocol: chat, superchat

The key proves nothing about who asks.  It proves that the answer comes from somebody who has read the request and knows
WebSocket, and not from a cache, or from a server of mail that a page in a browser was made to talk to.

Source: RFC 6455, sections 1.3, 4.1 and 4.2
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from typing import TYPE_CHECKING, Final

from ...errors import ProtocolError
from ..http.headers import Headers, HeadersLike, as_headers
from ..http.messages import FullResponse, Request, Response
from .extensions import Extension, parse_extensions, parse_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
_VERSION: Final = "13"
_NONCE: Final = 16  # bytes


class HandshakeError(ProtocolError):
    """There will be no WebSocket on this connection.

    Args:
        status: what a server answers, or has answered; ``None`` when no answer came.
        headers: of the answer.
        body: of the answer; a client keeps no more than the beginning of a long one.
    """

    def __init__(
        self, message: str, status: int | None = None, headers: HeadersLike | None = None, body: bytes = b""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = Headers() if headers is None else as_headers(headers)
        self.body = body

    def response(self) -> FullResponse:
        """What a server answers; the connection ends after it."""
        headers = Headers([("content-type", "text/plain; charset=utf-8")])
        for name, value in self.headers.items():
            headers.add(name, value)
        if "connection" not in headers:
            headers.add("connection", "close")
        body = self.body or f"{self}\n".encode()
        return FullResponse(self.status or 400, headers, body)


class HandshakeComplete:
    """User event: HTTP is over, messages may flow.  It comes once, before the first message.

    ``headers`` are those of the other side: of the request at a server, of the answer at a client.
    """

    def __init__(
        self, target: str, headers: Headers, subprotocol: str | None = None, extensions: Sequence[str] = ()
    ) -> None:
        self.target = target
        """What was asked for: path and query, percent-encoded as on the wire."""
        self.headers = headers
        self.subprotocol = subprotocol
        """The one that both have agreed on, or ``None``."""
        self.extensions = tuple(extensions)
        """What both have agreed on, as the answer says it: ``("permessage-deflate; server_max_window_bits=12",)``."""

    @property
    def path(self) -> str:
        """The target up to its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The target behind its first question mark; empty without one."""
        return self.target.partition("?")[2]

    def __repr__(self) -> str:
        agreed = "" if self.subprotocol is None else f", subprotocol={self.subprotocol!r}"
        if self.extensions:
            agreed += f", extensions={self.extensions!r}"
        return f"HandshakeComplete({self.target!r}{agreed})"


class Offer:
    """What a client's request has been found to offer; see ``check_request``."""

    def __init__(self, key: bytes, subprotocols: list[str], extensions: list[Extension], origin: str | None) -> None:
        self.key = key
        self.subprotocols = subprotocols
        self.extensions = extensions
        self.origin = origin

    def __repr__(self) -> str:
        return f"<Offer subprotocols={self.subprotocols!r} extensions={self.extensions!r} origin={self.origin!r}>"


def make_key() -> bytes:
    """Make a key for one handshake: 16 random bytes in Base64."""
    return base64.b64encode(os.urandom(_NONCE))


def accept_key(key: bytes) -> bytes:
    """Return what answers a key; the sample is from RFC 6455 1.3.

    >>> accept_key(b"dGhlIHNhbXBsZSBub25jZQ==")
    b's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest)


# -- what a server looks at -------------------------------------------------------------------------------


def is_handshake(request: Request) -> bool:
    """Whether a request asks for WebSocket, rightly or wrongly."""
    return request.wants_upgrade and request.headers.has_token("upgrade", "websocket")


def check_request(request: Request) -> Offer:
    """Find out what a client offers.

    Raises:
        HandshakeError: the request is no proper handshake; ``status`` and ``headers`` say what to answer.
    """
    if request.method != "GET":
        raise HandshakeError(f"a handshake is a GET, not a {request.method}", 405, {"allow": "GET"})
    if not is_handshake(request):
        raise HandshakeError(
            "WebSocket is spoken here: Upgrade: websocket, Connection: Upgrade",
            426,
            # RFC 9110 15.5.22: "The server MUST send an Upgrade header field in a 426 response"
            {"upgrade": "websocket", "connection": "upgrade, close"},
        )
    version = _only_line(request.headers, "sec-websocket-version")
    if version != _VERSION:
        # RFC 6455 4.4: "the server MUST respond with … a |Sec-WebSocket-Version| header field indicating the version(s)
        # the server is capable of understanding"
        raise HandshakeError(
            f"version {_VERSION} of WebSocket is spoken here, not {version!r}",
            426,
            {"sec-websocket-version": _VERSION, "upgrade": "websocket", "connection": "upgrade, close"},
        )
    if request.body_length != 0:
        raise HandshakeError("a handshake has no body", 400)
    key = _check_key(_only_line(request.headers, "sec-websocket-key"))
    try:
        subprotocols = parse_tokens(request.headers.get("sec-websocket-protocol", "") or "")
        extensions = parse_extensions(request.headers.get("sec-websocket-extensions", "") or "")
    except ValueError as exc:
        raise HandshakeError(str(exc), 400) from exc
    if len(set(subprotocols)) < len(subprotocols):
        # RFC 6455 4.1: "The elements that comprise this value MUST … all be unique strings."
        raise HandshakeError(f"the same subprotocol is offered twice: {subprotocols!r:.100}", 400)
    origins = request.headers.get_all("origin")
    if len(origins) > 1:
        raise HandshakeError("a request has one Origin", 400)
    return Offer(key, subprotocols, extensions, origins[0] if origins else None)


def _only_line(headers: Headers, name: str) -> str:
    lines = headers.get_all(name)
    if len(lines) != 1:
        raise HandshakeError(f"a handshake has one {name.title()}, not {len(lines)}", 400)
    return lines[0]


def _check_key(text: str) -> bytes:
    """RFC 6455 4.2.1: "a base64-encoded … value that, when decoded, is 16 bytes in length"."""
    key = text.encode("latin-1")
    try:
        nonce = base64.b64decode(key, validate=True)
    except binascii.Error:
        nonce = b""
    if len(nonce) != _NONCE:
        raise HandshakeError(f"a key is 16 bytes in Base64, not {text[:40]!r}", 400)
    return key


def switching(key: bytes, subprotocol: str | None, extensions: str | None, headers: Headers | None) -> FullResponse:
    """Make the answer that ends HTTP.

    Raises:
        EncodeError: a header that cannot travel.
        ValueError: ``headers`` has one that is the handshake's own.
    """
    answer = Headers([("upgrade", "websocket"), ("connection", "upgrade")])
    answer.add("sec-websocket-accept", accept_key(key))
    if subprotocol is not None:
        answer.add("sec-websocket-protocol", subprotocol)
    if extensions is not None:
        answer.add("sec-websocket-extensions", extensions)
    if headers is not None:
        check_extra(headers)
        for name, value in headers.items():
            answer.add(name, value)
    return FullResponse(101, answer)


_OWN: Final = frozenset(["upgrade", "connection", "content-length", "transfer-encoding"]).union(
    f"sec-websocket-{name}" for name in ("accept", "protocol", "extensions", "key", "version")
)


def check_extra(headers: Headers) -> None:
    """Make sure that a program's headers leave the handshake alone.

    Raises:
        ValueError: naming the one that does not.
    """
    for name in headers:
        if name in _OWN:
            raise ValueError(f"{name} is the handshake's own header, and cannot be set")


# -- what a client looks at -------------------------------------------------------------------------------


def check_answer(response: Response, key: bytes, offered: Sequence[str]) -> str | None:
    """Make sure that a 101 answers our request; return the subprotocol that was chosen.

    Raises:
        HandshakeError: it does not.
    """
    headers = response.headers
    if not headers.has_token("upgrade", "websocket") or len(headers.get_all("upgrade")) != 1:
        raise _unfit(response, f"its Upgrade is {headers.get('upgrade')!r}")
    if not headers.has_token("connection", "upgrade"):
        raise _unfit(response, f"its Connection is {headers.get('connection')!r}")
    accepts = headers.get_all("sec-websocket-accept")
    if accepts != [accept_key(key).decode("ascii")]:
        raise _unfit(response, f"its Sec-WebSocket-Accept is {accepts!r:.100}, which does not answer our key")
    chosen = headers.get_all("sec-websocket-protocol")
    if not chosen:
        return None
    # RFC 6455 4.1: "… indicates the use of a subprotocol that was not present in the client's handshake … the client
    # MUST _Fail the WebSocket Connection_."
    if len(chosen) != 1 or chosen[0] not in offered:
        raise _unfit(response, f"it chose the subprotocol {', '.join(chosen)!r:.100} of {list(offered)!r}")
    return chosen[0]


def _unfit(response: Response, why: str) -> HandshakeError:
    return HandshakeError(f"the answer is no WebSocket handshake: {why}", response.status, response.headers)
