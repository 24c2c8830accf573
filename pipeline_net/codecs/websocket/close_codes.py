"""CloseCode: why a WebSocket ended, and which of the numbers may travel.

Source: RFC 6455, section 7.4; the IANA registry "WebSocket Close Code Number"
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class CloseCode(IntEnum):
    """The registered codes.  3000 to 3999 are for libraries, 4000 to 4999 for applications."""

    NORMAL = 1000
    GOING_AWAY = 1001  # a server that ends, a page that is left
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003  # such as binary, where only text makes sense
    NO_STATUS = 1005  # never sent: the Close frame had no code
    ABNORMAL = 1006  # never sent: the connection ended without a Close frame
    INVALID_DATA = 1007  # text that is not UTF-8
    POLICY_VIOLATION = 1008
    TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015  # never sent

    def __repr__(self) -> str:
        return f"<CloseCode {int(self)} {self.name}>"


# RFC 6455 7.4.1: 1005, 1006 and 1015 MUST NOT be set as a status code in a Close frame; 1004 is reserved.
_NEVER_SENT: Final = (1004, 1005, 1006, 1015)
_HIGHEST_REGISTERED: Final = 1014  # of the range from 1000 to 2999, which is the protocol's


def may_travel(code: int) -> bool:
    """Whether a Close frame may have this code, in either direction."""
    if code < 3000:
        return 1000 <= code <= _HIGHEST_REGISTERED and code not in _NEVER_SENT
    return code <= 4999
