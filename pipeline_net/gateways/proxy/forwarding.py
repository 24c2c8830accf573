r"""Which headers go on, and which are added.

::

    client                         proxy                                              origin
    GET / HTTP/1.1                        GET / HTTP/1.1
    Host: a.example                       host: a.example
    Connection: keep-alive, X-Trick       (gone: it was about this connection)
    X-Trick: 1                            (gone: Connection names it)
    X-Forwarded-For: 10.0.0.1             x-forwarded-for: 192.0.2.7      where the client has no right to say so
                                          x-forwarded-proto: http
                                          x-forwarded-host: a.example
                                          forwarded: for=192.0.2.7;host="a.example";proto=http
                                          via: 1.1 pipeline_net

What Connection names is dropped before anything is added, so that nobody can name away what we add.  Content-Length and
Host are not to be named away at all: that would change what the origin takes for the body, or for the site.

Applications that look headers up in an environment, as WSGI and CGI have it, cannot tell ``X_Forwarded_For`` from
``X-Forwarded-For``.  So names are compared as those do it, with underscores for what they might become.

Source: RFC 9110, section 7.6; RFC 7239
"""

from __future__ import annotations

from typing import Final

from ...codecs.http.headers import Headers
from ...codecs.http.messages import CHUNKED, HTTP_1_0, Request, Response
from ...codecs.http.proxies import Client
from ..connection import path_of

# RFC 9110 7.6.1 names those that "are known to be hop-by-hop" even where Connection does not list them.  Those about
# proxies are between a client and the proxy that it has chosen itself.
_HOP_BY_HOP: Final = frozenset(
    b"connection proxy-connection keep-alive te transfer-encoding upgrade http2-settings"
    b" proxy-authenticate proxy-authentication-info proxy-authorization".split()
)
_NOT_TO_BE_NAMED: Final = frozenset((b"host", b"content-length"))
_CLAIMS: Final = frozenset((b"forwarded", b"x-real-ip", b"x-client-ip", b"true-client-ip"))
_CLAIM: Final = b"x-forwarded-"
_LOOKALIKES: Final = _HOP_BY_HOP | _NOT_TO_BE_NAMED  # those that an underscore must not bring in again

MOST_HOPS: Final = 16
"""Entries in Via; a request with more goes round in circles."""


def hops(request: Request) -> int:
    """Count the proxies that a request has passed."""
    via = request.headers.get_raw(b"via")
    return 0 if via is None else via.count(b",") + 1


def request_headers(
    request: Request,
    *,
    host: bytes | None,
    client: Client | None,
    scheme: str,
    trusted: bool,
    name: str,
    upgrade: bytes | None,
) -> Headers:
    """Make the headers of the request that the origin gets.

    Args:
        host: the Host to send; ``None`` leaves it to the encoder.
        client: who has connected; ``None`` for a peer without an address.
        scheme: how the client speaks to us.
        trusted: whether it may say on whose behalf it comes.
        name: of the proxy, in Via.
        upgrade: the protocol that the client asks for, and may have.
    """
    headers = request.headers
    dropped = _dropped(headers)
    pairs: list[tuple[bytes, bytes]] = [] if host is None else [(b"host", host)]
    left = hops_left(request)
    if left is not None:
        dropped.add(b"max-forwards")
        pairs.append((b"max-forwards", b"%d" % max(left - 1, 0)))
    said: dict[bytes, list[bytes]] = {}
    for key, value in headers.raw:
        if key in dropped or key == b"host":
            continue
        plain = key.replace(b"_", b"-")
        if plain in _CLAIMS or plain.startswith(_CLAIM) or key == b"via":
            if key == b"via" or (trusted and plain == key):
                said.setdefault(key, []).append(value)
        elif plain == key or plain not in _LOOKALIKES:
            pairs.append((key, value))
    if request.body_length == CHUNKED:
        pairs.append((b"transfer-encoding", b"chunked"))
    _add_claims(pairs, said, host, client, scheme)
    pairs.append((b"via", _prolonged(said, b"via", f"{request.version} {name}".encode())))
    options = []
    if headers.has_token("te", "trailers"):
        options.append(b"te")  # we pass trailers on
        pairs.append((b"te", b"trailers"))
    if upgrade is not None:
        options.append(b"upgrade")
        pairs.append((b"upgrade", upgrade))
    if options:
        pairs.append((b"connection", b", ".join(options)))
    return Headers(pairs)


def response_headers(response: Response, name: str) -> Headers:
    """Make the headers of the response that the client gets; the encoder adds those about its connection."""
    headers = response.headers
    dropped = _dropped(headers)
    if response.body_length < 0 or response.status == 204:
        dropped.add(b"content-length")  # with chunks, no length: "the sender MUST NOT send" it; nor with a 204
    pairs = [(key, value) for key, value in headers.raw if key not in dropped]
    pairs.append((b"via", f"{response.version} {name}".encode()))
    if response.status == 101:
        pairs.append((b"connection", b"upgrade"))
        pairs.append((b"upgrade", headers.get_raw(b"upgrade") or b""))
    return Headers(pairs)


