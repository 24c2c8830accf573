"""What a form is made of: fields in parts, as they arrive, or the whole form in one message.

::

    in parts (see FormParts)                                    whole (see Forms)
    Request           the head, as without a form               FormRequest
    FormFieldStart    a field begins: its name, and …
    FormFieldData     some of its value, any number of times
    FormFieldEnd      … it is complete
    End               of the request
"""

from __future__ import annotations

from typing import TypeAlias

from ..headers import Headers
from ..messages import Request
from .fields import Fields
from .filenames import safe_filename
from .uploads import UploadedFile


class FormFieldStart:
    """A field of a form begins.

    Args:
        name: the field's.
        raw_filename: what the sender calls the file, if it is one; nothing to be trusted.
        content_type: what the sender says it is; nothing to be trusted either.
        headers: all headers of a part of a multipart body.
    """

    def __init__(
        self,
        name: str,
        raw_filename: str | None = None,
        content_type: str | None = None,
        headers: Headers | None = None,
    ) -> None:
        self.name = name
        self.raw_filename = raw_filename
        self.content_type = content_type
        self.headers = Headers() if headers is None else headers

    @property
    def is_file(self) -> bool:
        """Whether the sender names a file, even an empty name."""
        return self.raw_filename is not None

    @property
    def filename(self) -> str:
        """The file's name without folders, fit for a file system; empty for what is none, or has none."""
        return safe_filename(self.raw_filename) if self.raw_filename else ""

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, FormFieldStart)
            and self.name == other.name
            and self.raw_filename == other.raw_filename
            and self.content_type == other.content_type
        )

    def __hash__(self) -> int:
        return hash((self.name, self.raw_filename))

    def __repr__(self) -> str:
        more = f", {self.raw_filename!r}, {self.content_type!r}" if self.is_file else ""
        return f"FormFieldStart({self.name!r}{more})"


class FormFieldData:
    """Some of the value of the field that has begun."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FormFieldData) and self.data == other.data

    def __hash__(self) -> int:
        return hash(self.data)

    def __repr__(self) -> str:
        return f"FormFieldData({self.data!r})"


class FormFieldEnd:
    """The field that has begun is complete."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FormFieldEnd)

    def __hash__(self) -> int:
        return hash("FormFieldEnd")

    def __repr__(self) -> str:
        return "FormFieldEnd()"


FormFieldPart: TypeAlias = FormFieldStart | FormFieldData | FormFieldEnd


class FormRequest:
    """A whole form.

    Args:
        request: the head of the request; what answers it may say ``to=form.request``.
        fields: what is no file, as text.
        files: in the order in which they came; an input that was left empty is not among them.

    The files are the application's: they go when it forgets or closes them, whatever becomes of the connection.
    """

    def __init__(self, request: Request, fields: Fields, files: list[UploadedFile]) -> None:
        self.request = request
        self.fields = fields
        self.files = files

    def file(self, name: str) -> UploadedFile | None:
        """Return the first file that came under this field's name."""
        return next((file for file in self.files if file.name == name), None)

    def close(self) -> None:
        """Close all files, which removes them from the disk."""
        for file in self.files:
            file.close()

    def __repr__(self) -> str:
        request = self.request
        names = [name for name, _ in self.fields.items()]  # and no values: logs have many readers, forms have passwords
        return f"<FormRequest {request.method} {request.target} {names!r} {self.files!r}>"
