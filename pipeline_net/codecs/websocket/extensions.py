r"""Sec-WebSocket-Extensions and Sec-WebSocket-Protocol: lists of names, some with parameters, taken apart strictly.

::

    extension-list  = 1#extension                 permessage-deflate; client_max_window_bits, x-other; a="b"
    extension       = extension-token *( ";" extension-param )
    extension-param = token [ "=" ( token | quoted-string ) ]

Both are lists, and may come in several lines.  Empty elements are allowed, as in all lists of HTTP (RFC 9110 5.6.1).

Source: RFC 6455, section 9.1
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

Extension: TypeAlias = "tuple[str, list[tuple[str, str | None]]]"  # its name, and its parameters in their order

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_BLANK: Final = re.compile(r"[ \t]*")
_NAME: Final = re.compile(_TOKEN)
# What is in the quotes must be a token, too, once backslashes are gone.
_VALUE: Final = re.compile(rf'({_TOKEN})|"((?:[^"\\\x00-\x1f]|\\[^\x00-\x1f])*)"')
_QUOTED_PAIR: Final = re.compile(r"\\(.)")


def parse_tokens(value: str) -> list[str]:
    """Take ``chat, superchat`` apart.

    Raises:
        ValueError: an element is no token.
    """
    elements = [element.strip(" \t") for element in value.split(",")]
    for element in elements:
        if element and not is_token(element):
            raise ValueError(f"a subprotocol is a token, not {element[:40]!r}")
    return [element for element in elements if element]


def is_token(text: str) -> bool:
    """Whether ``text`` may be the name of a subprotocol or an extension."""
    return _NAME.fullmatch(text) is not None


def parse_extensions(value: str) -> list[Extension]:
    """Take a list of extensions apart, in the order of preference in which it stands.

    Raises:
        ValueError: it is no such list.
    """
    scanner = _Scanner(value)
    extensions: list[Extension] = []
    while True:
        scanner.skip_blanks()
        while scanner.takes(","):
            scanner.skip_blanks()
        if scanner.is_at_end:
            return extensions
        extensions.append(scanner.extension())
        if not scanner.is_at_end and not scanner.takes(","):
            raise scanner.error("a comma")


class _Scanner:
    """Reads from left to right, each character once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._text)

    def error(self, wanted: str) -> ValueError:
        found = self._text[self._at : self._at + 20]
        return ValueError(f"Sec-WebSocket-Extensions wants {wanted}, not {found!r}")

    def skip_blanks(self) -> None:
        blanks = _BLANK.match(self._text, self._at)
        assert blanks is not None, "no blank at all is a match"
        self._at = blanks.end()

    def takes(self, mark: str) -> bool:
        if self._text.startswith(mark, self._at):
            self._at += len(mark)
            return True
        return False

    def extension(self) -> Extension:
        name = self._name()
        parameters: list[tuple[str, str | None]] = []
        self.skip_blanks()
        while self.takes(";"):
            self.skip_blanks()
            parameter = self._name()
            self.skip_blanks()
            value = None
            if self.takes("="):
                self.skip_blanks()
                value = self._value()
                self.skip_blanks()
            parameters.append((parameter, value))
        return name, parameters

    def _name(self) -> str:
        found = _NAME.match(self._text, self._at)
        if found is None:
            raise self.error("a token")
        self._at = found.end()
        return found[0]

    def _value(self) -> str:
        found = _VALUE.match(self._text, self._at)
        if found is None:
            raise self.error("a token or a quoted string")
        value = found[1] if found[2] is None else _QUOTED_PAIR.sub(r"\1", found[2])
        # RFC 6455 9.1: "When using the quoted-string syntax variant, the value after quoted-string unescaping MUST
        # conform to the 'token' ABNF."
        if not is_token(value):
            raise self.error("a token in quotes")
        self._at = found.end()
        return value


def format_extension(name: str, parameters: list[tuple[str, str | None]]) -> str:
    """Put an extension together as it travels: ``permessage-deflate; client_max_window_bits=12``."""
    words = [name]
    for parameter, value in parameters:
        words.append(parameter if value is None else f"{parameter}={value}")
    return "; ".join(words)
