r"""The names in a request's path: decoded once, and refused where a file system could read more into them.

::

    /a%20b/c.txt   →  [b"a b", b"c.txt"]
    /a/b/          →  [b"a", b"b", b""]        the empty name at the end asks for a folder
    /..%2fetc      →  None

A name that holds a slash, a backslash or NUL when it is decoded, ``.``, ``..``, or nothing, means something else to
somebody on the way: browsers and proxies resolve dots before they send, Windows knows another slash, C ends at NUL.
None of that is what a link to a file looks like, so it is not resolved but refused.

Source: RFC 3986, sections 2.1 and 3.3
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_BAD: Final = re.compile(rb"[/\\\0]")


def names_of(path: str) -> list[bytes] | None:
    """Take a path that begins with a slash apart; ``None`` if it has a name that no link to a file has."""
    names = [_decoded(part) for part in path.encode("latin-1", "replace").split(b"/")[1:]]
    if any(name is None for name in names):
        return None
    if not names or any(name in (b"", b".", b"..") for name in names[:-1]) or names[-1] in (b".", b".."):
        return None
    return [name for name in names if name is not None]


def _decoded(part: bytes) -> bytes | None:
    rest, escapes = _ESCAPE.subn(b"", part)
    if b"%" in rest:
        return None  # half an escape
    name = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), part) if escapes else part
    return None if _BAD.search(name) else name
