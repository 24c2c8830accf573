from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net import DecodeError
from pipeline_net.codecs.redis import rules


@pytest.mark.parametrize(
    ("line", "length"),
    [
        (b"0\r\n", 0),
        (b"7\r\n", 7),
        (b"100\r\n", 100),
        (b"-1\r\n", rules.ABSENT),
        (b"?\r\n", rules.STREAMED),
        *((line, rules.UNFINISHED) for line in (b"", b"1", b"10", b"100\r", b"-", b"-1", b"-1\r", b"?", b"?\r")),
    ],
)
def test_a_length_is_read_or_is_not_all_there(line: bytes, length: int) -> None:
    lengths = rules.Lengths()
    data = b"$" + line
    assert lengths.read(data, 1, len(data), 100) == length
    if length != rules.UNFINISHED:
        assert lengths.after == len(data)
        assert lengths.read(data + b"more", 1, len(data) + 4, 100) == length
        assert lengths.after == len(data)


@pytest.mark.parametrize(
    "line", [b"101", b"00", b"\r", b"1\n", b"1\rx", b"+", b"-2", b"--", b"-1x", b"?1", b"1?", b" ", b"\xb2"]
)
def test_a_wrong_length_is_refused_at_its_first_wrong_byte(line: bytes) -> None:
    lengths = rules.Lengths()
    assert lengths.read(b"*" + line[:-1], 1, len(line), 100) == rules.UNFINISHED
    with pytest.raises(DecodeError, match="a decimal number up to 100, not") as caught:
        lengths.read(b"*" + line, 1, len(line) + 1, 100)
    assert caught.value.reply == b"-ERR Protocol error: invalid multibulk length\r\n"


@given(st.integers(-(2**66), 2**66), st.sampled_from([b"", b"+"]))
def test_an_integer_is_read_if_it_has_64_bits(number: int, sign: bytes) -> None:
    data = b":" + (sign if number >= 0 else b"") + b"%d\r\n" % number
    lengths = rules.Lengths()
    if -(2**63) <= number < 2**63:
        assert lengths.read_integer(data, 1, len(data)) == number
        assert lengths.after == len(data)
        for end in range(1, len(data)):
            assert lengths.read_integer(data, 1, end) == 0
            assert lengths.after == rules.UNFINISHED
    else:
        with pytest.raises(DecodeError, match="number of 64 bits"):
            lengths.read_integer(data, 1, len(data))


@pytest.mark.parametrize("edge", [2**63 - 1, -(2**63)])
def test_the_edges_of_64_bits_are_read_and_what_is_beyond_is_not(edge: int) -> None:
    lengths = rules.Lengths()
    data = b"%d\r\n" % edge
    assert lengths.read_integer(data, 0, len(data)) == edge
    for beyond in (edge + (1 if edge > 0 else -1), edge * 10):
        with pytest.raises(DecodeError):
            lengths.read_integer(b"%d\r\n" % beyond, 0, len(b"%d\r\n" % beyond))


@pytest.mark.parametrize("value", [0, -1, 2**58 + 1, 2**64])
def test_a_limit_is_checked(value: Any) -> None:
    with pytest.raises(ValueError, match=f"max_things must be from 1 to {2**58}, but is {value}"):
        rules.checked("max_things", value)
    assert rules.checked("max_things", 2**58) == 2**58
    assert rules.checked("max_things", 0, 0) == 0


def test_a_refusal_says_what_a_server_answers() -> None:
    refusal = rules.refusal("too big", "it is very big")
    assert str(refusal) == "too big: it is very big"
    assert refusal.reply == b"-ERR Protocol error: too big\r\n"
    assert rules.unended().reply == b"-ERR Protocol error: invalid bulk length\r\n"


def test_a_line_end_is_there_or_may_still_come() -> None:
    assert rules.ends_line(b"_\r\n", 0, 1, 3)
    assert not rules.ends_line(b"_\r", 0, 1, 2)
    assert not rules.ends_line(b"_", 0, 1, 1)
    for data in (b"_x", b"_\rx", b"_\n"):
        with pytest.raises(DecodeError, match="goes on"):
            rules.ends_line(data, 0, 1, len(data))


def test_a_boolean_is_one_letter() -> None:
    assert rules.is_true(b"#t", 1)
    assert not rules.is_true(b"#f", 1)
    with pytest.raises(DecodeError, match="expected t or f, not b'T'"):
        rules.is_true(b"#T", 1)
