from __future__ import annotations

import time
from typing import Any

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net import CorruptedFrameError, DecodeError, PipelineError
from pipeline_net.codecs import redis
from pipeline_net.codecs.redis.decoder import split_words
from pipeline_net.testing import check_decoder, check_limits, chunks

SET = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n"
PING = b"*1\r\n$4\r\nPING\r\n"

# What the real server (7.0.15) makes of these bytes.
COMMANDS: list[tuple[bytes, list[Any]]] = [
    (SET, [[b"SET", b"key", b"value"]]),
    (PING * 3, [[b"PING"]] * 3),
    (b"*2\r\n$0\r\n\r\n$0\r\n\r\n", [[b"", b""]]),
    (b"*2\r\n$4\r\nECHO\r\n$9\r\na\r\n$1\r\nb\xff\r\n", [[b"ECHO", b"a\r\n$1\r\nb\xff"]]),
    (b"*1\r\n$12\r\n*1\r\n$4\r\nPING\r\n", [[b"*1\r\n$4\r\nPING"]]),
    (b"*0\r\n" + PING, [[b"PING"]]),
    (b"*-1\r\n*-9223372036854775808\r\n" + PING, [[b"PING"]]),
    (b"*0\r\n", []),
    (b"*12\r\n" + b"$1\r\na\r\n" * 12, [[b"a"] * 12]),
    (b"*2\r\n$10\r\n0123456789\r\n$123\r\n" + b"x" * 123 + b"\r\n", [[b"0123456789", b"x" * 123]]),
]

INLINE: list[tuple[bytes, list[Any]]] = [
    (b"PING\r\n", [[b"PING"]]),
    (b"PING\n", [[b"PING"]]),
    (b"\r\n\n  \r\nPING\n", [[b"PING"]]),
    (b" set  key\tvalue \r\n", [[b"set", b"key", b"value"]]),
    (b"ping 'a b' \r\n", [[b"ping", b"a b"]]),
    (b'echo a"b c"\r\n', [[b"echo", b"ab c"]]),
    (b'echo "\\x41\\n\\r\\t\\b\\a\\q\\\\\\"\\xZZ"\r\n', [[b"echo", b'A\n\r\t\b\aq\\"xZZ']]),
    (b"echo 'a\\'b\\n' \"it's\"\r\n", [[b"echo", b"a'b\\n", b"it's"]]),
    (b"echo \"\" ''\r\n", [[b"echo", b"", b""]]),
    (b"echo a\\ b\r\n", [[b"echo", b"a\\", b"b"]]),
    (b"echo a\x0bb \x0b\x0cc\r\n", [[b"echo", b"a\x0bb", b"c"]]),
    (b"a\rb\r\r\n", [[b"a", b"b"]]),
    (b"PING\r\n" + SET + b"PING\r\n", [[b"PING"], [b"SET", b"key", b"value"], [b"PING"]]),
    (b"\xff\xfe\r\n", [[b"\xff\xfe"]]),
]

COUNT = "invalid multibulk length"
BULK = "invalid bulk length"

