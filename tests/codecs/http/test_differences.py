"""Two other parsers read the same bytes: h11, and llhttp of Node.js (by way of httptools).

What they accept and we refuse, or the reverse, is one of the decisions below, each of which is explained in
``docs/explanation/http-strictness.md``; or it is a bug.  Requests are made by a grammar that goes wrong now and then.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any, Final

import attrs
import h11
import httptools
import pytest

from pipeline_net.codecs.http import Data, End, HttpDecodeError, HttpRequestDecoder, Request
from pipeline_net.errors import DecodeError

_PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "http-strictness.md"

Read = tuple[str, bytes, bytes]  # method, target, body


@attrs.frozen
class Verdict:
    """The requests that are complete, and whether what follows them is refused."""

    found: list[Read]
    refuses: bool
    stops: bool = False  # it does not look at what follows


def ours(data: bytes) -> Verdict:
    decoder = HttpRequestDecoder()
    refuses = False
    try:
        parts = decoder.feed(data)
    except DecodeError as exc:
        parts = exc.messages
        refuses = True
    found: list[Read] = []
    body = b""
    request: Any = None
    for part in parts:
        if isinstance(part, Request):
            request, body = part, b""
        elif isinstance(part, Data):
            body += bytes(part.data)  # type: ignore[arg-type]  # what is read is never a part of a file
        elif isinstance(part, End):
            found.append((request.method, request.raw_target, body))
    return Verdict(found, refuses)


def h11s(data: bytes) -> Verdict:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    request: Any = None
    body = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                request, body = event, b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                # the next one would need an answer first
                return Verdict([(request.method.decode(), request.target, body)], False, stops=True)
            else:
                return Verdict([], False)
    except h11.RemoteProtocolError:
        return Verdict([], True)


class _Listener:
    def __init__(self) -> None:
        self.found: list[Read] = []
        self.parser: Any = None
        self._target = b""
        self._body = b""

    def on_message_begin(self) -> None:
        self._target = self._body = b""

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self.found.append((self.parser.get_method().decode(), self._target, self._body))


def llhttps(data: bytes) -> Verdict:
    listener = _Listener()
    parser = httptools.HttpRequestParser(listener)
    listener.parser = parser
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        return Verdict(
            listener.found[:-1], False, stops=True
        )  # it leaves a body that comes before the switch to others
    except httptools.HttpParserError:
        return Verdict(listener.found, True)
    return Verdict(listener.found, False)


# Decisions: what makes us refuse a request that another parser takes.
STRICTER: Final = {
    "a line ends with CRLF": rb"(?<!\r)\n|\r(?!\n)",
    "no header goes on in the next line": rb"\r\n[ \t]",
    "one Content-Length, or one Transfer-Encoding": rb"(?is)(?:content-length|coding):.*(?:content-length|coding):",
    "a Content-Length is one number": rb"(?i)content-length:[ \t]*+(?![0-9]{1,18}[ \t]*\r\n)",
    "the one transfer coding is chunked": rb"(?i)transfer-encoding:[ \t]*+(?!chunked[ \t]*\r\n)",
    "HTTP/1.0 has no Transfer-Encoding": rb"(?is)HTTP/1\.0.*transfer-encoding:",
    "one Host": rb"(?is)\nhost:.*\nhost:",
    "HTTP/1.1 has a Host": rb"(?im)^[^\r\n]* HTTP/1\.1\r\n(?!(?:[^\r\n]+\r\n)*host:)",
    "a Host is a name or an address": rb"(?i)\nhost:[ \t]*+(?![a-z.]*(?::[0-9]*)?[ \t]*\r\n)",
    "a target is a path, a URL, or *": rb"(?m)^[^ \r\n]+ (?!/)[^ \r\n]* ",
    "a target has no fragment": rb"(?m)^[^ \r\n]+ [^ \r\n]*#",
    "a target is visible ASCII": rb"(?m)^[^ \r\n]+ [^\r\n]*[^!-~\r\n][^\r\n]* HTTP",
    "there is no HTTP/0.9": rb"\A[^ \r\n]+ [^ \r\n]+\r\n",
    "other versions are 505": rb"(?m)^[^ \r\n]+ [^\r\n]* HTTP/(?!1\.[01]\r\n)",
    "other expectations are 417": rb"(?i)expect:[ \t]*+(?!100-continue[ \t]*\r\n)",
    "a method is any token, but nothing else": rb"(?m)^[^\r\n!#-'*+.0-9A-Z^_`a-z|~-]"
    rb"|^[^ \r\n]*[^ \r\n!#-'*+.0-9A-Z^_`a-z|~-][^ \r\n]* [^ \r\n]* HTTP/",
    "no control characters": rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]",
    "no framing headers as trailers": rb"(?is)\r\n0+\r\n.*(?:host|content-length|transfer-encoding):",
    "a chunk's size is not followed by blanks": rb"(?i)\n[0-9a-f]+[ \t]+(?:\r\n|;|[^;])",
    "a chunk extension is one": rb"(?i)\n[0-9a-f]+[ \t]*;",
}

# What makes another parser refuse a request that we take.
LAXER: Final = {
    "llhttp": {
        "any token is a method": rb"(?m)^(?!(?:GET|POST|PUT|OPTIONS) )[!-~]+ [^\r\n]* HTTP/1",
        "chunk extensions are read as the grammar has them": rb"(?i)\n[0-9a-f]+[ \t]*;",
        "what follows the last request is not looked at": rb"(?is)connection:[^\r\n]*close|HTTP/1\.0",
        "a number may have leading zeros": rb"(?i)content-length:[ \t]*0\d",
        "a scheme may have digits": rb"(?m)^[^ ]+ [a-z]+[0-9][a-z]*://",
    },
    "h11": {
        "an empty line before a request is skipped": rb"\A\r\n",
        "bytes behind a message are the next one's": rb"(?s)\r\n\r\n.",
    },
}

_NAMES: Final = [b"Host", b"host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Expect", b"X", b"Upgrade"]
_VALUES: Final = {
    b"host": [b"a", b"a.b:80", b"", b"a b", b"a,b"],
    b"content-length": [
        b"0",
        b"3",
        b"03",
        b"+3",
        b"3,3",
        b"3 ",
        b" 3",
        b"0x3",
        b"3_0",
        b"-1",
        b"",
        b"99999999999999999999",
    ],
    b"transfer-encoding": [
        b"chunked",
        b"Chunked",
        b"xchunked",
        b"chunked, identity",
        b"gzip, chunked",
        b"",
        b"chunked ",
    ],
    b"connection": [b"close", b"keep-alive", b"upgrade", b"x"],
    b"expect": [b"100-continue", b"x"],
    b"x": [b"y", b"", b"a\tb", b"\xe9", b"y z"],
    b"upgrade": [b"x"],
}
_BODIES: Final = [
    b"",
    b"abc",
    b"3\r\nabc\r\n0\r\n\r\n",
    b"3;a=b\r\nabc\r\n0\r\nt: u\r\n\r\n",
    b"03\r\nabc\r\n00\r\n\r\n",
    b"3 \r\nabc\r\n0\r\n\r\n",
    b"3\nabc\n0\n\n",
    b"3\r\nabcd\r\n0\r\n\r\n",
    b"0x3\r\nabc\r\n0\r\n\r\n",
    b'3;a="\r\n"\r\nabc\r\n0\r\n\r\n',
    b"0\r\nContent-Length: 3\r\n\r\n",
    b"0\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n",
]
_NOISE: Final = [b"\n", b"\r", b"\0", b" ", b"\t", b":", b"\r\n", b"\x0b", b"\xff", b";", b",", b"0"]


def _request(chance: random.Random) -> bytes:
    """A request that is right more often than not, and sometimes has a byte too many or too few."""
    method = chance.choice([b"GET", b"POST", b"PUT", b"GET", b"OPTIONS", b"FOO"])
    target = chance.choice([b"/", b"/a?b", b"/", b"/%20", b"*", b"http://a/", b"/#x", b"/\xe9"])
    version = chance.choice([b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1"])
    lines = [b"%b %b %b" % (method, target, version)]
    if chance.random() < 0.9:
        lines.append(b"Host: a")
    for _ in range(chance.randrange(4)):
        name = chance.choice(_NAMES)
        colon = chance.choice([b": "] * 10 + [b":", b" : ", b":\t"])
        lines.append(name + colon + chance.choice(_VALUES[name.lower()]))
    data = b"\r\n".join([*lines, b"", b""]) + chance.choice(_BODIES)
    for _ in range(chance.choice([0, 0, 0, 1, 2])):
        at = chance.randrange(len(data) + 1)
        data = data[:at] + (chance.choice(_NOISE) if chance.random() < 0.7 else b"") + data[at + chance.randrange(2) :]
    return data


def _decided(data: bytes, decisions: dict[str, bytes]) -> bool:
    return any(re.search(pattern, data) for pattern in decisions.values())


def _difference(data: bytes, name: str, theirs: Verdict) -> str | None:
    """What is not a decision, or None."""
    mine = ours(data)
    shortest = min(len(mine.found), len(theirs.found))
    if mine.found[:shortest] != theirs.found[:shortest]:
        return f"we read {mine}, {name} reads {theirs}"
    if mine.refuses and not theirs.refuses:
        says_nothing = theirs.stops and (name == "llhttp" or len(mine.found) > 0)
        return None if says_nothing or _decided(data, STRICTER) else f"{name} reads {theirs}, we refuse after {mine}"
    if theirs.refuses and not mine.refuses and len(mine.found) > len(theirs.found):
        return None if _decided(data, LAXER[name]) else f"we read {mine}, {name} refuses after {theirs}"
    return None  # whoever refuses, and has found as much, has judged a line of which the end had not come


@pytest.mark.parametrize("seed", range(20))
def test_other_parsers_see_the_same_requests_or_it_is_a_decision(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(400):
        data = _request(chance)
        for name, read in (("h11", h11s), ("llhttp", llhttps)):
            found = _difference(data, name, read(data))
            assert found is None, f"{found}: {data!r}"


def test_the_matrix_of_known_attacks() -> None:
    """The rows of the table in the manual: what each of the three makes of them."""
    rows = {
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": (
            False,
            True,
            False,
        ),
        b"GET / HTTP/1.1\nHost: a\n\n": (False, True, False),
        b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n": (False, True, False),
        b"GET / HTTP/1.1\r\n\r\n": (False, False, True),
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n": (False, False, False),
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc": (False, False, False),
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0_3\r\n\r\nabc": (False, False, False),
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n": (False, False, False),
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n": (False, False, False),
    }
    for data, verdicts in rows.items():
        assert tuple(not read(data).refuses for read in (ours, h11s, llhttps)) == verdicts, data


@pytest.mark.skipif(not _PAGE.exists(), reason="the manual is not here")
def test_every_decision_is_in_the_manual() -> None:
    page = _PAGE.read_text()
    assert [name for name in (*STRICTER, *LAXER["h11"], *LAXER["llhttp"]) if name not in page] == []


def test_an_error_says_what_to_answer() -> None:
    with pytest.raises(HttpDecodeError):
        HttpRequestDecoder().feed(b"\x00")
