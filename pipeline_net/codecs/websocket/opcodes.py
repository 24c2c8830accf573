"""The numbers in the first byte of a frame.

Source: RFC 6455, section 5.2
"""

from __future__ import annotations

from typing import Final

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

FIN: Final = 0x80  # the last frame of a message
RSV1: Final = 0x40  # the message is compressed, if that was agreed
MASKED: Final = 0x80  # in the second byte

MAX_CONTROL: Final = 125  # bytes; 5.5: "All control frames MUST have a payload length of 125 bytes or less"
MAX_REASON: Final = 123  # bytes; what a Close frame has left beside its code
