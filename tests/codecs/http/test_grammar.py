"""Which bytes may stand where, against lists written independently of the tables."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.codecs.http import grammar

_TOKEN = string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~"


@pytest.mark.parametrize("byte", range(256))
def test_every_byte_alone(byte: int) -> None:
    text = bytes([byte])
    assert grammar.is_token(text) is (chr(byte) in _TOKEN)
    assert grammar.is_target(text) is (33 <= byte <= 126 and byte != ord("#"))
    assert grammar.is_field_value(text) is (byte == 9 or 32 <= byte <= 126 or byte >= 128)


def test_nothing_is_no_token_and_no_target_but_a_value() -> None:
    assert not grammar.is_token(b"")
    assert not grammar.is_target(b"")
    assert grammar.is_field_value(b"")


@given(st.integers(0, grammar.MAX_NUMBER))
def test_a_number_is_read(number: int) -> None:
    assert grammar.decimal(b"%d" % number) == number
    assert grammar.decimal(b"000%d" % number) == number


@given(st.binary(max_size=30))
def test_only_digits_are_a_number(text: bytes) -> None:
    is_number = text.isdigit() and int(text) <= grammar.MAX_NUMBER
    assert (grammar.decimal(text) >= 0) is is_number


@pytest.mark.parametrize(
    "text", [b"", b"1_0", b"+1", b"-1", b" 1", b"1 ", b"\xd9\xa1", b"288230376151711745", b"9" * 99]
)
def test_what_python_would_read_and_we_do_not(text: bytes) -> None:
    assert grammar.decimal(text) == -1


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (b"", True),
        (b"a", True),
        (b"a.b-c_d~e:80", True),
        (b"a:", True),
        (b"127.0.0.1:8080", True),
        (b"[::1]", True),
        (b"[::1]:80", True),
        (b"[v1.x]", True),
        (b"%41", True),
        (b"[", False),
        (b"[::1", False),
        (b"[::1]80", False),
        (b"[::1]:8x", False),
        (b"[[::1]]", False),
        (b"a]", False),
        (b"a[", False),
        (b"::1", False),
        (b"a:80:80", False),
        (b"a:x", False),
        (b"a b", False),
        (b"a,b", False),
        (b"a/b", False),
        (b"a\\b", False),
        (b"u@a", False),
        (b"\xe9", False),
    ],
)
def test_hosts(text: bytes, valid: bool) -> None:
    assert grammar.is_host(text) is valid


@pytest.mark.parametrize(
    ("value", "has"),
    [
        (b"close", True),
        (b"Close", True),
        (b"x, CLOSE ,y", True),
        (b"x,\tclose", True),
        (b"closed", False),
        (b"x close", False),
        (b"", False),
    ],
)
def test_a_token_in_a_list(value: bytes, has: bool) -> None:
    assert grammar.has_token(value, b"close") is has
