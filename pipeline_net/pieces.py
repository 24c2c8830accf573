"""What an encoder may return: something that can be sent, or a list of it."""

from __future__ import annotations

import reprlib
from typing import Any, Final

from .errors import EncodeError
from .file_region import FileRegion

_SENDABLE: Final = (bytes, bytearray, memoryview, FileRegion)


def check_pieces(pieces: list[Any], encoder: object) -> None:
    """Look at each piece before the first is written: a message that is half sent would be worse than none.

    Raises:
        EncodeError: one of them cannot be sent.
    """
    for number, piece in enumerate(pieces):
        if not isinstance(piece, _SENDABLE):
            where = f"piece {number} of the list that" if len(pieces) > 1 else "what"
            raise EncodeError(
                f"{where} {type(encoder).__name__}.encode returned is {reprlib.repr(piece)}, which is no bytes"
                f" but {type(piece).__name__}: encode returns bytes, or a list of them"
                + (", also for what it is given as bytes, which it returns as they are" if piece is None else "")
            )
