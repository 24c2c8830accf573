"""HttpDecoder: what request and response decoders share: header lines, bodies, chunks, trailers."""

from __future__ import annotations

from typing import Generic

from typing_extensions import TypeVar

from ..._mypyc import mypyc_attr
from ..base import ByteToMessageDecoder
from .options import LIMITS, STRICT, Leniency, Limits

P = TypeVar("P", covariant=True)


@mypyc_attr(allow_interpreted_subclasses=True)
class HttpDecoder(ByteToMessageDecoder[P], Generic[P]):
    """bytes → a head, ``Data``, ``End``."""

    def __init__(self, *, limits: Limits = LIMITS, leniency: Leniency = STRICT) -> None:
        self._limits = limits
        self._leniency = leniency
