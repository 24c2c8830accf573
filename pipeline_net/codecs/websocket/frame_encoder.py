"""FrameEncoder: messages → frames.

A frame of a server is its header and the payload, which is not copied if it is long.  A client masks, which is a copy.

Source: RFC 6455, sections 5 and 6.1; RFC 7692, sections 6 and 7.2.1
"""

from __future__ import annotations

from typing import Any, Final

from ..._mypyc import i64, with_cause
from ...errors import EncodeError
from .deflate import Deflater, deflater_for
from .deflate_parameters import DeflateParameters
from .frame_decoder import check_role
from .masking import MaskKeys, apply_mask
from .messages import Close, Fragment, Ping, Pong, PreparedMessage
from .opcodes import BINARY, CLOSE, CONTINUATION, FIN, MASKED, MAX_CONTROL, PING, PONG, RSV1, TEXT

_COPIED: Final = 8192  # bytes; copying a longer payload behind its header costs more than a second piece
# Headers of whole messages, of which most frames are: with the length in 7 bits; without the last byte of 16.
_SHORT: Final = [bytes((FIN | opcode, size)) for opcode in (TEXT, BINARY) for size in range(MAX_CONTROL + 1)]
_LONGER: Final = [bytes((FIN | opcode, 126, high)) for opcode in (TEXT, BINARY) for high in range(256)]
_LOW: Final = [bytes((low,)) for low in range(256)]


class FrameEncoder:
    """``str``, ``bytes``, ``Fragment``, ``Ping``, ``Pong``, ``Close``, ``PreparedMessage`` → bytes, or a list of them.

    Args:
        role: ``"server"``, or ``"client"``, which masks.
        deflate: what was agreed on; ``None`` for nothing.
    """

    def __init__(self, role: str, *, deflate: DeflateParameters | None = None) -> None:
        check_role(role)
        self._keys: MaskKeys | None = MaskKeys() if role == "client" else None
        self._deflater: Deflater | None = None if deflate is None else deflater_for(role, deflate)
        self._threshold: i64 = 0 if deflate is None else deflate.threshold
        self._prepared_as: tuple[int, int, int] | None = None  # how this peer wants a PreparedMessage compressed
        if deflate is not None and role == "server" and deflate.server_no_context_takeover:
            self._prepared_as = (deflate.server_max_window_bits, deflate.level, deflate.mem_level)
        # The message of which some fragments have gone.
        self._opcode: i64 = CONTINUATION
        self._is_compressing = False

    def encode(self, msg: Any) -> bytes | list[bytes]:
        """Put one message into bytes.

        Raises:
            EncodeError: text with half a surrogate pair, a message before the last fragment of another one, a fragment
                of another kind than the first, or what no WebSocket carries.
        """
        if isinstance(msg, str):
            return self._message(TEXT, _utf8(msg))
        if isinstance(msg, bytes):
            return self._message(BINARY, msg)
        if isinstance(msg, Fragment):
            return self._fragment(msg)
        if isinstance(msg, PreparedMessage):
            return self._prepared(msg)
        if isinstance(msg, Ping):
            return self._frame(FIN | PING, msg.data)
        if isinstance(msg, Pong):
            return self._frame(FIN | PONG, msg.data)
        if isinstance(msg, Close):
            return self._frame(FIN | CLOSE, _close_payload(msg))
        if isinstance(msg, (bytearray, memoryview)):
            return self._message(BINARY, bytes(msg))
        raise EncodeError(
            f"a WebSocket carries str, bytes, Fragment, Ping, Pong, Close, PreparedMessage, not {msg!r:.100}"
        )

    def _message(self, opcode: i64, payload: bytes) -> bytes | list[bytes]:
        if self._opcode != CONTINUATION:
            raise EncodeError("the last Fragment of another message must be written first")
        deflater = self._deflater
        if deflater is not None and len(payload) >= self._threshold:
            return self._frame(FIN | RSV1 | opcode, deflater.deflate(payload, True))
        return self._frame(FIN | opcode, payload)

    def _fragment(self, msg: Fragment) -> bytes | list[bytes]:
        data = msg.data
        opcode: i64 = TEXT if isinstance(data, str) else BINARY
        payload = _utf8(data) if isinstance(data, str) else data
        first: i64 = CONTINUATION
        deflater = self._deflater
        if self._opcode == CONTINUATION:
            self._is_compressing = deflater is not None
            self._opcode = opcode
            first = opcode | RSV1 if self._is_compressing else opcode
        elif self._opcode != opcode:
            raise EncodeError("all fragments of a message are str, or all are bytes")
        if msg.final:
            self._opcode = CONTINUATION
            first |= FIN
        if self._is_compressing and deflater is not None:
            payload = deflater.deflate(payload, msg.final)
        return self._frame(first, payload)

    def _prepared(self, msg: PreparedMessage) -> bytes | list[bytes]:
        """Put a message into bytes that others may have made already."""
        data = msg.data
        opcode: i64 = TEXT if isinstance(data, str) else BINARY
        if self._keys is not None:
            return self._message(opcode, _utf8(data) if isinstance(data, str) else data)
        if self._opcode != CONTINUATION:
            raise EncodeError("the last Fragment of another message must be written first")
        form = self._prepared_as
        frame = msg.plain if form is None else msg.compressed.get(form)
        if frame is None:
            payload = _utf8(data) if isinstance(data, str) else data
            first: i64 = FIN | opcode
            if form is not None and len(payload) >= self._threshold:
                bits, level, mem_level = form
                payload = Deflater(bits, True, level, mem_level).deflate(payload, True)
                first |= RSV1
            frame = _header(first, len(payload)) + payload
            if form is None:
                msg.plain = frame
            else:
                msg.compressed[form] = frame
        return frame

    def _frame(self, first: i64, payload: bytes) -> bytes | list[bytes]:
        size: i64 = len(payload)
        keys = self._keys
        if keys is not None:
            key = keys.next()
            return _header(first, size, MASKED) + key + apply_mask(payload, key)
        header = _header(first, size)
        if size <= _COPIED:
            return header + payload
        return [header, payload]


def _header(first: i64, size: i64, masked: i64 = 0) -> bytes:
    """Make the header of a frame, with the shortest length that there is, and without a key."""
    if size < 65536 and masked == 0 and (first == FIN | TEXT or first == FIN | BINARY):
        is_binary: i64 = first & 1 ^ 1
        if size <= MAX_CONTROL:
            return _SHORT[is_binary * (MAX_CONTROL + 1) + size]
        return _LONGER[is_binary << 8 | size >> 8] + _LOW[size & 0xFF]
    if size <= MAX_CONTROL:
        return int(first << 8 | masked | size).to_bytes(2, "big")
    if size < 65536:
        return int(first << 24 | (masked | 126) << 16 | size).to_bytes(4, "big")
    return int(first << 8 | masked | 127).to_bytes(2, "big") + int(size).to_bytes(8, "big")


def _close_payload(msg: Close) -> bytes:
    if msg.code is None:
        return b""
    return msg.code.to_bytes(2, "big") + msg.reason.encode("utf-8")


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise with_cause(EncodeError(f"this is no text that UTF-8 has bytes for: {exc}"), exc) from exc
