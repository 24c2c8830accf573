"""JSON: cut out of a stream of bytes, turned into objects, and back.

A stream of JSON texts needs no framing of its own, for brackets say where each ends.  Finding them takes counting
brackets outside of strings, nothing more: whether what is between them is valid is for the parser to say.

Source: RFC 8259, sections 2 (whitespace, brackets) and 7 (strings).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from .._mypyc import i64, mypyc_attr, with_cause
from ..buffer import ReceiveBuffer
from ..errors import CorruptedFrameError, DecodeError, EncodeError, FrameTooLongError
from .base import ByteToMessageDecoder, MessageToByteEncoder, MessageToMessageDecoder

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext

_HIGHEST_LIMIT: Final = 2**62  # bytes; positions are 64-bit

_QUOTE: Final = 0x22
_COMMA: Final = 0x2C
_BACKSLASH: Final = 0x5C
_OPEN_ARRAY: Final = 0x5B
_CLOSE_ARRAY: Final = 0x5D
_OPEN_OBJECT: Final = 0x7B
_CLOSE_OBJECT: Final = 0x7D
_SPACE: Final = 0x20
_TAB: Final = 0x09
_LF: Final = 0x0A
_CR: Final = 0x0D

# Where in the stream we are.
_BETWEEN: Final = 0  # texts: whitespace, or a text begins
_FIRST: Final = 1  # behind the [ of an array that is delivered element by element: an element, or its end
_ELEMENT: Final = 2  # behind its comma: an element
_AFTER: Final = 3  # behind an element: a comma, or the end of the array
_NESTED: Final = 4  # in an object or an array
_STRING: Final = 5  # in a string, inside or instead of one
_ESCAPE: Final = 6  # in a string, behind a backslash
_SCALAR: Final = 7  # in a number or a word that is an element


@mypyc_attr(allow_interpreted_subclasses=True)
class JsonObjectDecoder(ByteToMessageDecoder[bytes]):
    r"""bytes → bytes, one JSON object or array each; whitespace around them is dropped.

    ::

        +--------------------+     +---------+ +-------+
        | {"a":1} [2,\n3]  … | --> | {"a":1} | | [2,3] |        (the newline inside stays)
        +--------------------+     +---------+ +-------+

        stream_array: arrays are delivered element by element, as they come
        +-------------------+     +-------+ +---------+ +---+
        | [1, {"a":2}, [] ] | --> |   1   | | {"a":2} | | [] |
        +-------------------+     +-------+ +---------+ +---+

    Args:
        max_length: bytes of the longest text, or of the longest element.

    Raises:
        FrameTooLongError: before more than ``max_length`` bytes are buffered; the next text, or element, is delivered
            again.
        CorruptedFrameError: something else begins where an object or an array must, or an element is missing.
    """

    def __init__(self, max_length: int, *, stream_array: bool = False) -> None:
        if not 0 < max_length <= _HIGHEST_LIMIT:
            raise ValueError(f"max_length must be from 1 to {_HIGHEST_LIMIT}, but is {max_length}")
        self._max_length: i64 = max_length
        self._stream_array = stream_array
        self._state: i64 = _BETWEEN
        self._depth: i64 = 0  # open brackets of the text that is being read
        self._in_array = False  # the text is an element of an array
        self._length: i64 = 0  # bytes of the text so far
        self._overlong = False  # it is being discarded
        # The text so far.  What has been scanned leaves the buffer, so that each byte is looked at once.
        self._begun = bytearray()

    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        data = buffer.data
        start: i64 = buffer.pos
        end: i64 = start + buffer.left
        begin: i64 = start  # of the text, as far as it is in data
        at: i64 = start
        state: i64 = self._state
        while at < end:
            byte: i64 = data[at]
            at += 1
            if state == _STRING:
                if byte == _QUOTE:
                    state = _NESTED
                    if self._depth == 0:
                        return self._complete(buffer, begin - start, at - start, at - start, _AFTER)
                elif byte == _BACKSLASH:
                    state = _ESCAPE
            elif state == _ESCAPE:
                state = _STRING
            elif state == _NESTED:
                if byte == _QUOTE:
                    state = _STRING
                elif byte in (_OPEN_OBJECT, _OPEN_ARRAY):
                    self._depth += 1
                elif byte in (_CLOSE_OBJECT, _CLOSE_ARRAY):
                    self._depth -= 1
                    if self._depth == 0:
                        return self._complete(buffer, begin - start, at - start, at - start, _AFTER)
            elif state == _SCALAR:
                if byte in (_COMMA, _CLOSE_ARRAY, _SPACE, _LF, _CR, _TAB):
                    after = self._after(byte)
                    return self._complete(buffer, begin - start, at - 1 - start, at - start, after)
            elif byte in (_SPACE, _LF, _CR, _TAB):
                continue
            else:
                begin = at - 1
                state = self._begin(byte, state)
        self._state = state
        if state < _NESTED:
            buffer.skip(end - start)
            return None
        return self._keep(buffer, begin - start)

    def _begin(self, byte: i64, state: i64) -> i64:
        """Say what begins with ``byte``, between texts or between the elements of an array."""
        if state == _AFTER:
            if byte in (_COMMA, _CLOSE_ARRAY):
                return self._after(byte)
            raise CorruptedFrameError(f"after an element comes , or ], not {chr(byte)!r}")
        if byte in (_OPEN_OBJECT, _OPEN_ARRAY):
            if byte == _OPEN_ARRAY and self._stream_array and not self._in_array:
                self._in_array = True
                return _FIRST
            self._depth = 1
            return _NESTED
        if state == _BETWEEN:
            raise CorruptedFrameError(f"a JSON text begins with {{ or [, not {chr(byte)!r}")
        if byte == _CLOSE_ARRAY and state == _FIRST:
            return self._after(byte)
        if byte in (_COMMA, _CLOSE_ARRAY, _CLOSE_OBJECT):
            raise CorruptedFrameError(f"an element is missing before {chr(byte)!r}")
        return _STRING if byte == _QUOTE else _SCALAR

    def _after(self, byte: i64) -> i64:
        """Say where we are behind an element and ``byte``."""
        if byte == _COMMA:
            return _ELEMENT
        if byte == _CLOSE_ARRAY:
            self._in_array = False
            return _BETWEEN
        return _AFTER

    def _keep(self, buffer: ReceiveBuffer, begin: i64) -> bytes | None:
        """Take what is here of an unfinished text, or drop it if the text is too long."""
        self._length += buffer.left - begin
        if self._overlong:
            buffer.skip(buffer.left)
            return None
        if self._length > self._max_length:
            self._overlong = True
            self._begun = bytearray()
            buffer.skip(buffer.left)
            raise FrameTooLongError(self._length, self._max_length)
        self._begun += buffer.cut(begin, buffer.left, buffer.left)
        return None

    def _complete(self, buffer: ReceiveBuffer, begin: i64, end: i64, n: i64, after: i64) -> bytes | None:
        """Deliver the text, which ends here, unless it is too long; ``n`` bytes are done with."""
        self._state = after if self._in_array else _BETWEEN
        self._depth = 0
        length: i64 = self._length + end - begin
        self._length = 0
        if self._overlong:
            self._overlong = False
            buffer.skip(n)
            return None
        begun = self._begun
        if length > self._max_length:
            buffer.skip(n)
            if begun:
                self._begun = bytearray()
            raise FrameTooLongError(length, self._max_length)
        text = buffer.cut(begin, end, n)
        if begun:
            self._begun = bytearray()
            return bytes(begun + text)
        return text

    @property
    def unread_bytes(self) -> int:
        return len(self._begun) + super().unread_bytes

    def take_unread(self) -> bytes:
        begun = bytes(self._begun)
        self._begun = bytearray()
        self._state = _BETWEEN
        self._depth = 0
        self._in_array = False
        self._length = 0
        self._overlong = False
        return begun + super().take_unread()

    def unfinished(self, buffer: ReceiveBuffer) -> DecodeError | None:
        if self._overlong or (self._state == _BETWEEN and buffer.left == 0):
            return None
        return CorruptedFrameError(f"the input ended in the middle of a JSON text: {self._length} bytes of it are here")


@mypyc_attr(allow_interpreted_subclasses=True)
class JsonDecoder(MessageToMessageDecoder[bytes, Any]):
    """bytes → whatever ``loads`` makes of them: ``json.loads``, ``orjson.loads``, ``msgspec.json.Decoder(T).decode``.

    Raises:
        CorruptedFrameError: ``loads`` refused the frame; its error is the ``__cause__``.
    """

    def __init__(self, loads: Callable[[bytes], Any] = json.loads) -> None:
        self._loads = loads

    def decode(self, ctx: ChannelHandlerContext[Any, Any], msg: bytes) -> Any:
        try:
            return [self._loads(msg)]
        except Exception as exc:  # every parser has errors of its own, and deep nesting is a RecursionError
            error = CorruptedFrameError(f"a frame is no JSON that is wanted here: {exc}")
            raise with_cause(error, exc) from exc


@mypyc_attr(allow_interpreted_subclasses=True)
class JsonEncoder(MessageToByteEncoder[Any]):
    """Anything that ``dumps`` takes → bytes; text that it returns is put into UTF-8.

    Raises:
        EncodeError: ``dumps`` refused the object, as the default does NaN and infinity; its error is the ``__cause__``.
    """

    def __init__(self, dumps: Callable[[Any], str | bytes] | None = None) -> None:
        self._dumps = _compact if dumps is None else dumps

    def encode(self, msg: Any) -> bytes:
        try:
            text = self._dumps(msg)
            return text if isinstance(text, bytes) else text.encode()
        except Exception as exc:  # every serializer has errors of its own
            error = EncodeError(f"{type(msg).__name__} cannot be put into JSON: {exc}")
            raise with_cause(error, exc) from exc


def _compact(value: Any) -> str:
    # RFC 8259 8.1: "MUST be encoded using UTF-8"; section 6: "Infinity and NaN are not permitted"
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
