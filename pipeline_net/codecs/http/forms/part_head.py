r"""The head of one part of a multipart body, and the parameters of headers.

::

    Content-Disposition: form-data; name="photo"; filename="a \"b\".jpg"; filename*=UTF-8''%e2%82%ac.jpg
    Content-Type: image/jpeg

Names are UTF-8 (RFC 7578 5.1.2).  A quotation mark inside of one travels as ``%22`` (browsers) or as ``\"`` (older
curl); both are read.  Any other backslash is one: old browsers sent whole paths of Windows.  ``filename*`` is what RFC
7578 4.2 forbids and some clients send; where it is there, it says better what is meant.

Source: RFC 7578, section 4; RFC 8187; the HTML Standard, "Multipart form data"
"""

from __future__ import annotations

from typing import Final

from ..errors import HttpDecodeError
from ..grammar import TOKEN, is_field_value, is_token
from ..headers import Headers
from .messages import FormFieldStart
from .urlencoded import percent_decode

_MAX_PARAMETERS: Final = 16  # of one header; nobody needs five
_PLAIN_ENCODINGS: Final = (None, "7bit", "8bit", "binary")


def parse_part_head(block: bytes) -> FormFieldStart:
    r"""Read the lines of a part's head, each with its CRLF.

    Raises:
        HttpDecodeError: status 400: a line is no header, or the part is no field of a form.
    """
    headers = Headers()
    for line in block.split(b"\r\n")[:-1]:
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        if not colon or not is_token(name) or not is_field_value(value):
            raise HttpDecodeError(400, f"expected a header of a part, not {line!r:.100}")
        headers.add(name, value)
    dispositions = headers.get_all("content-disposition")
    if len(dispositions) != 1:
        raise HttpDecodeError(400, f"a part has one Content-Disposition, not {len(dispositions)}")
    kind, parameters = parse_parameters(dispositions[0].encode("latin-1"))
    if kind != b"form-data" or b"name" not in parameters:
        raise HttpDecodeError(400, f"a part of a form says form-data and has a name, not {dispositions[0]!r:.100}")
    encoding = headers.get("content-transfer-encoding")
    if encoding is not None and encoding.lower() not in _PLAIN_ENCODINGS:
        # RFC 7578 4.7: "Currently, no deployed implementations that send such bodies have been discovered".
        raise HttpDecodeError(400, f"expected a part as it is, not in the encoding {encoding!r:.100}")
    return FormFieldStart(_as_text(parameters[b"name"]), _filename_of(parameters), headers.get("content-type"), headers)


def _filename_of(parameters: dict[bytes, bytes]) -> str | None:
    extended = parameters.get(b"filename*")
    if extended is not None:
        return _extended(extended)
    plain = parameters.get(b"filename")
    return None if plain is None else _as_text(plain)


def _as_text(raw: bytes) -> str:
    try:
        return raw.replace(b"%22", b'"').decode("utf-8")
    except UnicodeDecodeError as exc:
        raise HttpDecodeError(400, f"expected a name in UTF-8, not {raw!r:.100}") from exc


def _extended(raw: bytes) -> str:
    """Read ``UTF-8'en'%e2%82%ac``."""
    charset, _, encoded = (*raw.split(b"'", 2), b"", b"")[:3]
    try:
        text = percent_decode(encoded).decode("utf-8") if charset.lower() == b"utf-8" else ""
    except (HttpDecodeError, UnicodeDecodeError):
        text = ""
    if not text or not text.isprintable():
        raise HttpDecodeError(400, f"expected a name like UTF-8''%e2%82%ac, not {raw!r:.100}")
    return text


def parse_parameters(value: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Take ``form-data; name="a"`` apart: what stands first, and the parameters, names and it in lower case.

    Raises:
        HttpDecodeError: status 400: it is none such; or a parameter is there twice.
    """
    end = value.find(b";")
    if end < 0:
        return value.strip(b" \t").lower(), {}
    kind = value[:end].strip(b" \t").lower()
    parameters: dict[bytes, bytes] = {}
    at = end
    while at < len(value):
        at = _skip_blanks(value, at + 1)
        if at >= len(value):
            break  # a semicolon at the end
        start = at
        while at < len(value) and TOKEN[value[at]]:
            at += 1
        name = value[start:at].lower()
        if not name or value[at : at + 1] != b"=":
            raise _malformed(value)
        content, at = _read_content(value, at + 1)
        if name in parameters or len(parameters) >= _MAX_PARAMETERS:
            raise HttpDecodeError(400, f"expected few parameters, and each once: {value!r:.100}")
        parameters[name] = content
        at = _skip_blanks(value, at)
        if at < len(value) and value[at : at + 1] != b";":
            raise _malformed(value)
    return kind, parameters


def _read_content(value: bytes, at: int) -> tuple[bytes, int]:
    """Read a token or a quoted string; return it, and where it ends."""
    if value[at : at + 1] != b'"':
        start = at
        while at < len(value) and TOKEN[value[at]]:
            at += 1
        if at == start:
            raise _malformed(value)
        return value[start:at], at
    at += 1
    pieces: list[bytes] = []
    start = at
    while at < len(value):
        char = value[at : at + 1]
        if char == b'"':
            pieces.append(value[start:at])
            return b"".join(pieces), at + 1
        if char == b"\\" and value[at + 1 : at + 2] in (b'"', b"\\"):
            pieces.append(value[start:at])
            at += 1
            start = at
        at += 1
    raise _malformed(value)


def _skip_blanks(value: bytes, at: int) -> int:
    while value[at : at + 1] in (b" ", b"\t"):
        at += 1
    return at


def _malformed(value: bytes) -> HttpDecodeError:
    return HttpDecodeError(400, f'expected parameters like name="value", not {value!r:.100}')
