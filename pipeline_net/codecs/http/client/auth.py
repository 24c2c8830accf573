"""BasicAuth and BearerAuth: what the header Authorization says.

Source: RFC 7617 (Basic), section 2; RFC 6750 (Bearer), section 2.1.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final, TypeAlias

import attrs

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN68: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@attrs.frozen
class BasicAuth:
    """User and password, sent as UTF-8, readable by whoever reads the connection: for https only.

    Raises:
        ValueError: a colon in the user's name, which would end it, or a control character.
    """

    user: str
    password: str = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        if ":" in self.user:
            raise ValueError(f"a user's name has no colon: {self.user!r}")
        if _CONTROLS.search(self.user + self.password):
            raise ValueError("user and password have no control characters")

    @property
    def value(self) -> str:
        """The value of the header."""
        return "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")


@attrs.frozen
class BearerAuth:
    """A token that opens the door to whoever has it: for https only.

    Raises:
        ValueError: what is given cannot be a token.
    """

    token: str = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        if not _TOKEN68.fullmatch(self.token):
            raise ValueError("a bearer token has letters, digits and any of -._~+/, and = at its end")

    @property
    def value(self) -> str:
        """The value of the header."""
        return f"Bearer {self.token}"


AuthLike: TypeAlias = BasicAuth | BearerAuth | tuple[str, str]


def as_auth(given: AuthLike | None) -> BasicAuth | BearerAuth | None:
    """Take what ``auth=`` may be: a pair is user and password.

    Raises:
        TypeError: it is something else.
    """
    if given is None or isinstance(given, BasicAuth | BearerAuth):
        return given
    if isinstance(given, tuple) and len(given) == 2:
        return BasicAuth(*given)
    raise TypeError(f"auth= is (user, password), a BasicAuth or a BearerAuth, not a {type(given).__name__}")
