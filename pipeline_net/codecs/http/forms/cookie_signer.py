"""CookieSigner: cookies that the browser keeps and only the server can have written.

::

    aMOpbGxvCg.1732770000.k3J…      base64url(value) . seconds since 1970 . base64url(HMAC-SHA256)

The code covers the name too, so that a value cannot be moved to another cookie, and the time, so that it can grow old.
Anybody can read the value: it is signed, not encrypted.  Nothing here can take back one cookie; for that, keep what is
valid on the server.
"""

from __future__ import annotations

import binascii
import time
from collections.abc import Callable, Sequence
from typing import Final

_MIN_KEY: Final = 16  # bytes
_MAX_TEXT: Final = 8192  # characters; more is in no cookie


class CookieSigner:
    """Signs the values of cookies, and tells those that it has signed from all others.

    Args:
        keys: the first one signs; all of them are believed.  To change keys, put a new one in front, and take the last
            one away when all cookies signed with it are too old.  32 bytes of ``secrets.token_bytes`` are right.
        clock: what time it is, in seconds since 1970.

    Raises:
        ValueError: no key, or one of less than 16 bytes.
    """

    def __init__(self, keys: Sequence[bytes], *, clock: Callable[[], float] = time.time) -> None:
        if not keys or not all(isinstance(key, bytes) and len(key) >= _MIN_KEY for key in keys):
            raise ValueError(f"a signer wants a list of keys, each of at least {_MIN_KEY} bytes")
        self._keys = tuple(keys)
        self._clock = clock

    def sign(self, name: str, value: str) -> str:
        """Return what to give to ``SetCookie(name, …)``; ``value`` may be any text."""
        payload = f"{_encode(value.encode('utf-8'))}.{int(self._clock())}"
        return f"{payload}.{_code(self._keys[0], name, payload)}"

    def unsign(self, name: str, text: str | None, *, max_age: float) -> str | None:
        """Return the value that was signed; None if this signer has not, or longer than ``max_age`` seconds ago."""
        import hmac  # here, for it brings OpenSSL along

        if text is None or len(text) > _MAX_TEXT or not text.isascii():
            return None
        payload, _, code = text.rpartition(".")
        encoded, _, signed_at = payload.rpartition(".")
        # Every key is tried, so that the time tells nothing about which one it was.
        matches = [hmac.compare_digest(_code(key, name, payload), code) for key in self._keys]
        if not any(matches) or not 0 <= self._clock() - int(signed_at) <= max_age:
            return None
        return binascii.a2b_base64(encoded.translate(_FROM_URL) + "=" * (-len(encoded) % 4)).decode("utf-8")

    def __repr__(self) -> str:
        return f"<CookieSigner with {len(self._keys)} keys>"


_TO_URL: Final = str.maketrans("+/", "-_")
_FROM_URL: Final = str.maketrans("-_", "+/")


def _encode(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii").rstrip("=").translate(_TO_URL)


def _code(key: bytes, name: str, payload: str) -> str:
    import hmac  # here, for it brings OpenSSL along

    # The name's length goes first, so that no two pairs of name and payload read the same.
    raw_name = name.encode("utf-8")
    message = b"%d:%b=%b" % (len(raw_name), raw_name, payload.encode("ascii"))
    return _encode(hmac.digest(key, message, "sha256"))
