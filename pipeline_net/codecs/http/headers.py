r"""Headers: names and values in the order of the wire, looked up without regard to case.

Headers that came from a peer are kept as the block of bytes they were, which has been validated as a whole, and are
taken apart when somebody looks: most handlers look at one or two of ten.  The other way round, the block of headers
that a program has made is put together once; so headers kept in a constant cost nothing to send::

    JSON = Headers({"content-type": "application/json"})

Names and values are text for those who read them (every byte is one character, as in Latin-1), and bytes for those who
pass them on (``raw``, ``block``).

Source: RFC 9110, section 5
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from ..._mypyc import i64, mypyc_attr, with_cause
from ...errors import EncodeError
from . import grammar

Text: TypeAlias = str | bytes
HeadersLike: TypeAlias = "Headers | Mapping[str, Text] | Iterable[tuple[Text, Text]]"

# What an encoder wants to know of headers, found in one look at them; see Headers.facts().
HAS_LENGTH: Final = 1
HAS_CODING: Final = 2
HAS_DATE: Final = 4
HAS_HOST: Final = 8
HAS_CONNECTION: Final = 16
SAYS_CLOSE: Final = 32
SAYS_KEEP_ALIVE: Final = 64
SAYS_UPGRADE: Final = 128
IS_CHUNKED: Final = 256  # the one transfer coding that we can make
HAS_EXPECT: Final = 512

_SHORT: Final = 4096  # bytes; a longer block is not copied for each line that is added
_LOWER: Final = bytes(range(256)).lower()  # for translate(), which compiled code need not look up, as it does lower()
_NOT_SPLIT: Final[list[bytes]] = []  # stands for the lists of headers that are a block still; stays empty
_SECRET: Final = frozenset(["authorization", "proxy-authorization", "cookie", "set-cookie"])
_HIDDEN: Final = "…"  # what repr() shows of them
_DECISIVE: Final = frozenset([b"content-length", b"transfer-encoding", b"date", b"host", b"expect", b"connection"])

# Names that responses often have, as they travel: looked up, they need not be checked.
_FAMILIAR: Final = (
    "accept-ranges age allow cache-control connection content-disposition content-encoding content-language"
    " content-length content-location content-range content-security-policy content-type date etag expires"
    " last-modified link location pragma referrer-policy retry-after server set-cookie strict-transport-security"
    " transfer-encoding upgrade vary via www-authenticate x-content-type-options x-frame-options x-request-id"
    " access-control-allow-origin access-control-allow-methods access-control-allow-headers"
)


class _Name:
    """The name of a header, as far as it is known before anybody writes a value behind it."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.start = key + b": "  # of its line
        self.is_decisive: bool = key in _DECISIVE


# By what programs write.  Two tables, because text and bytes in one would be compared with each other.
_BY_TEXT: Final[dict[Any, _Name]] = {name: _Name(name.encode()) for name in _FAMILIAR.split()}
_BY_BYTES: Final[dict[Any, _Name]] = {name.key: name for name in _BY_TEXT.values()}


