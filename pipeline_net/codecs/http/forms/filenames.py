"""safe_filename(): what somebody else calls a file, made fit for a folder of ours."""

from __future__ import annotations

import unicodedata
from typing import Final

_MAX_SIZE: Final = 255  # bytes; what Linux file systems take
_MAX_SUFFIX: Final = 32  # bytes of it that are kept when a name is cut
_UNWANTED: Final = frozenset('<>:"|?*')  # Windows takes none of them
_DIGITS: Final = "123456789¹²³"  # Windows takes the raised ones for the others
_DEVICES: Final = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$", *(port + digit for port in ("com", "lpt") for digit in _DIGITS)]
)


def safe_filename(raw: str) -> str:
    r"""Return the last part of a path, as a name that stays inside its folder: ``C:\a\..\b.txt`` → ``b.txt``.

    Folders go, with either slash; so do control and invisible characters (which turn ``exe.jpg`` around), dots and
    blanks at the ends, what Windows does not take, and bytes beyond the 255th.  What is then left of nothing is
    ``unnamed``.  Two files may well get the same name: never overwrite because of it.
    """
    name = raw.replace("\\", "/").rpartition("/")[2]
    kept = ["_" if char in _UNWANTED else char for char in name if unicodedata.category(char)[0] != "C"]
    name = "".join(kept).strip(". ")
    if name.partition(".")[0].strip().lower() in _DEVICES:
        name = "_" + name
    return _cut(name) or "unnamed"


def _cut(name: str) -> str:
    encoded = name.encode("utf-8")
    if len(encoded) <= _MAX_SIZE:
        return name
    stem, dot, suffix = name.rpartition(".")
    tail = (dot + suffix).encode("utf-8")
    if not stem or len(tail) > _MAX_SUFFIX:
        return encoded[:_MAX_SIZE].decode("utf-8", "ignore").strip(". ")
    return stem.encode("utf-8")[: _MAX_SIZE - len(tail)].decode("utf-8", "ignore") + dot + suffix