# What the real server answers to these.  Where "ours" is said, it would skip over the mistake, or wait for ever; limits
# and endless lines come out later there.
HOSTILE: list[tuple[bytes, str]] = [
    (b"*\r\n", COUNT),
    (b"*01\r\n", COUNT),
    (b"*00\r\n", COUNT),
    (b"*-0\r\n", COUNT),
    (b"*-01\r\n", COUNT),
    (b"*-\r\n", COUNT),
    (b"*--1\r\n", COUNT),
    (b"*1-\r\n", COUNT),
    (b"*-1x\r\n", COUNT),
    (b"*+1\r\n", COUNT),
    (b"* 1\r\n", COUNT),
    (b"*1 \r\n", COUNT),
    (b"*1_0\r\n", COUNT),
    (b"*\xd9\xa1\r\n", COUNT),
    (b"*x\r\n", COUNT),
    (b"*1\n$4\r\nPING\r\n", COUNT),
    (b"*1\rx$4\r\nPING\r\n", COUNT),  # ours
    (b"*-1\rx", COUNT),  # ours
    (b"*1048577\r\n", COUNT),
    (b"*9223372036854775808\r\n", COUNT),
    (b"*-9223372036854775809\r\n", COUNT),
    (b"*" + b"9" * 100_000, COUNT),
    (b"*-" + b"9" * 100_000, COUNT),
    (b"*1\r\n$\r\n", BULK),
    (b"*1\r\n$-1\r\n", BULK),
    (b"*1\r\n$-0\r\n", BULK),
    (b"*1\r\n$04\r\nPING\r\n", BULK),
    (b"*1\r\n$+4\r\nPING\r\n", BULK),
    (b"*1\r\n$ 4\r\nPING\r\n", BULK),
    (b"*1\r\n$4 \r\nPING\r\n", BULK),
    (b"*1\r\n$0x4\r\nPING\r\n", BULK),
    (b"*1\r\n$4\n\nPING\r\n", BULK),
    (b"*1\r\n$4\rPPING\r\n", BULK),  # ours
    (b"*1\r\n$4\r\nPINGxx", BULK),  # ours
    (b"*1\r\n$4\r\nPING\rx", BULK),  # ours
    (b"*1\r\n$67108865\r\n", BULK),
    (b"*1\r\n$" + b"1" * 100_000, BULK),
    (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
    (b"*1\r\n:4\r\n", "expected '$', got ':'"),
    (b"*1\r\n*1\r\n", "expected '$', got '*'"),
    (b"*2\r\n$1\r\na\r\n\r\n", "expected '$', got ' '"),
    (b"*1\r\n\n", "expected '$', got ' '"),
    (b"*1\r\n\0", "expected '$', got ' '"),  # ours
    (b"*1\r\n\x80", "expected '$', got '\x80'"),
    (b'ping "a\r\n', "unbalanced quotes in request"),
    (b"ping 'a\r\n", "unbalanced quotes in request"),
    (b'ping "a\\"\r\n', "unbalanced quotes in request"),
    (b"ping 'a'b\r\n", "unbalanced quotes in request"),
    (b'ping "a"b\r\n', "unbalanced quotes in request"),
    (b"x" * 65537, "too big inline request"),
    (b"x" * 65537 + b"\n", "too big inline request"),
]


@pytest.mark.parametrize(("data", "commands"), COMMANDS + INLINE)
def test_a_command_is_the_same_however_its_bytes_are_cut(data: bytes, commands: list[Any]) -> None:
    check_decoder(redis.RedisCommandDecoder, [(data, commands)])


def test_commands_of_both_kinds_follow_each_other() -> None:
    check_decoder(redis.RedisCommandDecoder, COMMANDS + INLINE)


@pytest.mark.parametrize(("data", "rule"), HOSTILE, ids=[repr(data[:24]) for data, _ in HOSTILE])
def test_what_breaks_the_rules_is_refused_in_the_words_of_the_real_server(data: bytes, rule: str) -> None:
    decoder = redis.RedisCommandDecoder()
    with pytest.raises(DecodeError) as caught:
        decoder.feed(PING + data)
    assert caught.value.reply == f"-ERR Protocol error: {rule}\r\n".encode("latin-1")
    assert caught.value.messages == [[b"PING"]]
    with pytest.raises(PipelineError, match="failed before"):
        decoder.feed(PING)


@pytest.mark.parametrize("data", [data for data, _ in HOSTILE if len(data) < 100])
def test_what_breaks_the_rules_is_refused_however_it_is_cut(data: bytes) -> None:
    check_decoder(redis.RedisCommandDecoder, [(SET + data, [[b"SET", b"key", b"value"], DecodeError])])


@pytest.mark.parametrize(
    ("data", "first_wrong"),
    [(b"*12x", 3), (b"*1048577\r\n", 7), (b"*1\r\n$67108865", 12), (b"*1\r\n$4\r\nPING??", 12), (b"*2\r\nECHO", 4)],
)
def test_a_refusal_does_not_wait_for_more_than_the_first_wrong_byte(data: bytes, first_wrong: int) -> None:
    decoder = redis.RedisCommandDecoder()
    assert decoder.feed(data[:first_wrong]) == []
    with pytest.raises(DecodeError):
        decoder.feed(data[first_wrong : first_wrong + 2])


def test_a_limit_holds_exactly() -> None:
    def decoder() -> redis.RedisCommandDecoder:
        return redis.RedisCommandDecoder(max_bulk_length=10, max_elements=3, max_inline_length=20)

    check_decoder(
        decoder,
        [
            (b"*3\r\n" + b"$10\r\n0123456789\r\n" * 3, [[b"0123456789"] * 3]),
            (b"x" * 20 + b"\n", [[b"x" * 20]]),
            (b"*1\r\n$11\r\n", [DecodeError]),
            (b"*4\r\n", [DecodeError]),
            (b"x" * 21 + b"\n", [DecodeError]),
            (b"x" * 21, [DecodeError]),
        ],
    )


def test_a_whole_command_has_a_limit_too() -> None:
    def decoder() -> redis.RedisCommandDecoder:
        return redis.RedisCommandDecoder(max_command_length=len(SET))

    check_decoder(
        decoder,
        [
            (SET * 3, [[b"SET", b"key", b"value"]] * 3),
            (SET.replace(b"$5\r\nvalue", b"$6\r\nvalue1"), [DecodeError]),
        ],
    )
    with pytest.raises(DecodeError, match=f"over the limit of {len(SET)}") as caught:
        decoder().feed(b"*2\r\n$3\r\nSET\r\n$20\r\n")
    assert caught.value.reply == b"-ERR Protocol error: too big request\r\n"


def test_no_prefix_makes_the_decoder_hold_more_than_its_limit() -> None:
    def decoder() -> redis.RedisCommandDecoder:
        return redis.RedisCommandDecoder(max_inline_length=1000, max_command_length=1000)

    def many_arguments(size: int) -> bytes:
        return (b"*1000000\r\n" + b"$1\r\na\r\n" * (size // 7 + 1))[:size]

    check_limits(decoder, lambda size: b"x" * size, 1000)
    check_limits(decoder, lambda size: b"*" + b"0" * size, 32)
    check_limits(decoder, lambda size: b"*1\r\n$" + b"1" * size, 32)
    check_limits(decoder, many_arguments, 1000)
    check_limits(decoder, lambda size: b"*1\r\n$987\r\n" + b"x" * size, 1000)


@pytest.mark.parametrize("limit", ["max_bulk_length", "max_elements", "max_inline_length", "max_command_length"])
@pytest.mark.parametrize("value", [0, -1, 2**63])
def test_an_impossible_limit_is_refused_at_once(limit: str, value: int) -> None:
    with pytest.raises(ValueError, match=limit):
        redis.RedisCommandDecoder(**{limit: value})


@pytest.mark.parametrize("size", range(1, len(SET)))
def test_input_that_ends_in_the_middle_of_a_command_is_an_error(size: int) -> None:
    check_decoder(redis.RedisCommandDecoder, [(PING + SET[:size], [[b"PING"], CorruptedFrameError])])
    decoder = redis.RedisCommandDecoder()
    decoder.feed(SET[:size])
    assert decoder.unread_bytes == size


def test_a_megabyte_byte_by_byte_takes_time_in_proportion() -> None:
    value = bytes(range(256)) * 4096
    data = b"*2\r\n$4\r\nECHO\r\n$%d\r\n%b\r\n" % (len(value), value)
    decoder = redis.RedisCommandDecoder()
    feed = decoder.feed
    started = time.process_time()
    commands = [command for at in range(len(data)) for command in feed(data[at : at + 1])]
    assert commands == [[b"ECHO", value]]
    assert time.process_time() - started < 20  # seconds; copying what is there with every byte would take many minutes


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_hundred_thousand_arguments_in_small_pieces_are_parsed_once(size: int) -> None:
    args = [b"%d" % number for number in range(100_000)]
    data = b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args)
    decoder = redis.RedisCommandDecoder()
    started = time.process_time()
    commands = [command for at in range(0, len(data), size) for command in decoder.feed(data[at : at + size])]
    assert commands == [args]
    assert time.process_time() - started < 30  # seconds; parsing from the start with every piece would take hours


def test_a_long_line_in_small_pieces_takes_time_in_proportion() -> None:
    line = b"ECHO " + b"x" * (2 << 20)
    decoder = redis.RedisCommandDecoder(max_inline_length=len(line))
    feed = decoder.feed
    started = time.process_time()
    commands = [command for at in range(0, len(line), 2) for command in feed(line[at : at + 2])]
    assert commands == []
    assert decoder.unread_bytes == len(line)
    assert feed(b"\n") == [line.split()]
    assert time.process_time() - started < 15  # seconds; joining the line with every piece would take minutes


def _encode(args: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args)


_args = st.lists(st.binary(max_size=300), min_size=1, max_size=20)


@given(st.data(), st.lists(_args, min_size=1, max_size=5))
def test_any_commands_survive_any_cuts(data: st.DataObject, commands: list[list[bytes]]) -> None:
    wire = b"".join(map(_encode, commands))
    decoder = redis.RedisCommandDecoder()
    assert [command for piece in data.draw(chunks(wire)) for command in decoder.feed(piece)] == commands
    assert decoder.finish() == []


@given(st.lists(_args, min_size=1, max_size=3), st.data())
def test_what_hiredis_refuses_is_refused_and_what_both_accept_is_the_same(
    commands: list[list[bytes]], data: st.DataObject
) -> None:
    """hiredis reads any reply, so it accepts more than commands; but never may it refuse what we take for a command."""
    wire = bytearray(b"".join(map(_encode, commands)))
    for _ in range(data.draw(st.integers(0, 3))):
        # No minus sign: below -1 the real server skips arrays, and hiredis refuses them.
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.sampled_from(b"*$0123456789+:\r\n x\xff"))
    decoder = redis.RedisCommandDecoder(max_inline_length=1)  # hiredis knows no inline commands
    try:
        ours = decoder.feed(bytes(wire))
    except DecodeError as exc:
        ours = exc.messages
    reader = hiredis.Reader()
    reader.feed(bytes(wire))
    for command in ours:
        if len(command) == 1 and len(command[0]) == 1:
            return  # perhaps an inline command after all
        theirs = reader.gets()
        while theirs == []:  # no command for us
            theirs = reader.gets()
        assert command == theirs


@given(st.binary(max_size=60))
def test_no_line_makes_the_splitter_fail(line: bytes) -> None:
    words = split_words(line.replace(b"\n", b""))
    assert words is None or all(isinstance(word, bytes) for word in words)


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5))
def test_quoted_words_come_back_as_they_were(words: list[bytes]) -> None:
    line = b" ".join(b'"' + b"".join(b"\\x%02x" % byte for byte in word) + b'"' for word in words)
    assert split_words(line) == words


