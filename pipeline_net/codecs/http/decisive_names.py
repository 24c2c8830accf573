"""The headers that decide about framing or the connection, and how they are told from others without much looking.

No two of them are of the same length.  So a length stands for a name, and most other headers differ from the one of
their length in the first letter already.

Source: RFC 9110, sections 7 and 10.1.1; RFC 9112, section 6
"""

from __future__ import annotations

from typing import Final

# Lengths, which stand for the names.
HOST: Final = 4
EXPECT: Final = 6
UPGRADE: Final = 7
CONNECTION: Final = 10
CONTENT_LENGTH: Final = 14
TRANSFER_ENCODING: Final = 17
LONGEST: Final = 17

_ALL: Final = {
    len(name): name for name in (b"host", b"expect", b"upgrade", b"connection", b"content-length", b"transfer-encoding")
}

# Indexed by the length of a name; nothing where there is none of that length.
NAMES: Final[list[bytes]] = [_ALL.get(length, b"") for length in range(LONGEST + 1)]
TITLES: Final[list[bytes]] = [name.title() for name in NAMES]  # Content-Length: as most programs write it
FIRST_LETTERS: Final = bytes(name[0] if name else 0 for name in NAMES)
