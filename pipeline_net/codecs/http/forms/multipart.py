r"""MultipartDecoder: the parts of a multipart body, as they arrive.

::

    preamble CRLF --boundary CRLF head CRLF CRLF content CRLF --boundary-- CRLF epilogue
    ────1─── ──────────2───────── ─────3──────── ───4─── ────────2──────── ─────5──────

RFC 2046 5.1.1: "Boundary string comparisons must compare the boundary value with the beginning of each candidate line.
An exact match of the entire candidate line is not required; it is sufficient that the boundary appear in its entirety
following the CRLF."  So a line that begins with the boundary and goes on otherwise than with blanks or ``--`` is a
boundary, and a wrong one: an error.  Programs that take it for content see other files in the same bytes.  Lines end
with CRLF, for the same reason.

``bytes.find`` looks for the boundary; it is linear in its worst case, too.  What is kept from one read to the next is
never more than a boundary, or the head of a part.

Source: RFC 2046, section 5.1; RFC 7578
"""

from __future__ import annotations

from typing import Final

from ..errors import HttpDecodeError
from .limits import FORM_LIMITS, FormLimits
from .messages import FormFieldData, FormFieldEnd, FormFieldPart, FormFieldStart
from .part_head import parse_part_head

_PREAMBLE: Final = 1
_AFTER_BOUNDARY: Final = 2
_HEAD: Final = 3
_CONTENT: Final = 4
_EPILOGUE: Final = 5

_MAX_BOUNDARY: Final = 70  # characters; RFC 2046 5.1.1
_MAX_BLANKS: Final = 64  # bytes of "transport padding" behind a boundary, which no transport adds any more
# bchars := DIGIT / ALPHA / "'()+_,-./:=?" and, inside, the blank.
_BOUNDARY_CHARS: Final = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-./:=? ")


def check_boundary(boundary: bytes) -> None:
    """Hold a boundary to its grammar.

    Raises:
        HttpDecodeError: status 400.
    """
    if not 1 <= len(boundary) <= _MAX_BOUNDARY or boundary.endswith(b" ") or not _BOUNDARY_CHARS.issuperset(boundary):
        raise HttpDecodeError(400, f"a boundary is 1 to 70 letters, digits and '()+_,-./:=?, not {boundary!r:.100}")