@mypyc_attr(free_list_len=1, acyclic=True)
class Headers:
    """An ordered multi-dict whose keys have no case.

    ``headers["accept"]`` is the combined value of all lines of that name, as RFC 9110 5.2 defines it: "the list of
    corresponding field line values … in order, with each field line value separated by a comma".  ``get_all`` gives
    them one by one, which Set-Cookie needs.

    Args:
        items: pairs, a mapping, or other headers, which are copied.

    Raises:
        EncodeError: a name is no token, or a value has a CR, LF, NUL or another control character.
    """

    def __init__(self, items: HeadersLike = ()) -> None:
        self._block: bytes | None = b""  # as on the wire; None: to be put together again
        self._is_split = False  # whether the three lists hold what the block says
        self._keys: list[bytes] = _NOT_SPLIT  # names in lower case
        self._names: list[bytes] = _NOT_SPLIT
        self._values: list[bytes] = _NOT_SPLIT
        self._facts: i64 = 0  # -1: not looked at yet
        self._length: i64 = -1
        if isinstance(items, Headers):
            self._block = items.block
            self._facts = -1
        elif isinstance(items, dict):
            for name, value in items.items():
                self.add(name, value)
        elif isinstance(items, list):  # before an abstract class is asked, which takes long
            for pair in items:
                if isinstance(pair, tuple) and len(pair) == 2:
                    self.add(pair[0], pair[1])
                else:  # a list of two is a pair to ASGI, too; compiled, to take apart what may be anything takes longer
                    name, value = pair
                    self.add(name, value)
        elif items:
            pairs: Any = items.items() if isinstance(items, Mapping) else items
            for name, value in pairs:
                self.add(name, value)

    # -- reading ------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> str:
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the values of all lines of that name, joined with ``", "``; ``default`` when there is none."""
        value = self.get_raw(name.lower().encode("latin-1", "replace"))
        return default if value is None else value.decode("latin-1")

    def get_raw(self, key: bytes) -> bytes | None:
        """Like ``get``, with a name in lower case, and a result, that are bytes."""
        self._split()
        found: bytes | None = None
        for index, known in enumerate(self._keys):
            if known == key:
                found = self._values[index] if found is None else found + b", " + self._values[index]
        return found

    def get_all(self, name: str) -> list[str]:
        """Return the value of each line of that name, in order."""
        self._split()
        key = name.lower().encode("latin-1", "replace")
        return [self._values[index].decode("latin-1") for index, known in enumerate(self._keys) if known == key]

    def __contains__(self, name: object) -> bool:
        self._split()
        return isinstance(name, str) and name.lower().encode("latin-1", "replace") in self._keys

    def __len__(self) -> int:
        """How many lines there are."""
        self._split()
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        """Each name once, in lower case, in the order in which they appear first."""
        self._split()
        return iter([key.decode("latin-1") for key in dict.fromkeys(self._keys)])

    def items(self) -> list[tuple[str, str]]:
        """Every line, as it was spelled."""
        self._split()
        return [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in zip(self._names, self._values, strict=True)
        ]

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        """Every line, the names in lower case: the form that ASGI wants."""
        pairs: list[tuple[bytes, bytes]] = []
        block = self._block
        if self._is_split or block is None:
            values = self._values
            for index, key in enumerate(self._keys):
                pairs.append((key, values[index]))
            return pairs
        at: i64 = 0
        end: i64 = len(block)
        while at < end:  # who wants all of them as pairs needs no lists
            colon, first, last, following = _line_at(block, at)
            pairs.append((block[at:colon].translate(_LOWER), block[first:last]))
            at = following
        return pairs

    @property
    def block(self) -> bytes:
        r"""All lines as they travel: ``b"host: a\r\naccept: */*\r\n"``."""
        block = self._block
        if block is None:
            parts: list[bytes] = []
            for index, name in enumerate(self._names):
                parts.append(name + b": " + self._values[index] + b"\r\n")
            block = self._block = b"".join(parts)
        return block

    def has_token(self, name: str, token: str) -> bool:
        """Whether the list under ``name`` holds ``token``, whatever its case: ``has_token("connection", "close")``."""
        value = self.get_raw(name.lower().encode("latin-1", "replace"))
        return value is not None and grammar.has_token(value, token.lower().encode("latin-1", "replace"))

    # -- changing -----------------------------------------------------------------------------------

    def add(self, name: Text, value: Text) -> None:
        """Append a line, after those of the same name.

        Raises:
            EncodeError: the name is no token, or the value has a control character.
        """
        known = _BY_TEXT.get(name) if isinstance(name, str) else _BY_BYTES.get(name)
        if known is not None:
            key = spelled = known.key
            start = known.start
            is_decisive = known.is_decisive
        else:
            spelled = _as_bytes("the name of a header", name)
            if not grammar.is_token(spelled):
                raise EncodeError(f"the name of a header is a token, not {spelled!r}")
            key = spelled.lower()
            start = spelled + b": "
            is_decisive = key in _DECISIVE
        content = _as_bytes("the value of a header", value)
        if not grammar.is_field_value(content):
            raise EncodeError(f"the value of {spelled.decode('latin-1')} has a control character: {content!r}")
        size: i64 = len(content)
        if size > 0 and (content[0] <= grammar.SPACE or content[size - 1] <= grammar.SPACE):
            content = content.strip(b" \t")
        if is_decisive and self._facts >= 0:
            self._facts = self._facts_with(self._facts, key, content)
        block = self._block
        if block is not None and not self._is_split and len(block) < _SHORT:
            line = b"%b%b\r\n" % (start, content)
            self._block = block + line if block else line
            return
        self._split()
        self._block = None
        self._keys.append(key)
        self._names.append(spelled)
        self._values.append(content)

    def __setitem__(self, name: str, value: Text) -> None:
        """Put one line in the place of all lines of that name."""
        line = Headers([(name, value)])
        line._split()
        self._split()
        self.discard(name)
        self._keys.append(line._keys[0])
        self._names.append(line._names[0])
        self._values.append(line._values[0])
        self._changed()

    def __delitem__(self, name: str) -> None:
        """Take away all lines of that name; ``KeyError`` when there is none."""
        if name not in self:
            raise KeyError(name)
        self.discard(name)

    def discard(self, name: str) -> None:
        """Take away all lines of that name, if there are any."""
        self._split()
        key = name.lower().encode("latin-1", "replace")
        if key not in self._keys:
            return
        kept = [index for index, known in enumerate(self._keys) if known != key]
        self._keys = [self._keys[index] for index in kept]
        self._names = [self._names[index] for index in kept]
        self._values = [self._values[index] for index in kept]
        self._changed()

    def copy(self) -> Headers:
        """Return headers that may be changed without changing these."""
        return Headers(self)

    # -- how they compare and look ------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        """Whether the lines are the same, in the same order, whatever the case of their names."""
        if not isinstance(other, Headers):
            return NotImplemented
        self._split()
        other._split()
        return self._keys == other._keys and self._values == other._values

    def __hash__(self) -> int:
        raise TypeError("headers can be changed, and have no hash")

    def __repr__(self) -> str:
        return f"Headers({self.shown()!r})"

    def shown(self) -> list[tuple[str, str]]:
        """Every line as a log may show it: without cookies and credentials, which would let its readers in."""
        return [(name, _HIDDEN if name.lower() in _SECRET else value) for name, value in self.items()]

    # -- for the stages of this house ---------------------------------------------------------------

    def facts(self) -> i64:
        """Tell which of the headers are here that decide about framing and the connection (``HAS_…``, ``SAYS_…``)."""
        if self._facts >= 0:
            return self._facts
        self._split()
        facts: i64 = 0
        for index, key in enumerate(self._keys):
            facts = self._facts_with(facts, key, self._values[index])
            if facts < 0:
                raise EncodeError(f"Content-Length is one decimal number, not {self.get('content-length')!r}")
        self._facts = facts
        return facts

    def _facts_with(self, facts: i64, key: bytes, value: bytes) -> i64:
        """Tell what is known with one line more; -1 for a length that is none, which ``facts()`` will refuse."""
        if key == b"content-length":
            length: i64 = grammar.decimal(value)
            if facts & HAS_LENGTH or length < 0:
                self._length = -1
                return -1
            self._length = length
            facts |= HAS_LENGTH
        elif key == b"transfer-encoding":
            facts |= HAS_CODING
            if value.lower() == b"chunked":
                facts |= IS_CHUNKED
        elif key == b"date":
            facts |= HAS_DATE
        elif key == b"host":
            facts |= HAS_HOST
        elif key == b"expect":
            facts |= HAS_EXPECT
        elif key == b"connection":
            facts |= HAS_CONNECTION
            if grammar.has_token(value, b"close"):
                facts |= SAYS_CLOSE
            if grammar.has_token(value, b"keep-alive"):
                facts |= SAYS_KEEP_ALIVE
            if grammar.has_token(value, b"upgrade"):
                facts |= SAYS_UPGRADE
        return facts

    @property
    def length(self) -> int:
        """The number of Content-Length, once ``facts()`` has been asked; -1 without one."""
        return self._length

    def _changed(self) -> None:
        self._block = None
        self._facts = -1
        self._length = -1

    def _split(self) -> None:
        """Take the block apart.  It has been validated: each line has a colon and ends with CRLF."""
        if self._is_split:
            return
        self._is_split = True
        self._keys = []
        self._names = []
        self._values = []
        block = self._block
        assert block is not None, "only headers that were taken apart have none"
        at: i64 = 0
        end: i64 = len(block)
        while at < end:
            colon, first, last, following = _line_at(block, at)
            name = block[at:colon]
            self._names.append(name)
            self._keys.append(name.translate(_LOWER))
            self._values.append(block[first:last])
            at = following


def _line_at(block: bytes, start: i64) -> tuple[i64, i64, i64, i64]:
    """Find the colon of the line that begins at ``start``, where its value begins and ends, and the next line."""
    colon: i64 = start
    while block[colon] != grammar.COLON:
        colon += 1
    first: i64 = colon + 1
    last: i64 = first
    while block[last] != grammar.CR:
        last += 1
    following: i64 = last + 2
    while first < last and (block[first] == grammar.SPACE or block[first] == grammar.TAB):
        first += 1
    while last > first and (block[last - 1] == grammar.SPACE or block[last - 1] == grammar.TAB):
        last -= 1
    return colon, first, last, following


def from_block(block: bytes) -> Headers:
    """Make headers of a block that a decoder has validated."""
    headers = Headers()
    headers._block = block
    headers._facts = -1
    return headers


def as_headers(items: HeadersLike) -> Headers:
    """Return ``items`` themselves if they are headers already, and headers made of them otherwise."""
    return items if isinstance(items, Headers) else Headers(items)


def _as_bytes(what: str, text: Text) -> bytes:
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str):
        raise TypeError(f"{what} is text or bytes, not {text!r}")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as exc:
        error = EncodeError(f"{what} has a character that is no byte in Latin-1: {text!r}")
        raise with_cause(error, exc) from exc
