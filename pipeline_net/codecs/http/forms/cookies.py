"""Cookies: what a browser sends back.

RFC 6265 5.4: "servers SHOULD NOT rely upon the serialization order", though browsers send those with longer paths
first; so of several with one name the first one counts, which is the most specific.  What is no cookie is passed over:
browsers send what scripts have set, and no page should break because of that.

Source: RFC 6265, sections 4.2 and 5.4
"""

from __future__ import annotations

from typing import Final

from ..errors import HttpDecodeError
from ..messages import Request
from .fields import Fields

_MAX_COOKIES: Final = 180  # what browsers keep for one site


class Cookies(Fields):
    """The cookies of a request: ``Cookies.of(request)["session"]``.

    Quotation marks around a value are taken off.  Several cookies of one name are there all, the first in front.
    """

    @classmethod
    def of(cls, request: Request, *, max_cookies: int = _MAX_COOKIES) -> Cookies:
        """Read the Cookie headers of a request.

        Raises:
            HttpDecodeError: status 431: there are more than ``max_cookies``.
        """
        pairs: list[tuple[str, str]] = []
        for line in request.headers.get_all("cookie"):
            for piece in line.split(";"):
                name, equals, value = piece.partition("=")
                name, value = name.strip(" \t"), value.strip(" \t")
                if not equals or not name:
                    continue
                if len(pairs) == max_cookies:
                    raise HttpDecodeError(431, f"more than {max_cookies} cookies are over the limit")
                if len(value) >= 2 and value[0] == '"' == value[-1]:
                    value = value[1:-1]
                pairs.append((_as_text(name), _as_text(value)))
        return cls(pairs)


def _as_text(latin: str) -> str:
    """Headers are bytes, and scripts set cookies in UTF-8."""
    return latin if latin.isascii() else latin.encode("latin-1").decode("utf-8", "replace")