class MultipartDecoder:
    r"""bytes → the fields of a form, in parts::

        --b\r\nContent-Disposition: form-data; name="a"\r\n\r\nhello\r\n--b--\r\n
            -->  FormFieldStart("a")  FormFieldData(b"hello")  FormFieldEnd()

    ``feed()`` it what arrives, and ``finish()`` it at the end of the body.

    Raises:
        HttpDecodeError: status 413: above a limit, as soon as that is certain; 400: not well formed, or cut off.
    """

    def __init__(self, boundary: bytes, limits: FormLimits = FORM_LIMITS) -> None:
        check_boundary(boundary)
        self._delimiter = b"\r\n--" + boundary
        self._limits = limits
        self._state = _PREAMBLE
        # The first boundary needs no CRLF in front of it: there is one that never came.
        self._kept = b"\r\n"
        self._padding = -len(self._kept)  # bytes of preamble and epilogue so far
        self._is_file = False
        self._is_last = False  # the boundary ended with "--"
        self._size = 0  # of the content so far
        self._max_size = 0  # of this content
        self._fields = 0
        self._files = 0
        self._fields_size = 0

    def feed(self, data: bytes) -> list[FormFieldPart]:
        """Take some of the body; return what it completes."""
        parts: list[FormFieldPart] = []
        if self._kept:
            data = self._kept + data
            self._kept = b""
        at = 0
        while at >= 0:
            state = self._state
            if state == _CONTENT:
                at = self._content(data, at, parts)
            elif state == _AFTER_BOUNDARY:
                at = self._after_boundary(data, at)
            elif state == _HEAD:
                at = self._head(data, at, parts)
            elif state == _PREAMBLE:
                at = self._preamble(data, at)
            else:
                self._pad(len(data) - at)
                at = -1
        return parts

    def finish(self) -> list[FormFieldPart]:
        """The body has ended."""
        if self._state != _EPILOGUE and not (self._state == _AFTER_BOUNDARY and self._kept.rstrip(b" \t") == b"--"):
            raise HttpDecodeError(400, "a multipart body ended before its last boundary")
        return []

    # Each returns where it has come to, or -1 when it needs more; then it has kept what it needs.

    def _preamble(self, data: bytes, at: int) -> int:
        dashes = self._delimiter[2:]
        found = data.find(dashes, at)
        if found >= 0:
            if not data.endswith(b"\r\n", at, found):
                # Whoever takes a lone CR or LF for the end of a line sees parts here that we would pass over.
                raise HttpDecodeError(400, "the first boundary does not stand at the beginning of a line")
            self._pad(found - 2 - at)
            self._padding = max(self._padding, 0)
            self._state = _AFTER_BOUNDARY
            return found + len(dashes)
        end = max(at, len(data) - len(self._delimiter) + 1)
        self._pad(end - at)
        self._kept = data[end:]
        return -1

    def _after_boundary(self, data: bytes, at: int) -> int:
        end = data.find(b"\r\n", at, at + _MAX_BLANKS + 4)
        if end < 0:
            rest = data[at : at + _MAX_BLANKS + 4]
            if len(rest) >= _MAX_BLANKS + 4 or not _may_follow_boundary(rest.removesuffix(b"\r")):
                raise _bad_boundary(rest)
            self._kept = rest
            return -1
        rest = data[at:end]
        if not _may_follow_boundary(rest) or rest == b"-":
            raise _bad_boundary(rest)
        self._state = _EPILOGUE if rest.startswith(b"--") else _HEAD
        return end + 2

    def _head(self, data: bytes, at: int, parts: list[FormFieldPart]) -> int:
        limit = self._limits.max_part_head
        if data.startswith(b"\r\n", at):
            raise HttpDecodeError(400, "a part of a form has a Content-Disposition, and this one no header at all")
        end = data.find(b"\r\n\r\n", at, at + limit + 4)
        if end < 0:
            if len(data) - at >= limit + 4:
                raise HttpDecodeError(413, f"a part's head of more than {limit} bytes is over the limit")
            self._kept = data[at:]
            return -1
        self._begin(parse_part_head(data[at : end + 2]), parts)
        # The CRLF before a boundary may be the one that ends the head, when there is no content at all.
        return end + 2

    def _begin(self, start: FormFieldStart, parts: list[FormFieldPart]) -> None:
        limits = self._limits
        name_size = len(start.name.encode("utf-8"))
        if name_size > limits.max_name_size:
            raise HttpDecodeError(413, f"a name of {name_size} bytes is over the limit of {limits.max_name_size}")
        self._is_file = start.is_file
        self._size = -2  # the CRLF that ends the head
        if start.is_file:
            self._files += 1
            self._max_size = limits.max_file_size
            if self._files > limits.max_files:
                raise HttpDecodeError(413, f"a form of more than {limits.max_files} files is over the limit")
        else:
            self._fields += 1
            self._fields_size += name_size
            self._max_size = limits.max_field_size
            if self._fields > limits.max_fields:
                raise HttpDecodeError(413, f"a form of more than {limits.max_fields} fields is over the limit")
        self._state = _CONTENT
        parts.append(start)

    def _content(self, data: bytes, at: int, parts: list[FormFieldPart]) -> int:
        found = data.find(self._delimiter, at)
        end = found if found >= 0 else self._end_of_certain(data, at)
        self._take(data, at, end, parts)
        if found < 0:
            self._kept = data[end:]
            return -1
        parts.append(FormFieldEnd())
        self._state = _AFTER_BOUNDARY
        return found + len(self._delimiter)

    def _take(self, data: bytes, at: int, end: int, parts: list[FormFieldPart]) -> None:
        if self._size < 0 and end > at:  # its first two bytes end the head
            at += 2
            self._size = 0
        if end <= at:
            return
        self._size += end - at
        if self._size > self._max_size:
            what = "file" if self._is_file else "value"
            raise HttpDecodeError(413, f"a {what} of more than {self._max_size} bytes is over the limit")
        if not self._is_file:
            self._fields_size += end - at
            if self._fields_size > self._limits.max_fields_size:
                limit = self._limits.max_fields_size
                raise HttpDecodeError(413, f"fields of more than {limit} bytes are over the limit")
        parts.append(FormFieldData(data[at:end]))

    def _end_of_certain(self, data: bytes, at: int) -> int:
        """Find where a boundary may begin that has not come wholly: the end, if there is no such place."""
        found = data.find(b"\r", max(at, len(data) - len(self._delimiter) + 1))
        return found if found >= 0 else len(data)

    def _pad(self, size: int) -> None:
        self._padding += size
        if self._padding > self._limits.max_padding:
            limit = self._limits.max_padding
            raise HttpDecodeError(413, f"more than {limit} bytes before the first or after the last boundary")


def _may_follow_boundary(rest: bytes) -> bool:
    """Whether this, behind a boundary, is ``--`` and blanks, or the beginning of that."""
    return not rest.removeprefix(b"--").strip(b" \t") or rest == b"-"


def _bad_boundary(rest: bytes) -> HttpDecodeError:
    return HttpDecodeError(400, f"expected the end of the line or -- behind a boundary, not {rest!r:.100}")