@pytest.mark.parametrize(
    "command", [SET, b"*2\r\n$0\r\n\r\n$12\r\nabcdefghijkl\r\n", b"*0\r\n" + PING, b"GET 'a b'\r\n"]
)
def test_what_was_taken_of_a_command_that_is_not_whole_is_given_away_too(command: bytes) -> None:
    for cut in range(len(command)):
        for pieces in ([command[:cut]], [command[at : at + 1] for at in range(cut)]):
            decoder = redis.RedisCommandDecoder()
            for piece in pieces:
                assert decoder.feed(piece) == []
            given = decoder.take_unread()
            # An array of no elements asks for nothing, and is done with.
            assert given == (command[4:cut] if command.startswith(b"*0") and cut >= 4 else command[:cut])
            assert decoder.unread_bytes == 0
            assert decoder.feed(command + PING)[-1] == [b"PING"]


def test_a_complaint_about_a_line_shows_its_begin() -> None:
    with pytest.raises(DecodeError) as caught:
        redis.RedisCommandDecoder().feed(b'auth "' + b"s" * 60_000 + b"\n")
    assert "quotes do not end" in str(caught.value)
    assert len(str(caught.value)) < 200


def test_after_an_error_nothing_is_given_away() -> None:
    decoder = redis.RedisCommandDecoder()
    decoder.feed(b"*2\r\n$1\r\na\r\n")
    with pytest.raises(DecodeError):
        decoder.feed(b":1\r\n")
    assert decoder.take_unread() == b""
