"""HttpResponseDecoder: what servers answer to an HTTP/1.1 client."""

from __future__ import annotations

from .decoder import HttpDecoder
from .messages import ResponsePart


class HttpResponseDecoder(HttpDecoder[ResponsePart]):
    r"""bytes → ``InterimResponse``, ``Response``, ``Data``, ``End``, as a strict client reads them.

    Args:
        limits: how much one message may be.
        leniency: what is forgiven; nothing by default.

    Raises:
        HttpDecodeError: the bytes are no response, an ambiguous one, or one above a limit.
    """

    def expect(self, method: str) -> None:
        """Say that a request was sent: responses to HEAD have no body, whatever their headers say, and so on.

        Responses are read in the order of these calls.
        """
        raise NotImplementedError
