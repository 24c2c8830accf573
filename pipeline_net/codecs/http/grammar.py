"""Which bytes may stand where in an HTTP message: the terminals of RFC 9110 and RFC 9112, as tables.

::

    token       = 1*tchar
    tchar       = DIGIT / ALPHA / one of !#$%&'*+-.^_`|~
    field-value = *( VCHAR / obs-text / SP / HTAB )          without blanks at its ends; obs-text is %x80-FF
    target      = 1*VCHAR                                    visible ASCII: section 3.2 of RFC 9112 allows no more
    chunk-size  = 1*HEXDIG

``int()`` is never asked: it takes signs, blanks, underscores and digits of every script.
"""

from __future__ import annotations

from typing import Final

from ..._mypyc import i64

_TOKEN_MARKS: Final = b"!#$%&'*+-.^_`|~"
# Unreserved, sub-delims, pct-encoded; without the comma, which no name has: it is what is left of two Hosts that
# somebody has joined.
_NAME_MARKS: Final = b"-._~!$&'()*+;=%"


def _table(allowed: bytes) -> bytes:
    return bytes(byte in allowed for byte in range(256))


_ALPHANUMERIC: Final = bytes(range(48, 58)) + bytes(range(65, 91)) + bytes(range(97, 123))

# 1 where a byte is allowed; indexed by the byte.
TOKEN: Final = _table(_ALPHANUMERIC + _TOKEN_MARKS)
FIELD: Final = _table(b"\t" + bytes(range(32, 127)) + bytes(range(128, 256)))
TARGET: Final = _table(bytes(range(33, 127)).replace(b"#", b""))  # a fragment is never sent
HOST_NAME: Final = _table(_ALPHANUMERIC + _NAME_MARKS)
IP_LITERAL: Final = _table(_ALPHANUMERIC + _NAME_MARKS + b":[")  # between its brackets

# The value of a hexadecimal digit, or 255; indexed by the byte.
HEX: Final = bytes(int(chr(byte), 16) if chr(byte) in "0123456789abcdefABCDEF" else 255 for byte in range(256))

TAB: Final = 9
LF: Final = 10
CR: Final = 13
SPACE: Final = 32
QUOTE: Final = 34
COMMA: Final = 44
SLASH: Final = 47
ZERO: Final = 48
NINE: Final = 57
COLON: Final = 58
SEMICOLON: Final = 59
EQUALS: Final = 61
QUESTION_MARK: Final = 63
LEFT_BRACKET: Final = 91
BACKSLASH: Final = 92
RIGHT_BRACKET: Final = 93
UNDERSCORE: Final = 95
DELETE: Final = 127

MAX_NUMBER: Final = 2**58  # 16 times that, and a digit, still fits the 64 bits that lengths are counted with


def is_token(text: bytes) -> bool:
    """Whether ``text`` is a token: a method, or the name of a header."""
    return len(text) > 0 and _is_all(text, TOKEN)


def is_field_value(text: bytes) -> bool:
    """Whether ``text`` may be the value of a header: no CR, LF, NUL or other control character."""
    return _is_all(text, FIELD)


def is_target(text: bytes) -> bool:
    """Whether ``text`` may be the target of a request: visible ASCII, without a fragment."""
    return len(text) > 0 and _is_all(text, TARGET)


def _is_all(text: bytes, allowed: bytes) -> bool:
    """Whether a table allows every byte of ``text``."""
    end: i64 = len(text)
    at: i64 = 0  # counted, because compiled a loop over bytes makes an object of each
    while at < end:
        if not allowed[text[at]]:
            return False
        at += 1
    return True


def decimal(text: bytes) -> int:
    """Read a number in decimal digits and nothing else; -1 if it is none, or above ``MAX_NUMBER``."""
    value: i64 = 0
    for byte in text:
        if not ZERO <= byte <= NINE:
            return -1
        value = value * 10 + byte - ZERO
        if value > MAX_NUMBER:
            return -1
    return value if text else -1


def is_host(text: bytes) -> bool:
    """Whether ``text`` may be the value of Host: ``uri-host [ ":" port ]``.  Empty is allowed (RFC 9112 3.2)."""
    end: i64 = len(text)
    at: i64 = 0
    if end > 0 and text[0] == LEFT_BRACKET:  # an IP literal
        literal = IP_LITERAL
        at = 1
        while at < end and literal[text[at]]:
            at += 1
        if at == end or text[at] != RIGHT_BRACKET:
            return False
        at += 1
    else:
        name = HOST_NAME
        while at < end and name[text[at]]:
            at += 1
    if at < end and text[at] != COLON:
        return False
    at += 1
    while at < end:
        if not ZERO <= text[at] <= NINE:
            return False
        at += 1
    return True


def has_token(value: bytes, token: bytes) -> bool:
    """Whether a list such as ``keep-alive, Upgrade`` holds ``token``, which is in lower case."""
    if value == token:
        return True
    return any(element.strip(b" \t") == token for element in value.lower().split(b","))
