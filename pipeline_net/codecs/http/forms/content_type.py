"""Which decoder reads the body of a request, by its Content-Type."""

from __future__ import annotations

from typing import TypeAlias

from ..errors import HttpDecodeError
from ..messages import Request
from .limits import FormLimits
from .multipart import MultipartDecoder
from .part_head import parse_parameters
from .urlencoded import UrlencodedDecoder

FormDecoder: TypeAlias = MultipartDecoder | UrlencodedDecoder


def decoder_for(request: Request, limits: FormLimits) -> FormDecoder | None:
    """Return the decoder for the form that ``request`` brings; None if it brings something else.

    Raises:
        HttpDecodeError: status 400: Content-Type is there twice, or its boundary is none; 415: the form is compressed,
            or its charset is not UTF-8.
    """
    types = request.headers.get_all("content-type")
    if len(types) > 1:
        raise HttpDecodeError(400, f"expected one Content-Type, not {len(types)}")
    kind = types[0].partition(";")[0].strip(" \t").lower() if types else ""
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return None
    encoding = request.headers.get("content-encoding")
    if encoding is not None and encoding.lower() != "identity":
        raise HttpDecodeError(415, f"expected a form as it is, not in the encoding {encoding!r:.100}")
    _, parameters = parse_parameters(types[0].encode("latin-1"))
    charset = parameters.get(b"charset", b"utf-8")
    if charset.lower() not in (b"utf-8", b"utf8"):
        raise HttpDecodeError(415, f"expected a form in UTF-8, not in {charset!r:.100}")
    if kind == "multipart/form-data":
        if b"boundary" not in parameters:
            raise HttpDecodeError(400, f"multipart/form-data has a boundary, and {types[0]!r:.100} has none")
        return MultipartDecoder(parameters[b"boundary"], limits)
    return UrlencodedDecoder(limits)
