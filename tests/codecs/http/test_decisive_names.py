"""The headers that decide about framing or the connection: each is found under its length."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline_net.codecs.http import HttpDecodeError, HttpRequestDecoder, Request, decisive_names

_NAMES = {
    "host": decisive_names.HOST,
    "expect": decisive_names.EXPECT,
    "upgrade": decisive_names.UPGRADE,
    "connection": decisive_names.CONNECTION,
    "content-length": decisive_names.CONTENT_LENGTH,
    "transfer-encoding": decisive_names.TRANSFER_ENCODING,
}


def head(*lines: str) -> bytes:
    return "\r\n".join(["POST / HTTP/1.1", *lines, "", ""]).encode("ascii")


def decoded(*lines: str) -> Request:
    request = HttpRequestDecoder().feed(head(*lines))[0]
    assert isinstance(request, Request)
    return request


@pytest.mark.parametrize(("name", "length"), _NAMES.items())
def test_a_length_stands_for_a_name(name: str, length: int) -> None:
    assert length == len(name) <= decisive_names.LONGEST
    assert decisive_names.NAMES[length] == name.encode()
    assert decisive_names.TITLES[length] == "-".join(word.capitalize() for word in name.split("-")).encode()
    assert chr(decisive_names.FIRST_LETTERS[length]) == name[0]


def test_other_lengths_stand_for_nothing() -> None:
    others = set(range(decisive_names.LONGEST + 1)) - set(_NAMES.values())
    assert all(not decisive_names.NAMES[length] and not decisive_names.FIRST_LETTERS[length] for length in others)


@pytest.mark.parametrize("spell", [str.lower, str.title, str.upper, str.swapcase, lambda name: name[:-1] + "X"])
def test_any_case_is_understood_and_no_other_name(spell: Callable[[str], str]) -> None:
    is_other = spell("host").endswith("X")
    assert decoded("Host: a", f"{spell('content-length')}: 5").body_length == (0 if is_other else 5)
    assert decoded("Host: a", f"{spell('connection')}: close").keep_alive is is_other
    upgrade = decoded("Host: a", "Connection: upgrade", f"{spell('upgrade')}: websocket")
    assert upgrade.wants_upgrade is not is_other
    expecting = decoded("Host: a", "Content-Length: 5", f"{spell('expect')}: 100-continue")
    assert expecting.expects_continue is not is_other
    chunked = decoded("Host: a", f"{spell('transfer-encoding')}: chunked")
    assert chunked.body_length == (0 if is_other else -1)
    if is_other:
        with pytest.raises(HttpDecodeError, match="has a Host"):
            decoded(f"{spell('host')}: a")
    else:
        with pytest.raises(HttpDecodeError, match="more than one Host"):
            decoded("Host: a", f"{spell('host')}: a")
