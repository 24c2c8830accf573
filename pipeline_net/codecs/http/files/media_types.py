"""Media types of files, by the end of their names."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Final

# What the standard library of an older Python does not know, or knows otherwise than browsers do.
_ADDED: Final = {
    ".avif": "image/avif",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".otf": "font/otf",
    ".ttf": "font/ttf",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".yaml": "application/yaml",
}
# Ends that say how a file is packed, whatever is inside: it is sent as what it is, to be unpacked by who has it.
_PACKED: Final = {
    ".gz": "application/gzip",
    ".bz2": "application/x-bzip2",
    ".xz": "application/x-xz",
    ".zst": "application/zstd",
    ".br": "application/octet-stream",
    ".z": "application/x-compress",
}
_UNKNOWN: Final = "application/octet-stream"  # with nosniff, browsers offer to save it


def media_type_of(name: bytes, more: Mapping[str, str], charset: str | None) -> str:
    """Return what Content-Type says of a file.

    Args:
        more: ``".ext"`` in lower case → a type, asked first.
        charset: added to types of text.
    """
    ending = os.path.splitext(name)[1].decode("latin-1").lower()
    found = more.get(ending) or _PACKED.get(ending) or _known_types().get(ending) or _UNKNOWN
    if charset is not None and found.startswith("text/") and ";" not in found:
        return f"{found}; charset={charset}"
    return found


@functools.cache
def _known_types() -> dict[str, str]:
    """The table of the standard library, which is the same on every machine, with ours on top."""
    import mimetypes  # only who serves files pays for it

    return {**mimetypes.MimeTypes().types_map[True], **_ADDED}
