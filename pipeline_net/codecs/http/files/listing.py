"""A page that lists a folder."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, unquote_to_bytes

MAX_ENTRIES: Final = 10_000  # names on one page; a folder may have millions

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
</head>
<body>
<h1>{title}</h1>
<ul>
{items}
</ul>
</body>
</html>
"""


def page_of(path: str, entries: Iterable[tuple[bytes, bool]], *, has_parent: bool) -> bytes:
    """Make the page.

    Whoever may put a file into the folder chooses its name: in text it is escaped, and in links it is
    percent-encoded, colons too, behind ``./``, so that ``javascript:…`` is the name of a file.

    Args:
        path: as it was asked for.
        entries: the name of each, and whether it is a folder.
    """
    items = ['<li><a href="../">../</a></li>'] if has_parent else []
    for name, is_folder in sorted(entries, key=lambda entry: (not entry[1], entry[0])):
        slash = "/" if is_folder else ""
        text = html.escape(os.fsdecode(name).encode("utf-8", "replace").decode("utf-8"))
        items.append(f'<li><a href="./{quote(name, safe="")}{slash}">{text}{slash}</a></li>')
    title = html.escape(unquote_to_bytes(path).decode("utf-8", "replace"))
    return _PAGE.format(title=title, items="\n".join(items)).encode("utf-8")
