"""The head of a response as applications write it, and as it may travel."""

from __future__ import annotations

from typing import Any, Final

from ..codecs.http.headers import HAS_CODING, HAS_CONNECTION, HAS_LENGTH, SAYS_CLOSE, Headers
from ..errors import EncodeError

BODYLESS: Final = (204, 205, 304)  # final responses without a body, whatever the request was


def tidy_head(status: Any, pairs: Any) -> Headers:
    """Make headers of what an application gave, and leave out what is the server's affair.

    Frameworks are known to send a Content-Length with a 204.  That is set right here, rather than refused: whoever
    runs the application has usually not written it.

    Raises:
        EncodeError: a status that is no final one, or a name or value that cannot travel.
    """
    if not isinstance(status, int) or not 200 <= status <= 999:
        raise EncodeError(f"the status of a response is a number from 200 to 999, not {status!r}")
    headers = Headers(pairs)
    facts = headers.facts()
    if facts & HAS_CODING:
        # ASGI: "You may send a Transfer-Encoding header in this message, but the server must ignore it."
        headers.discard("transfer-encoding")
    if facts & HAS_CONNECTION and not facts & SAYS_CLOSE:
        headers.discard("connection")  # whether the connection stays is for the server to say
    if facts & HAS_LENGTH and status in (204, 205):
        headers.discard("content-length")
    return headers
