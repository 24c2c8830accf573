"""Which responses are worth compressing, and what their headers become.

Source: RFC 9110, sections 8.4, 8.8.3, 12.5.5, 14.3 and 15.4.5; RFC 9111, section 5.2.2.6 (no-transform)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ..headers import Headers
from ..messages import Response

# Types beside text/… whose bytes are not compressed already.
_NAMES: Final = (
    "application/atom+xml application/dash+xml application/ecmascript application/javascript application/json"
    " application/ld+json application/manifest+json application/rss+xml application/rtf application/sql"
    " application/vnd.ms-fontobject application/wasm application/x-javascript application/x-ndjson application/x-sh"
    " application/xhtml+xml application/xml application/yaml font/otf font/ttf image/bmp image/svg+xml image/x-icon"
    " image/vnd.microsoft.icon message/rfc822 model/gltf+json"
)
_TYPES: Final = frozenset(_NAMES.split())
_SUFFIXES: Final = ("+json", "+xml", "+text", "+yaml")

# Said of the bytes that travel, and no longer true of others (RFC 9530; RFC 1864; RFC 9110 14.3: parts of what we make
# on the way cannot be asked for).
_NO_LONGER_TRUE: Final = ("accept-ranges", "content-digest", "repr-digest", "digest", "content-md5")
_WITHOUT_BODY: Final = frozenset((101, 204, 205))

_TAG: Final = re.compile(r'(?:W/)?"[^"]*"')


def is_compressible(media_type: str) -> bool:
    """Whether bodies of a media type get smaller: text does; pictures, films and archives are compressed already."""
    return media_type.startswith("text/") or media_type in _TYPES or media_type.endswith(_SUFFIXES)


def is_eligible(response: Response, headers: Headers, method: str, is_wanted: Callable[[str], bool]) -> bool:
    """Whether a response, or the one that a 304 stands for, may be compressed for a client that would like it."""
    if response.status in _WITHOUT_BODY or response.status == 206 or method == "CONNECT":
        return False
    if "content-range" in headers or (headers.get("content-encoding") or "identity") != "identity":
        return False
    if headers.has_token("cache-control", "no-transform"):
        return False
    media_type = headers.get("content-type")
    if response.status == 304 and media_type is None:
        return True  # it need not say the type; and better a Vary too many than one too few
    return is_wanted((media_type or "").partition(";")[0].strip(" \t").lower())


def varied(headers: Headers) -> Headers:
    """Return a copy that tells caches that Accept-Encoding has been looked at."""
    headers = headers.copy()
    vary = headers.get("vary")
    if not vary:
        headers["vary"] = "accept-encoding"
    elif "*" not in vary and not headers.has_token("vary", "accept-encoding"):
        headers["vary"] = f"{vary}, accept-encoding"
    return headers


def encoded(headers: Headers, coding: str) -> Headers:
    """Change the headers to those of the body in ``coding``, without a length.

    RFC 9110 8.8.1: a strong validator changes with every change of the bytes, "such as … a change to the content
    coding"; so it becomes a weak one.
    """
    headers.discard("content-encoding")
    headers.discard("content-length")
    for name in _NO_LONGER_TRUE:
        headers.discard(name)
    _weaken_etag(headers)
    headers.add("content-encoding", coding)
    return headers


def revalidated(headers: Headers, none_match: str | None) -> Headers:
    """Change the headers of a 304 to those of a client that has the compressed body, if it says so in If-None-Match.

    RFC 9110 15.4.5: a 304 has the ETag "that would have been sent in a 200 (OK) response to the same request"; under a
    strong one, a cache would not find what it has stored under the weak one (RFC 9111 4.3.4).
    """
    etag = headers.get("etag")
    if etag is not None and f"W/{etag}" in _TAG.findall(none_match or ""):
        _weaken_etag(headers)
    return headers


def _weaken_etag(headers: Headers) -> None:
    etag = headers.get("etag")
    if etag is not None and not etag.startswith("W/"):
        headers["etag"] = f"W/{etag}"
