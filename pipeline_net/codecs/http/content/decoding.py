"""Decoding: one body through its decoders, a bounded step at a time, with its size and its ratio watched.

RFC 9110 8.4: "If one or more encodings have been applied to a representation, the sender … MUST generate a
Content-Encoding header field that lists the content codings in the order in which they were applied."  So the last one
is taken off first.  A bomb may hide between two of them: what makes nothing in the end may have been gigabytes on the
way.  So the limits hold for what each decoder makes.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from .decoders import ContentDecoder
from .errors import ContentDecodingError

SLICE: Final = 65536  # bytes that a step makes at most
_PIECE: Final = 16384  # bytes of input that a decoder is given at once: what it does not use is copied each time
_FREE: Final = 1 << 20  # bytes; below that, any ratio is forgiven: a page of blanks is no bomb


class Decoding:
    """The decoders of one body, in the order in which the bytes pass them.

    Args:
        max_size: bytes that each decoder may make; ``None`` for any number.
        max_ratio: how many times as much as has come each may make, above the first MiB; ``None`` for any.
    """

    def __init__(self, decoders: list[ContentDecoder], max_size: int | None, max_ratio: int | None) -> None:
        self._decoders = decoders
        self._max_size = max_size
        self._max_ratio = max_ratio
        self._input: deque[memoryview] = deque()  # for the first decoder
        self._given = [b""] * len(decoders)  # for each of the others, from the one before it
        self._made = [0] * len(decoders)
        self.received = 0
        """Encoded bytes that have come."""

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take encoded bytes, which ``step()`` will decode."""
        view = memoryview(data).cast("B")
        self.received += len(view)
        for start in range(0, len(view), _PIECE):
            self._input.append(view[start : start + _PIECE])

    def step(self) -> bytes | None:
        """Let one decoder work once; what came out at the end, maybe nothing; ``None`` when there is nothing to do.

        Raises:
            ContentDecodingError: the body is corrupted, or too much.
        """
        last = len(self._decoders) - 1
        for index in range(last, -1, -1):
            decoder = self._decoders[index]
            if decoder.needs_input:
                data = self._take_input(index)
                if not data:
                    continue
                output = decoder.decode(data, SLICE)
            else:
                output = decoder.decode(b"", SLICE)
            self._count(index, len(output))
            if index == last:
                return output
            self._given[index + 1] = output
            return b""
        return None

    def finish(self) -> None:
        """Nothing more comes, and all was decoded.

        Raises:
            ContentDecodingError: the body was cut off.
        """
        if not all(decoder.is_complete for decoder in self._decoders):
            raise ContentDecodingError(400, f"the encoded body was cut off after {self.received} bytes")

    def _take_input(self, index: int) -> bytes | memoryview:
        if index == 0:
            return self._input.popleft() if self._input else b""
        data = self._given[index]
        self._given[index] = b""
        return data

    def _count(self, index: int, size: int) -> None:
        made = self._made[index] = self._made[index] + size
        if self._max_size is not None and made > self._max_size:
            raise ContentDecodingError(413, f"the body is above {self._max_size} bytes when it is decoded")
        if self._max_ratio is not None and made > _FREE and made > self._max_ratio * self.received:
            raise ContentDecodingError(
                413, f"{self.received} bytes of body made {made}, and the limit is {self._max_ratio} times as many"
            )
