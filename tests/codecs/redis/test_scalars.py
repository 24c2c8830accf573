from __future__ import annotations

import math
import sys
import time

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net import DecodeError
from pipeline_net.codecs import redis
from pipeline_net.codecs.redis import rules, scalars


def test_what_is_said_most_is_made_once() -> None:
    assert scalars.of_line(rules.SIMPLE, b"OK") is redis.OK
    assert scalars.of_line(rules.SIMPLE, b"PONG") is redis.PONG
    assert scalars.of_line(rules.SIMPLE, b"QUEUED") is redis.QUEUED
    assert scalars.of_line(rules.SIMPLE, b"ok") == redis.SimpleString("ok")


@pytest.mark.parametrize(
    ("line", "code", "text"),
    [
        (b"ERR unknown command", "ERR", b"unknown command"),
        (b"WRONGTYPE Operation", "WRONGTYPE", b"Operation"),
        (b"NOSCRIPT", "NOSCRIPT", b""),
        (b"ERR  two blanks ", "ERR", b" two blanks "),
        (b"", "ERR", b""),
        (b" no code", "ERR", b" no code"),
        (b"gr\xc3\xbcn text", "ERR", b"gr\xc3\xbcn text"),
        (b"A\x7f text", "ERR", b"A\x7f text"),
        (b"two\r\nlines", "ERR", b"two\r\nlines"),
    ],
)
def test_an_error_has_a_code_and_a_text(line: bytes, code: str, text: bytes) -> None:
    error = scalars.error_of(line)
    assert (error.code, error.text) == (code, text)


@given(st.floats(allow_nan=False) | st.floats(allow_nan=False).map(lambda value: round(value, 3)))
def test_a_double_is_read_as_it_was_meant(value: float) -> None:
    for line in (repr(value).encode(), b"%.17g" % value):
        read = scalars.of_line(rules.DOUBLE, line)
        assert type(read) is float
        assert (read, math.copysign(1, read)) == (value, math.copysign(1, value))


@given(st.text("0123456789+-.eE_ infa", max_size=8).map(str.encode))
def test_what_hiredis_takes_for_no_double_neither_do_we(line: bytes) -> None:
    reader = hiredis.Reader()
    reader.feed(b"," + line + b"\r\n")
    try:
        ours = scalars.of_line(rules.DOUBLE, line)
    except DecodeError:
        return  # ours is stricter: .5 and INF are refused
    if line.startswith(b"+"):
        return  # the specification allows it, hiredis does not
    theirs = reader.gets()
    assert theirs == ours or (math.isnan(theirs) and math.isnan(ours))


@given(st.integers(-(10**100), 10**100))
def test_a_big_number_is_read_as_it_was_meant(number: int) -> None:
    assert scalars.of_line(rules.BIG_NUMBER, b"%d" % number) == number


def test_a_big_number_has_as_many_digits_as_python_reads_and_no_more() -> None:
    assert scalars.of_line(rules.BIG_NUMBER, b"-" + b"9" * 4300) == -(10**4300) + 1
    with pytest.raises(DecodeError, match="4301 digits is over the limit of 4300"):
        scalars.of_line(rules.BIG_NUMBER, b"1" + b"0" * 4300)


def test_an_interpreter_that_reads_fewer_digits_refuses_them() -> None:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        with pytest.raises(DecodeError, match="too big number"):
            scalars.of_line(rules.BIG_NUMBER, b"9" * 641)
    finally:
        sys.set_int_max_str_digits(before)


@pytest.mark.parametrize("kind", [rules.DOUBLE, rules.BIG_NUMBER])
def test_long_numbers_cost_no_time(kind: int) -> None:
    started = time.process_time()
    for line in (b"9" * 60_000, b"1." + b"0" * 60_000, b"1e" + b"9" * 60_000):
        with pytest.raises(DecodeError):
            scalars.of_line(kind, line)
    assert time.process_time() - started < 2  # seconds


def test_a_verbatim_string_says_of_which_format_it_is() -> None:
    assert scalars.of_bulk(rules.VERBATIM, b"mkd:# a:b") == redis.Verbatim("mkd", "# a:b")
    assert scalars.of_bulk(rules.BULK_ERROR, b"ERR a\nb") == redis.RedisError("ERR", "a\nb")
    for data in (b"", b"txt", b"txta", b"tx:a", b"t:x:a", b"text:a"):
        with pytest.raises(DecodeError, match="invalid verbatim string"):
            scalars.of_bulk(rules.VERBATIM, data)
