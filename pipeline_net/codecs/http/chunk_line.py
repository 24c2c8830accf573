r"""What may follow the size of a chunk: extensions, which nobody here looks at, but which must be what they claim.

::

    chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS ( token / quoted-string ) ] )

A parser that takes quotes less seriously than its neighbour sees the end of the line somewhere else.

Source: RFC 9112, section 7.1.1
"""

from __future__ import annotations

from ..._mypyc import i64
from .grammar import BACKSLASH, EQUALS, QUOTE, SEMICOLON, SPACE, TAB, TOKEN


def extensions_are_well_formed(text: bytes) -> bool:
    r"""Whether ``text``, which has no control characters, is a list of extensions: ``;a``, ``;a=b ; c="d e"``.

    RFC 9110 5.6.3: "A recipient MUST parse for such bad whitespace and remove it before interpreting the protocol
    element."
    """
    end: i64 = len(text)
    at: i64 = 0
    while at < end:
        at = _skip_blanks(text, at)
        if at == end or text[at] != SEMICOLON:
            return False
        at = _skip_blanks(text, at + 1)
        after: i64 = _skip_token(text, at)
        if after == at:
            return False
        at = after
        equals: i64 = _skip_blanks(text, at)
        if equals < end and text[equals] == EQUALS:
            at = _skip_blanks(text, equals + 1)
            after = _skip_quoted(text, at) if at < end and text[at] == QUOTE else _skip_token(text, at)
            if after == at:
                return False
            at = after
    return True


def _skip_blanks(text: bytes, at: i64) -> i64:
    while at < len(text) and (text[at] == SPACE or text[at] == TAB):
        at += 1
    return at


def _skip_token(text: bytes, at: i64) -> i64:
    while at < len(text) and TOKEN[text[at]]:
        at += 1
    return at


def _skip_quoted(text: bytes, at: i64) -> i64:
    """Return where the quoted string that begins at ``at`` has ended; ``at`` if it does not end."""
    here: i64 = at + 1
    while here < len(text):
        if text[here] == QUOTE:
            return here + 1
        here += 2 if text[here] == BACKSLASH else 1
    return at
