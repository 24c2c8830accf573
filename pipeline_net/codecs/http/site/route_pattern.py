"""RoutePattern: ``/notes/{number:int}``, taken apart into segments; and a path that came, taken apart the same way.

::

    /notes/{number:int}/{name}    an int, a str          one segment each
    /files/{where:path}           a path                 all that follow, at least one; last in the pattern

A path is split at its slashes first, and each segment is percent-decoded after that, so ``%2F`` is a character of a
segment and never a border between two.  RFC 3986 7.3: "… a URI must be separated into its components and subcomponents
before the percent-encoded octets … are decoded".

Source: RFC 3986, sections 2.1, 3.3 and 5.2.4
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

from ...._mypyc import with_cause

STR: Final = "str"
INT: Final = "int"
PATH: Final = "path"

_MAX_DIGITS: Final = 18  # what fits into 64 bits whatever the digits are; no database key has more
_HEX: Final = frozenset("0123456789abcdefABCDEF")


class RoutePattern:
    """A path with places in it.

    ``segments`` are the texts between the slashes, each ``(kind, text)``: ``""`` and the text itself, or the kind of a
    place (``str``, ``int``, ``path``) and its name.

    Raises:
        ValueError: it does not begin with a slash; a segment is empty, a dot segment or half a place; the name of a
            place is none, or is there twice; a kind is unknown; something follows a ``path``.
    """

    def __init__(self, pattern: str) -> None:
        if not pattern.startswith("/"):
            raise ValueError(f"a route begins with a slash, and so cannot be {pattern!r}")
        self.text: Final = pattern
        pieces = pattern[1:].split("/")
        self.ends_with_slash: Final = pieces[-1] == ""
        if self.ends_with_slash:
            pieces.pop()
        self.segments: Final = tuple(_segment_of(piece, pattern) for piece in pieces)
        self.names: Final = tuple(name for kind, name in self.segments if kind)
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"a name stands twice in the route {pattern!r}")
        if any(kind == PATH for kind, _ in self.segments[:-1]) or (self.ends_with_slash and self.has_path):
            raise ValueError(f"a path takes all that follows, so nothing can follow it in the route {pattern!r}")

    @property
    def has_path(self) -> bool:
        """Whether its last place takes all the segments that are left."""
        return bool(self.segments) and self.segments[-1][0] == PATH

    def __repr__(self) -> str:
        return f"RoutePattern({self.text!r})"


def _segment_of(piece: str, pattern: str) -> tuple[str, str]:
    if not piece.startswith("{") and not piece.endswith("}"):
        if piece in ("", ".", "..") or "{" in piece or "}" in piece:
            raise ValueError(f"{piece!r} cannot be a segment of the route {pattern!r}")
        if piece.startswith(("<", ":")):  # as in Flask, and in Express
            raise ValueError(f"a place is {{name}} or {{name:kind}}, not {piece!r} as in the route {pattern!r}")
        if any(mark in piece for mark in "%?#"):
            raise ValueError(f"a route is written as it reads when decoded, without {piece!r}: {pattern!r}")
        return "", piece
    name, colon, kind = piece[1:-1].partition(":")
    if piece[0] != "{" or piece[-1] != "}" or not name.isidentifier():
        raise ValueError(f"a place is {{name}} or {{name:kind}}, not {piece!r} as in the route {pattern!r}")
    if colon and kind not in (STR, INT, PATH):
        raise ValueError(f"a place is of the kind str, int or path, not {kind!r} as in the route {pattern!r}")
    return kind or STR, name


class MalformedPathError(ValueError):
    """A path that came is none that anybody should look up: see ``split_path``."""


def split_path(path: str) -> list[str]:
    """Take ``/notes/a%20b`` apart into decoded segments: ``["notes", "a b"]``; a slash at the end makes an empty one.

    Raises:
        MalformedPathError: a percent sign without two hexadecimal digits; octets that are no UTF-8; a NUL; a segment
            that is ``.`` or ``..``, which a client resolves before it asks (RFC 3986 5.2.4), and a server that passes
            them on gives files away.
    """
    segments = path[1:].split("/")
    if "%" in path:
        segments = [_decoded(segment) if "%" in segment else segment for segment in segments]
    if "." in segments or ".." in segments:
        raise MalformedPathError(f"the path has a dot segment: {path!r}")
    return segments


def _decoded(segment: str) -> str:
    for piece in segment.split("%")[1:]:
        if len(piece) < 2 or piece[0] not in _HEX or piece[1] not in _HEX:
            raise MalformedPathError(f"a percent sign is followed by two hexadecimal digits, and not as in {segment!r}")
    try:
        text = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError as exc:
        error = MalformedPathError(f"a path is UTF-8 when it is decoded, which {segment!r} is not")
        raise with_cause(error, exc) from exc
    if "\0" in text:
        raise MalformedPathError(f"no path has a NUL in it, as {segment!r} has")
    return text


def is_below(path: str, beginnings: tuple[str, ...]) -> bool:
    """Whether a path begins with one of ``beginnings``, and nobody could read it as one that does not: for rules that
    leave paths out, which ``/open/../closed``, ``/open/..%2Fclosed`` and ``/open/..;/closed`` must not slip through.
    """
    if not path.startswith(beginnings):
        return False
    try:
        segments = split_path(path)
    except MalformedPathError:
        return False
    # Some take what stands behind a semicolon for a parameter, and then see dots.
    return not any(
        "/" in segment or "\\" in segment or segment.partition(";")[0] in (".", "..") for segment in segments
    )


def number_of(segment: str) -> int:
    """Read the digits of an ``int``; -1 if it is none."""
    if len(segment) > _MAX_DIGITS or not (segment.isascii() and segment.isdigit()):
        return -1
    return int(segment)


def rest_of(segments: list[str], start: int) -> str | None:
    """Join what a ``path`` takes; ``None`` for what would mean something else once it is joined: a segment that has a
    slash or is empty (a path that begins with a slash is absolute), unless it is the last.
    """
    rest = segments[start:]
    if not rest or not rest[0] or any(not segment for segment in rest[:-1]) or any("/" in segment for segment in rest):
        return None
    return "/".join(rest)
