"""Files of a folder, over HTTP.

::

    static_files   StaticFiles: which requests are for files, and what is said when there is none
    target_path    the names in a request's path, decoded once
    finding        from names to an open file, on a pool thread
    root_folder    what lies below a folder, and nothing else
    listing        a page that lists a folder
    answers        status, headers and pieces of a response with a file
    conditions     ETag, Last-Modified, and what clients ask about them
    ranges         which bytes
    media_types    Content-Type by the end of a name
    sending        parts of an open file, no faster than the peer takes them
"""

from __future__ import annotations

from .static_files import StaticFiles

__all__ = ["StaticFiles"]
