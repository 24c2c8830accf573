from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.codecs import redis
from pipeline_net.codecs.redis.arguments import (
    bad_subcommand,
    small_integer,
    syntax_error,
    unknown_command,
    unknown_subcommand,
    wrong_arity,
)


@pytest.mark.parametrize("number", [0, 1, -1, 9, 10, 2**63 - 1, -(2**63), 1234567890123456789])
def test_numbers_of_64_bits_are_read(number: int) -> None:
    assert redis.integer(b"%d" % number) == number


@pytest.mark.parametrize(
    "arg",
    [
        *(b"", b"-", b"+1", b" 1", b"1 ", b"01", b"-0", b"-01", b"1_0", b"0x1", b"1.0", b"\xb2", b"1\0"),
        *(b"9223372036854775808", b"-9223372036854775809", b"1" * 100, b"--1", b"1e3"),
    ],
)
def test_what_the_real_server_does_not_take_for_a_number_is_refused(arg: bytes) -> None:
    with pytest.raises(redis.CommandError, match="value is not an integer or out of range"):
        redis.integer(arg)
    with pytest.raises(redis.CommandError, match="my own words"):
        redis.integer(arg, "my own words")


@given(st.integers())
def test_just_the_numbers_of_64_bits_are_read(number: int) -> None:
    if -(2**63) <= number < 2**63:
        assert redis.integer(b"%d" % number) == number
    else:
        with pytest.raises(redis.CommandError):
            redis.integer(b"%d" % number)


@pytest.mark.parametrize(("arg", "fits"), [(2**31 - 1, True), (2**31, False), (-(2**31), True), (-(2**31) - 1, False)])
def test_numbers_of_32_bits(arg: int, fits: bool) -> None:
    if fits:
        assert small_integer(b"%d" % arg) == arg
    else:
        with pytest.raises(redis.CommandError, match="must between -2147483648 and 2147483647"):
            small_integer(b"%d" % arg)


@pytest.mark.parametrize(
    ("arg", "shown"), [(b"plain", b"plain"), (b"a\r\nb", b"a  b"), (b"a\0b", b"a"), (b"x" * 129, b"x" * 128)]
)
def test_what_a_client_sent_fits_into_a_line(arg: bytes, shown: bytes) -> None:
    assert redis.printable(arg) == shown


def test_errors_have_the_words_of_the_real_server() -> None:
    entry = redis.CommandTable().find([b"CLIENT", b"KILL"])
    assert entry is not None
    for error, words in (
        (unknown_command([b"NOPE", b"a", b"b"]), "unknown command 'NOPE', with args beginning with: 'a' 'b' "),
        (unknown_subcommand([b"client", b"x\n"]), "unknown subcommand 'x '. Try CLIENT HELP."),
        (wrong_arity(entry), "wrong number of arguments for 'client|kill' command"),
        (syntax_error(), "syntax error"),
        (
            bad_subcommand([b"client", b"pause"]),
            "unknown subcommand or wrong number of arguments for 'pause'. Try CLIENT HELP.",
        ),
    ):
        assert error.reply == redis.RedisError("ERR", words)


def test_an_unknown_command_is_repeated_in_part_however_long_it_is() -> None:
    error = unknown_command([b"x" * 1000, *[b"y" * 1000] * 1000])
    assert len(error.reply.wire) < 400
