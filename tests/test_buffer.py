"""ReceiveBuffer against a plain bytearray, and that it costs what its docstring says."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipeline_net.buffer import ReceiveBuffer

LETTERS = st.text("ab\r\n", max_size=30).map(str.encode)  # few letters, so that needles are met and nearly met
LARGE = st.tuples(LETTERS, st.integers(4000, 5000)).map(lambda drawn: (drawn[0] or b"a") * drawn[1])
NEEDLES = st.sampled_from([b"\n", b"\r\n", b"ab", b"aab", b"a" * 7, b"abab\r", b"\r\n\r\n", b"z"])


class AgainstABytearray(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.buffer = ReceiveBuffer()
        self.model = bytearray()

    @rule(chunk=LETTERS)
    def append(self, chunk: bytes) -> None:
        self.buffer.append(chunk)
        self.model += chunk

    @rule(chunk=LARGE)
    def append_large(self, chunk: bytes) -> None:
        self.append(chunk)

    @rule(chunk=LETTERS, times=st.integers(2, 20))
    def append_often(self, chunk: bytes, times: int) -> None:
        for _ in range(times):
            self.append(chunk)

    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        n = data.draw(st.integers(0, len(self.model)))
        assert self.buffer.take(n) == self.model[:n]
        del self.model[:n]
        assert self.buffer.wanted == 0

    @rule(data=st.data())
    def skip(self, data: st.DataObject) -> None:
        n = data.draw(st.integers(0, len(self.model)))
        self.buffer.skip(n)
        del self.model[:n]

    @rule(data=st.data())
    def cut(self, data: st.DataObject) -> None:
        n = data.draw(st.integers(0, len(self.model)))
        start, end = sorted((data.draw(st.integers(0, n)), data.draw(st.integers(0, n))))
        assert self.buffer.cut(start, end, n) == self.model[start:end]
        del self.model[:n]

    @rule()
    def take_all(self) -> None:
        assert self.buffer.take_all() == self.model
        self.model.clear()

    @rule(needle=NEEDLES)
    def find(self, needle: bytes) -> None:
        assert self.buffer.find(needle) == self.model.find(needle)

    @rule(needle=NEEDLES, start=st.integers(0, 200))
    def find_from(self, needle: bytes, start: int) -> None:
        assert self.buffer.find(needle, start) == self.model.find(needle, start)

    @rule(n=st.integers(0, 9000))
    def peek(self, n: int) -> None:
        assert self.buffer.peek(n) == self.model[:n]

    @precondition(lambda self: len(self.model) > 0)
    @rule(data=st.data(), little_endian=st.booleans())
    def peek_uint(self, data: st.DataObject, little_endian: bool) -> None:
        offset = data.draw(st.integers(0, len(self.model) - 1))
        length = data.draw(st.integers(1, min(8, len(self.model) - offset)))
        expected = int.from_bytes(self.model[offset : offset + length], "little" if little_endian else "big")
        assert self.buffer.peek_uint(offset, length, little_endian) == expected

    @rule()
    def data(self) -> None:
        assert self.buffer.data[self.buffer.pos :] == self.model

    @rule()
    def trim(self) -> None:
        self.buffer.trim()

    @rule()
    def clear(self) -> None:
        self.buffer.clear()
        self.model.clear()

    @rule(n=st.integers(0, 100))
    def wait_for(self, n: int) -> None:
        self.buffer.wait_for(n)
        assert self.buffer.wanted == n

    @rule(more=st.integers(1, 5))
    def take_too_many(self, more: int) -> None:
        for consume in (self.buffer.take, self.buffer.skip):
            with pytest.raises(BufferError, match=f"only {len(self.model)} bytes are here"):
                consume(len(self.model) + more)

    @invariant()
    def as_long_as_the_model(self) -> None:
        assert len(self.buffer) == self.buffer.left == len(self.model)


TestAgainstABytearray = AgainstABytearray.TestCase
TestAgainstABytearray.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


class TestLooking:
    def test_one_chunk_is_looked_at_as_it_came(self) -> None:
        chunk = b"hello, world"
        buffer = ReceiveBuffer(chunk)
        buffer.skip(7)
        assert buffer.data is chunk
        assert (buffer.pos, buffer.left) == (7, 5)
        assert buffer.peek(99) == b"world"
        assert repr(buffer) == "<ReceiveBuffer 5 bytes: b'world'>"

    def test_a_chunk_that_is_taken_whole_is_not_copied(self) -> None:
        chunk = bytes(1000)
        buffer = ReceiveBuffer()
        buffer.append(chunk)
        assert buffer.take(1000) is chunk

    def test_a_large_piece_that_follows_is_taken_without_joining_what_is_behind_it(self) -> None:
        large = bytes(range(256)) * 256
        buffer = ReceiveBuffer(b"head")
        buffer.append(large)
        buffer.append(b"tail")
        assert buffer.take(4) == b"head"
        assert buffer.take(len(large)) == large
        assert buffer.take_all() == b"tail"

    def test_drawing_a_long_buffer_is_brief(self) -> None:
        assert repr(ReceiveBuffer(b"x" * 1000)) == f"<ReceiveBuffer 1000 bytes: {b'x' * 32!r}…>"

    @pytest.mark.parametrize("use", ["take", "skip", "peek"])
    def test_a_count_of_bytes_is_not_negative(self, use: str) -> None:
        buffer = ReceiveBuffer(b"abc")
        uses: dict[str, Callable[[int], object]] = {"take": buffer.take, "skip": buffer.skip, "peek": buffer.peek}
        with pytest.raises(ValueError, match=rf"{use}\(-1\): a count of bytes is not negative"):
            uses[use](-1)
        assert buffer.left == 3

    @pytest.mark.parametrize(("start", "end", "n"), [(-1, 2, 3), (2, 1, 3), (0, 3, 2)])
    def test_a_part_lies_inside_of_what_is_consumed(self, start: int, end: int, n: int) -> None:
        buffer = ReceiveBuffer(b"abc")
        with pytest.raises(ValueError, match="must be three rising counts of bytes"):
            buffer.cut(start, end, n)
        with pytest.raises(BufferError, match="only 3 bytes are here"):
            buffer.cut(0, 1, 4)
        assert buffer.take_all() == b"abc"

    def test_a_number_that_is_not_all_here_cannot_be_looked_at(self) -> None:
        buffer = ReceiveBuffer(b"a")
        buffer.append(b"bc")
        with pytest.raises(BufferError, match="only 3 bytes are here"):
            buffer.peek_uint(1, 3)
        assert buffer.peek_uint(1, 2) == 0x6263


class TestFinding:
    def test_a_needle_is_found_across_pieces_of_any_size(self) -> None:
        needle = b"abcde"
        for cuts in range(1 << (len(needle) - 1)):
            buffer = ReceiveBuffer(b"ab")
            start = 0
            for at in range(1, len(needle) + 1):
                if at == len(needle) or cuts >> (at - 1) & 1:
                    assert buffer.find(needle) == -1
                    buffer.append(needle[start:at] if at < len(needle) else needle[start:at] + b"x" * 5000)
                    start = at
            assert buffer.find(needle) == 2

    def test_a_search_that_started_late_says_nothing_of_what_lies_before(self) -> None:
        buffer = ReceiveBuffer(b"a")
        assert buffer.find(b"x") == -1
        buffer.append(b"bxc")
        assert buffer.find(b"x", 3) == -1
        assert buffer.find(b"x") == 2

    def test_a_search_is_not_repeated_from_a_place_where_nothing_was_yet(self) -> None:
        buffer = ReceiveBuffer(b"ab")
        assert buffer.find(b"x", 5) == -1
        buffer.append(b"cdexx")
        assert buffer.find(b"x", 5) == 5
        assert buffer.find(b"x", 3) == 5

    def test_consuming_makes_searches_begin_anew(self) -> None:
        buffer = ReceiveBuffer(b"aaaa")
        assert buffer.find(b"b") == -1
        buffer.take(3)
        buffer.append(b"ab")
        assert buffer.find(b"b") == 2

    def test_a_search_does_not_begin_before_the_first_byte(self) -> None:
        with pytest.raises(ValueError, match="start must not be negative, but is -1"):
            ReceiveBuffer(b"abc").find(b"c", -1)


class TestMemory:
    def test_trimming_lets_go_of_what_is_consumed(self) -> None:
        buffer = ReceiveBuffer(b"x" * 65536)
        buffer.skip(65530)
        buffer.trim()
        assert (len(buffer.data), buffer.pos, buffer.left) == (6, 0, 6)
        buffer.skip(6)
        buffer.trim()
        assert (len(buffer.data), buffer.pos, buffer.left) == (0, 0, 0)

    def test_clearing_forgets_everything_also_what_was_waited_for(self) -> None:
        buffer = ReceiveBuffer(b"abc")
        buffer.append(b"def")
        buffer.wait_for(10)
        buffer.clear()
        assert (buffer.left, buffer.wanted, buffer.take_all()) == (0, 0, b"")
        buffer.append(b"x")
        assert buffer.take_all() == b"x"


class TestCost:
    """A mebibyte, byte by byte: well under a second, and minutes if anything were shifted, joined or searched anew."""

    def test_of_taking_what_came_byte_by_byte(self) -> None:
        whole = bytes(range(256)) * 4096
        buffer = ReceiveBuffer()
        for byte in whole:
            buffer.append(bytes([byte]))
        assert buffer.take(len(whole)) == whole

    @pytest.mark.parametrize("size", [1, 5000])
    def test_of_searching_after_each_piece(self, size: int) -> None:
        buffer = ReceiveBuffer()
        piece = b"\r" * size
        for _ in range(2**20 // size):
            buffer.append(piece)
            assert buffer.find(b"\r\n") == -1
        buffer.append(b"\n")
        assert buffer.find(b"\r\n") == 2**20 // size * size - 1

    def test_of_searching_for_several_after_each_piece(self) -> None:
        needles = [b"\r\n", b"\n\n", b"\0"]
        buffer = ReceiveBuffer()
        known = 0
        started = time.process_time()
        for _ in range(8192):
            buffer.append(bytes(4096).replace(b"\0", b"\r"))
            assert [buffer.find(needle, known) for needle in needles] == [-1, -1, -1]
            known = len(buffer) - 1
        assert time.process_time() - started < 8  # seconds; going through all pieces each time would take many more
        buffer.append(b"\n\n\0")
        assert [buffer.find(needle, known) - known for needle in needles] == [0, 1, 3]

    def test_of_consuming_byte_by_byte(self) -> None:
        whole = bytes(range(256)) * 4096
        buffer = ReceiveBuffer(whole[:10])
        buffer.append(whole[10:])
        assert b"".join([buffer.take(1) for _ in range(len(whole))]) == whole

    def test_of_taking_many_pieces_one_by_one(self) -> None:
        piece = bytes(4096)
        buffer = ReceiveBuffer()
        for _ in range(4096):
            buffer.append(piece)
        for _ in range(4096):
            assert buffer.take(4096) is piece


@given(st.lists(LETTERS, max_size=8), st.lists(st.tuples(NEEDLES, st.integers(0, 12)), max_size=12))
def test_searches_may_alternate(chunks: list[bytes], searches: list[tuple[bytes, int]]) -> None:
    buffer = ReceiveBuffer()
    model = b""
    for chunk in [*chunks, b""]:
        for needle, start in searches:
            assert buffer.find(needle, start) == model.find(needle, start)
        buffer.append(chunk)
        model += chunk
