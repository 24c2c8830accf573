"""``a=1&b=two+words``: queries, and forms that are sent like them.

RFC 3986 2.1 knows ``%`` only before two hexadecimal digits.  Browsers forgive others and leave them as they are; so
two programs may read two different values out of the same bytes.  Here that is an error, and so are bytes that are no
UTF-8; who wants what browsers do says ``strict=False``.

Source: the URL Standard, section 5, "application/x-www-form-urlencoded"; RFC 3986
"""

from __future__ import annotations

from typing import Final

from ..errors import HttpDecodeError
from ..grammar import HEX
from .fields import Fields, FieldsLike
from .limits import FORM_LIMITS, FormLimits
from .messages import FormFieldData, FormFieldEnd, FormFieldPart, FormFieldStart

_MAX_QUERY_FIELDS: Final = 1000
_MAX_QUERY_SIZE: Final = 8192  # bytes; http.Limits.max_start_line


class Query(Fields):
    """What stands behind the question mark, taken apart; ``str(query)`` puts it together again."""

    def __str__(self) -> str:
        return build_query(self)


def parse_query(
    query: str, *, strict: bool = True, max_fields: int = _MAX_QUERY_FIELDS, max_size: int = _MAX_QUERY_SIZE
) -> Query:
    """Take ``request.query`` apart: ``parse_query("a=1&b=x+y")["b"] == "x y"``.

    Args:
        query: as it came, without its question mark.
        strict: whether a ``%`` without two hexadecimal digits, or text that is no UTF-8, is an error.
        max_fields: pairs, at most.
        max_size: bytes, at most.

    Raises:
        HttpDecodeError: status 400: it is not well formed; 414: it is above a limit.
    """
    raw = query.encode("utf-8", "surrogateescape")
    if len(raw) > max_size:
        raise HttpDecodeError(414, f"a query of {len(raw)} bytes is over the limit of {max_size}")
    pairs = [pair for pair in raw.split(b"&") if pair]
    if len(pairs) > max_fields:
        raise HttpDecodeError(414, f"a query of more than {max_fields} fields is over the limit")
    return Query([_decode_pair(pair, strict) for pair in pairs])


def build_query(fields: FieldsLike) -> str:
    """Put a query, or the body of a form, together: ``build_query({"b": "x y"}) == "b=x+y"``."""
    from urllib.parse import urlencode  # here, for it brings a good deal along, and servers seldom build queries

    return urlencode(Fields(fields).items())


def _decode_pair(pair: bytes, strict: bool) -> tuple[str, str]:
    name, _, value = pair.partition(b"=")
    return _as_text("the name of a field", form_decode(name, strict), strict), _as_text(
        "the value of a field", form_decode(value, strict), strict
    )


def _as_text(what: str, raw: bytes, strict: bool) -> str:
    try:
        return raw.decode("utf-8", "strict" if strict else "replace")
    except UnicodeDecodeError as exc:
        raise HttpDecodeError(400, f"{what} is no UTF-8: {raw!r:.100}") from exc


def form_decode(raw: bytes, strict: bool = True) -> bytes:
    """Replace ``+`` by a blank, and ``%41`` by the byte that it stands for; raises like ``percent_decode``."""
    return percent_decode(raw.replace(b"+", b" "), strict)


def percent_decode(raw: bytes, strict: bool = True) -> bytes:
    """Replace ``%41`` by the byte that it stands for.

    Raises:
        HttpDecodeError: ``strict``, and a ``%`` stands before something else.
    """
    first, *others = raw.split(b"%")
    pieces = [first]
    for other in others:
        digits = other[:2]
        if len(digits) == 2 and HEX[digits[0]] < 16 and HEX[digits[1]] < 16:
            pieces += (bytes((HEX[digits[0]] * 16 + HEX[digits[1]],)), other[2:])
        elif strict:
            raise HttpDecodeError(400, f"expected two hexadecimal digits behind %, not {digits!r}")
        else:
            pieces += (b"%", other)
    return b"".join(pieces)


class UrlencodedDecoder:
    """bytes → the fields of a form, each when it is complete::

        a=1&b=x+y  -->  FormFieldStart("a")  FormFieldData(b"1")  FormFieldEnd()  FormFieldStart("b")  …

    ``feed()`` it what arrives, and ``finish()`` it at the end of the body.

    Raises:
        HttpDecodeError: status 413: above a limit, as soon as that is certain; 400: not well formed.
    """

    def __init__(self, limits: FormLimits = FORM_LIMITS) -> None:
        self._limits = limits
        self._pair = bytearray()  # whose end has not come
        self._name_is_here = False  # its "=" has come
        self._fields = 0
        self._fields_size = 0
        # Each byte may take three on the wire.
        self._max_pair = 3 * (limits.max_name_size + limits.max_field_size) + 1

    def feed(self, data: bytes) -> list[FormFieldPart]:
        """Take some of the body; return what it completes."""
        parts: list[FormFieldPart] = []
        while b"&&" in data:  # nothing in between is no field: no limit would count it, and each would take its time
            data = data.replace(b"&&", b"&")
        first, *others = data.split(b"&")
        self._grow(first)
        for other in others:
            self._complete(parts)
            self._grow(other)
        return parts

    def finish(self) -> list[FormFieldPart]:
        """The body has ended; return what that completes."""
        parts: list[FormFieldPart] = []
        self._complete(parts)
        return parts

    def _grow(self, piece: bytes) -> None:
        pair = self._pair
        if len(pair) + len(piece) > self._max_pair:
            raise HttpDecodeError(413, f"a field of more than {self._max_pair} encoded bytes is over the limit")
        start = len(pair)
        pair += piece
        if not self._name_is_here:
            self._name_is_here = pair.find(b"=", start) >= 0
            if not self._name_is_here and len(pair) > 3 * self._limits.max_name_size:
                raise HttpDecodeError(413, f"a name of more than {self._limits.max_name_size} bytes is over the limit")

    def _complete(self, parts: list[FormFieldPart]) -> None:
        pair = bytes(self._pair)
        self._pair = bytearray()
        self._name_is_here = False
        if not pair:
            return
        limits = self._limits
        self._fields += 1
        if self._fields > limits.max_fields:
            raise HttpDecodeError(413, f"a form of more than {limits.max_fields} fields is over the limit")
        raw_name, _, raw_value = pair.partition(b"=")
        name, value = form_decode(raw_name), form_decode(raw_value)
        if len(name) > limits.max_name_size:
            raise HttpDecodeError(413, f"a name of {len(name)} bytes is over the limit of {limits.max_name_size}")
        if len(value) > limits.max_field_size:
            raise HttpDecodeError(413, f"a value of {len(value)} bytes is over the limit of {limits.max_field_size}")
        self._fields_size += len(name) + len(value)
        if self._fields_size > limits.max_fields_size:
            raise HttpDecodeError(413, f"fields of more than {limits.max_fields_size} bytes are over the limit")
        if b"\0" in name:
            raise HttpDecodeError(400, f"the name of a field has a NUL: {name!r:.100}")
        parts.append(FormFieldStart(_as_text("the name of a field", name, True)))
        if value:
            parts.append(FormFieldData(value))
        parts.append(FormFieldEnd())
