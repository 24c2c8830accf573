"""Numbers on the wire, one after the other and nothing between them."""

from __future__ import annotations

from typing import Final

from .._mypyc import i64, mypyc_attr, with_cause
from ..buffer import ReceiveBuffer
from ..errors import EncodeError
from .base import ByteToMessageDecoder, MessageToByteEncoder

_WIDEST: Final = 64  # bytes; whoever needs more is not counting


@mypyc_attr(allow_interpreted_subclasses=True)
class BytesToIntegers(ByteToMessageDecoder[int]):
    r"""bytes → int, each of ``width`` bytes.

    ::

        width 2
        +-------+-------+     +---+ +-----+
        | 00 05 | 01 00 | --> | 5 | | 256 |
        +-------+-------+     +---+ +-----+
    """

    def __init__(self, width: int = 4, *, signed: bool = False, byte_order: str = "big") -> None:
        _check(width, byte_order)
        self._width: i64 = width
        self._with_sign = signed
        self._little = byte_order == "little"

    def decode(self, buffer: ReceiveBuffer) -> int | None:
        if buffer.left < self._width:
            return None
        return int.from_bytes(buffer.take(self._width), "little" if self._little else "big", signed=self._with_sign)


@mypyc_attr(allow_interpreted_subclasses=True)
class IntegersToBytes(MessageToByteEncoder[int]):
    r"""int → ``width`` bytes; what ``BytesToIntegers`` reads.

    Raises:
        EncodeError: the number does not fit.
    """

    def __init__(self, width: int = 4, *, signed: bool = False, byte_order: str = "big") -> None:
        _check(width, byte_order)
        self._width = width
        self._with_sign = signed
        self._little = byte_order == "little"

    def encode(self, msg: int) -> bytes:
        try:
            return msg.to_bytes(self._width, "little" if self._little else "big", signed=self._with_sign)
        except OverflowError as exc:
            kind = "signed" if self._with_sign else "unsigned"
            error = EncodeError(f"{msg} does not fit into {self._width} {kind} bytes")
            raise with_cause(error, exc) from exc


def _check(width: int, byte_order: str) -> None:
    if not 0 < width <= _WIDEST:
        raise ValueError(f"width must be from 1 to {_WIDEST}, but is {width}")
    if byte_order not in ("big", "little"):
        raise ValueError(f'byte_order must be "big" or "little", but is {byte_order!r}')
