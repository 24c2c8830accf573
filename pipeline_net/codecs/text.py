"""Text and Base64: stages behind a framing, one message in, one message out.

All are shareable, for they keep nothing of a connection.  What is of another type than they are for passes untouched,
so that a handler may write ready-made bytes among its text.
"""

from __future__ import annotations

import base64
import binascii
import codecs
from typing import Any, ClassVar, Final

from .._mypyc import mypyc_attr, with_cause
from ..errors import CorruptedFrameError, EncodeError
from .base import MessageToMessageDecoder, MessageToMessageEncoder

_SHOWN: Final = 80  # characters of a text, in a complaint


@mypyc_attr(allow_interpreted_subclasses=True)
class StringDecoder(MessageToMessageDecoder[bytes, str]):
    r"""bytes → str; a frame is decoded as a whole, so no character is ever cut.

    ::

        +-------------+     +-----+
        | 6E C3 A4 68 | --> | näh |
        +-------------+     +-----+

    Raises:
        CorruptedFrameError: the bytes are no text in this encoding, and ``errors`` is ``"strict"``.
    """

    shareable: ClassVar[bool] = True

    def __init__(self, encoding: str = "utf-8", errors: str = "strict") -> None:
        _check_encoding(encoding, errors)
        self._encoding = encoding
        self._errors = errors

    def decode(self, ctx: Any, msg: Any) -> Any:
        if not isinstance(msg, (bytes, bytearray, memoryview)):
            return [msg]
        try:
            return str(msg, self._encoding, self._errors)
        except UnicodeError as exc:
            where = f"{exc.reason} at byte {exc.start}" if isinstance(exc, UnicodeDecodeError) else str(exc)
            raise with_cause(CorruptedFrameError(f"a frame is no {self._encoding} text: {where}"), exc) from exc


@mypyc_attr(allow_interpreted_subclasses=True)
class StringEncoder(MessageToMessageEncoder[str, bytes]):
    """str → bytes.

    Raises:
        EncodeError: the encoding has no bytes for a character, and ``errors`` is ``"strict"``.
    """

    shareable: ClassVar[bool] = True

    def __init__(self, encoding: str = "utf-8", errors: str = "strict") -> None:
        _check_encoding(encoding, errors)
        self._encoding = encoding
        self._errors = errors

    def encode(self, ctx: Any, msg: Any) -> Any:
        if not isinstance(msg, str):
            return [msg]
        try:
            return msg.encode(self._encoding, self._errors)
        except UnicodeError as exc:
            # Some encodings have no place to point at; idna has one from Python 3.13 on, which is a part of a name.
            if isinstance(exc, UnicodeEncodeError) and exc.encoding != "idna":
                error = EncodeError(f"{self._encoding} has no {msg[exc.start]!r}: {exc.reason}")
            else:
                error = EncodeError(f"{self._encoding} cannot hold {msg[:_SHOWN]!r}: {exc}")
            raise with_cause(error, exc) from exc


@mypyc_attr(allow_interpreted_subclasses=True)
class LineEncoder(StringEncoder):
    r"""str → bytes that end with ``separator``; what ``LineBasedFrameDecoder`` and ``StringDecoder`` read.

    ::

        +-----+     +-------+
        | GET | --> | GET\n |
        +-----+     +-------+

    Raises:
        EncodeError: the text has a line end inside, so that the peer would read two lines; or as for ``StringEncoder``.
    """

    def __init__(self, separator: str = "\n", encoding: str = "utf-8", errors: str = "strict") -> None:
        super().__init__(encoding, errors)
        if not separator:
            raise ValueError("separator must not be empty: a line would have no end")
        self._separator = separator
        # After \r\n a peer may well look for \n alone.
        self._forbidden = "\n" if separator == "\r\n" else separator
        self._is_one = len(self._forbidden) == 1

    def encode(self, ctx: Any, msg: Any) -> Any:
        if not isinstance(msg, str):
            return [msg]
        line = msg + self._separator
        # Nor may one of several characters begin in the text and end in the separator, as with "a\n" and "\n\n".
        if self._forbidden in msg if self._is_one else line.index(self._forbidden) < len(msg):
            raise EncodeError(f"a line must not have {self._forbidden!r} inside, but {msg!r} has")
        return super().encode(ctx, line)


@mypyc_attr(allow_interpreted_subclasses=True)
class Base64Decoder(MessageToMessageDecoder[bytes, bytes]):
    """Base64 → bytes, a frame at a time.  Source: RFC 4648, sections 4 and (``urlsafe``) 5.

    Raises:
        CorruptedFrameError: the frame has other characters than the alphabet's 64, or wrong padding.
    """

    shareable: ClassVar[bool] = True

    def __init__(self, *, urlsafe: bool = False) -> None:
        self._urlsafe = urlsafe

    def decode(self, ctx: Any, msg: Any) -> Any:
        if not isinstance(msg, (bytes, bytearray, memoryview)):
            return [msg]
        data = bytes(msg)
        if self._urlsafe and (b"+" in data or b"/" in data):
            raise CorruptedFrameError("a frame is no URL-safe Base64: it has + or / inside")
        try:
            return base64.b64decode(data, b"-_" if self._urlsafe else None, validate=True)
        except binascii.Error as exc:
            raise with_cause(CorruptedFrameError(f"a frame is no Base64: {exc}"), exc) from exc


@mypyc_attr(allow_interpreted_subclasses=True)
class Base64Encoder(MessageToMessageEncoder[bytes, bytes]):
    """bytes → Base64, padded and without line breaks.  Source: RFC 4648, sections 4 and (``urlsafe``) 5."""

    shareable: ClassVar[bool] = True

    def __init__(self, *, urlsafe: bool = False) -> None:
        self._urlsafe = urlsafe

    def encode(self, ctx: Any, msg: Any) -> Any:
        if not isinstance(msg, (bytes, bytearray, memoryview)):
            return [msg]
        return base64.b64encode(msg, b"-_" if self._urlsafe else None)


def _check_encoding(encoding: str, errors: str) -> None:
    try:
        "".encode(encoding)
    except LookupError:
        raise ValueError(f"encoding must be one for text that Python knows, but is {encoding!r}") from None
    try:
        codecs.lookup_error(errors)
    except LookupError:
        raise ValueError(f"errors must name an error handler, but is {errors!r}") from None
