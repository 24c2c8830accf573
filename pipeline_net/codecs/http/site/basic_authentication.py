"""BasicAuthentication and basic_credentials(): a name and a password with each request.

They are sent in the clear, so this is for connections inside TLS, and for what a browser's own dialogue is good enough
for: an inner page, a device, a test site.

Source: RFC 7617
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ....context import ChannelHandlerContext
from ....handler import TransparentHandler
from ..grammar import is_field_value
from ..messages import Data, End, FullRequest, FullResponse, Request, RequestPart
from .route_pattern import is_below

_MAX_LENGTH: Final = 4096  # characters of the credentials; no password is so long


def basic_credentials(request: Request) -> tuple[str, str] | None:
    """Read the name and the password of a request; ``None`` if there are none, or they are not well-formed."""
    scheme, _, token = (request.headers.get("authorization") or "").partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "basic" or len(token) > _MAX_LENGTH:
        return None
    try:
        name, colon, password = b64decode(token, validate=True).decode().partition(":")
    except ValueError:  # no base64, or no UTF-8
        return None
    # RFC 7617 2: "The user-id and password MUST NOT contain any control characters".
    if not colon or any(ord(character) < 32 or ord(character) == 127 for character in name + password):
        return None
    return name, password


class BasicAuthentication(TransparentHandler[RequestPart]):
    """Passes on the requests of those who know a password; others are answered with 401.  In front of the application::

        http.server_stack() >> http.BasicAuthentication({"ada": "lovelace"}, realm="Notes") >> …

    The application may ask ``basic_credentials(request)`` who it is.  Where pages of other sites may come, ``Cors``
    stands in front of this stage: browsers ask for leave without a password.

    Args:
        known: names and their passwords, compared in a time that does not tell how much of one was right; or a function
            of a name and a password, which answers True or False at once: it runs on the loop.  Hashes that take their
            time on purpose belong into a handler that blocks.
        realm: what the passwords are for; a browser shows it.
        exempt: beginnings of paths that need none.

    Raises:
        ValueError: nobody is known; a name has a colon; the realm cannot stand between quotes; a path does not begin
            with a slash.
    """

    def __init__(
        self, known: Mapping[str, str] | Callable[[str, str], bool], *, realm: str, exempt: Iterable[str] = ()
    ) -> None:
        if '"' in realm or "\\" in realm or not realm.isascii() or not is_field_value(realm.encode()):
            raise ValueError(f"a realm is ASCII without quotes, backslashes and control characters, not {realm!r}")
        self._exempt: Final = (exempt,) if isinstance(exempt, str) else tuple(exempt)
        for path in self._exempt:
            if not path.startswith("/"):
                raise ValueError(f"a path begins with a slash, unlike {path!r}")
        self._check: Callable[[str, str], bool]
        if isinstance(known, Mapping):
            passwords = dict(known)
            if not passwords:
                raise ValueError("nobody is known, so nobody could come in")
            if any(":" in name for name in passwords):
                raise ValueError("a name cannot have a colon, which would end it")
            self._check = lambda name, password: _is_right(passwords.get(name), password)
        else:
            self._check = known
        self._challenge: Final = f'Basic realm="{realm}", charset="UTF-8"'
        self._refused: Request | None = None  # whose End has not come

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, Request):
            if self._may_pass(msg):
                ctx.fire_channel_read(msg)
            elif isinstance(msg, FullRequest) or msg.expects_continue:
                self._refuse(ctx, msg)
            else:
                self._refused = msg
        elif self._refused is None or not isinstance(msg, (Data, End)):
            ctx.fire_channel_read(msg)
        elif isinstance(msg, End):
            request, self._refused = self._refused, None
            self._refuse(ctx, request)

    def _may_pass(self, request: Request) -> bool:
        if self._exempt and is_below(request.path, self._exempt):
            return True
        credentials = basic_credentials(request)
        return credentials is not None and self._check(*credentials) is True  # a coroutine would be true, too

    def _refuse(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        headers = {"www-authenticate": self._challenge, "content-type": "text/plain"}
        ctx.write(FullResponse(401, headers, b"401 Unauthorized\n", to=request))


def _is_right(expected: str | None, password: str) -> bool:
    """Compare passwords; whoever is not known is compared, too, so that the time does not tell who is."""
    from hmac import compare_digest  # which brings hashlib and OpenSSL: only whoever uses passwords pays for them

    is_same = compare_digest((expected or "").encode(), password.encode())
    return is_same and expected is not None