def interim_headers(headers: Headers) -> Headers:
    """Make the headers of a 1xx."""
    dropped = _dropped(headers) | _NOT_TO_BE_NAMED
    return Headers([(key, value) for key, value in headers.raw if key not in dropped])


def upgrade_of(request: Request, allowed: tuple[str, ...]) -> bytes | None:
    """Find the protocol that a client asks to change to, if it is an allowed one."""
    if not request.wants_upgrade or request.body_length != 0 or request.version == HTTP_1_0:
        return None
    for protocol in allowed:
        if request.headers.has_token("upgrade", protocol):
            return protocol.encode("ascii")
    return None


def host_of(request: Request) -> bytes | None:
    """Find out which site is meant.

    RFC 9112 3.2.2: "When a proxy receives a request with an absolute-form of request-target, the proxy MUST ignore the
    received Host header field (if any) and instead replace it with the host information of the request-target."
    """
    _, marks, rest = request.raw_target.partition(b"://")
    if marks and not request.raw_target.startswith(b"/"):
        return rest.partition(b"/")[0].partition(b"?")[0].rpartition(b"@")[2]
    return request.headers.get_raw(b"host")


def target_of(request: Request) -> bytes:
    """Find out what the origin is asked for: a path, also where the client has sent a whole URL."""
    target = request.raw_target
    if target.startswith(b"/") or target == b"*":
        return target
    path, mark, query = target.partition(b"?")
    if request.method == "OPTIONS" and not mark and b"/" not in path.partition(b"://")[2]:
        return b"*"  # RFC 9112 3.2.4: "… with an absolute-form of request-target and an empty path" means the server
    return path_of(path) + mark + query


def fault_of(request: Request) -> str | None:
    """Say what a request contains that proxies may read differently, though it is HTTP; ``None`` if nothing."""
    target = request.raw_target
    if not target.startswith(b"/") and target.partition(b"://")[0].lower() not in (b"*", b"http", b"https"):
        return "this is a gateway to http and https only"
    if len(request.headers.get_all("max-forwards")) > 1:
        return "Max-Forwards is there more than once"
    return None


def hops_left(request: Request) -> int | None:
    """Find out how many more proxies an OPTIONS may pass; ``None`` for any number.

    RFC 9110 7.6.2: "Each intermediary that receives a TRACE or OPTIONS request containing a Max-Forwards header field
    MUST check and update its value prior to forwarding the request."
    """
    if request.method != "OPTIONS":
        return None
    value = request.headers.get_raw(b"max-forwards")
    return None if value is None or not value.isdigit() or len(value) > 9 else int(value)


def _dropped(headers: Headers) -> set[bytes]:
    """Name what is about one connection only.

    RFC 9110 7.6.1: "Intermediaries MUST parse a received Connection header field before a message is forwarded and, for
    each connection-option in this field, remove any header or trailer field(s) from the message with the same name as
    the connection-option".
    """
    dropped = set(_HOP_BY_HOP)
    named = headers.get_raw(b"connection")
    if named is not None:
        dropped.update(option.strip(b" \t").lower() for option in named.split(b","))
        dropped -= _NOT_TO_BE_NAMED
    return dropped


def _add_claims(
    pairs: list[tuple[bytes, bytes]],
    said: dict[bytes, list[bytes]],
    host: bytes | None,
    client: Client | None,
    scheme: str,
) -> None:
    """Say for whom the request is; what ``said`` holds came from somebody who is believed."""
    address = b"unknown" if client is None else client[0].partition("%")[0].encode("ascii", "replace")
    if client is not None:
        pairs.append((b"x-forwarded-for", _prolonged(said, b"x-forwarded-for", address)))
    elif b"x-forwarded-for" in said:
        pairs.append((b"x-forwarded-for", b", ".join(said.pop(b"x-forwarded-for"))))
    node = b'"[%b]"' % address if b":" in address else address
    element = b"for=%b" % node
    if host:
        element += b';host="%b"' % host
        said.setdefault(b"x-forwarded-host", [host])
    element += b";proto=%b" % scheme.encode()
    pairs.append((b"forwarded", _prolonged(said, b"forwarded", element)))
    said.setdefault(b"x-forwarded-proto", [scheme.encode()])
    for key, values in said.items():
        if key not in (b"x-forwarded-for", b"forwarded", b"via"):
            pairs.append((key, b", ".join(values)))


def _prolonged(said: dict[bytes, list[bytes]], key: bytes, value: bytes) -> bytes:
    return b", ".join([*said.get(key, ()), value])
