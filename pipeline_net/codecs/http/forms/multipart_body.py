"""MultipartBody: a form with files, for a client to send.

Source: RFC 7578; the HTML Standard, "Multipart form data" (how names are escaped)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, TypeAlias

import attrs

from ....errors import EncodeError
from ..grammar import is_field_value
from .fields import Fields, FieldsLike
from .multipart import check_boundary

_CHUNK: Final = 64 * 1024  # bytes that are read of a file at a time

FileContent: TypeAlias = "bytes | BinaryIO"


@attrs.frozen
class FilePart:
    """A file to be sent: ``FilePart("photo", "cat.jpg", open("cat.jpg", "rb"), "image/jpeg")``.

    An open file is sent from where it stands to its end, and is not closed.
    """

    name: str
    filename: str
    content: FileContent
    content_type: str = "application/octet-stream"


class MultipartBody:
    """The body of a form: iterate over it for its bytes, and tell the server ``content_type`` and ``length``::

        body = MultipartBody({"title": "Cat"}, [FilePart("photo", "cat.jpg", file, "image/jpeg")])
        Request("POST", "/", {"host": "a", "content-type": body.content_type, "content-length": str(body.length)})

    Files are read while they are sent, 64 KiB at a time; so a body can be iterated over once if it has open files.

    Args:
        boundary: what separates the parts; by default 32 random characters, which no file holds by accident.

    Raises:
        EncodeError: a content type, or the boundary, cannot stand in a header.
        OSError: the size of a file cannot be found out.
    """

    def __init__(self, fields: FieldsLike = (), files: Iterable[FilePart] = (), *, boundary: str | None = None) -> None:
        self.boundary = os.urandom(16).hex() if boundary is None else boundary
        _check_boundary(self.boundary)
        self._pieces: list[tuple[bytes, FileContent, int]] = []  # a head, what follows it, and how long that is
        for name, value in Fields(fields).items():
            content = value.encode("utf-8")
            self._pieces.append((self._head(name, None, None), content, len(content)))
        for file in files:
            self._pieces.append(
                (self._head(file.name, file.filename, file.content_type), file.content, _size_of(file.content))
            )
        self._end = f"--{self.boundary}--\r\n".encode("ascii")

    @property
    def content_type(self) -> str:
        """What to say as Content-Type."""
        return f'multipart/form-data; boundary="{self.boundary}"'

    @property
    def length(self) -> int:
        """What to say as Content-Length, in bytes."""
        return sum(len(head) + size + 2 for head, _, size in self._pieces) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        """The bytes, in pieces of at most 64 KiB each; reading files blocks.

        Raises:
            EncodeError: a file has become shorter, and the length that was announced is wrong.
        """
        for head, content, size in self._pieces:
            yield head
            yield from _read(content, size)
            yield b"\r\n"
        yield self._end

    def _head(self, name: str, filename: str | None, content_type: str | None) -> bytes:
        line = f'--{self.boundary}\r\nContent-Disposition: form-data; name="{_escape(name)}"'
        if filename is not None:
            line += f'; filename="{_escape(filename)}"'
        if content_type is not None:
            if not content_type.isascii() or not is_field_value(content_type.encode("ascii")):
                raise EncodeError(f"a content type is ASCII without control characters, not {content_type!r}")
            line += f"\r\nContent-Type: {content_type}"
        return f"{line}\r\n\r\n".encode()

    def __repr__(self) -> str:
        return f"<MultipartBody of {len(self._pieces)} parts, {self.length} bytes>"


def _check_boundary(boundary: str) -> None:
    from ..errors import HttpDecodeError

    try:
        check_boundary(boundary.encode("utf-8"))
    except HttpDecodeError as exc:
        raise EncodeError(str(exc)) from exc


def _escape(name: str) -> str:
    """Write a name as browsers do; servers take ``%22`` back."""
    name = name.encode("utf-8", "replace").decode()  # a name from a file system may be none
    escaped = name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22").replace("\\", "\\\\")
    if not is_field_value(escaped.encode()):
        raise EncodeError(f"the name of a field or file has no control characters: {name!r}")
    return escaped


def _size_of(content: FileContent) -> int:
    if isinstance(content, bytes):
        return len(content)
    position = content.tell()
    end = content.seek(0, os.SEEK_END)
    content.seek(position)
    return end - position


def _read(content: FileContent, size: int) -> Iterator[bytes]:
    if isinstance(content, bytes):
        for at in range(0, size, _CHUNK):
            yield content[at : at + _CHUNK]
        return
    while size > 0:
        piece = content.read(min(_CHUNK, size))
        if not piece:
            raise EncodeError(f"a file ended {size} bytes before the length that was announced")
        size -= len(piece)
        yield piece
