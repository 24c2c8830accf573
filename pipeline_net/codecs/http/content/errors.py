"""ContentDecodingError: a body that is not what its Content-Encoding says, or more than anybody wants to have."""

from __future__ import annotations

from ..errors import HttpDecodeError


class ContentDecodingError(HttpDecodeError):
    """A body cannot be decoded: 400 if it is corrupted or cut off, 413 if it is too much, 415 if its coding is none
    that is read here.

    A server answers with that status; on a client, ``status`` only says which of the three it was.
    """
