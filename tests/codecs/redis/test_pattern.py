from __future__ import annotations

import re
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.codecs import redis

# Compared with KEYS of the real server (7.0.15); "ours" is said where it differs.
YES = [
    (b"", b""),
    (b"*", b""),
    (b"*", b"anything\xff"),
    (b"**a**", b"xxayy"),
    (b"user:*", b"user:"),
    (b"user:*:name", b"user:1:2:name"),
    (b"h?llo", b"h\nllo"),
    (b"h[ae]llo", b"hello"),
    (b"h[a-c]llo", b"hbllo"),
    (b"h[c-a]llo", b"hbllo"),
    (b"h[^e]llo", b"hallo"),
    (b"[^]", b"x"),
    (b"\\*", b"*"),
    (b"a\\", b"a\\"),
    (b"[\\]]", b"]"),
    (b"[abc", b"c"),
    (b"[a-]", b"]"),
    (b"a*b*c", b"aXbXbXc"),
    (b"[a-\xff]", b"\xf0"),  # ours
]
NO = [
    (b"", b"a"),
    (b"a", b""),
    (b"a", b"ab"),
    (b"?", b""),
    (b"[]", b"]"),
    (b"h[^e]llo", b"hello"),
    (b"\\*", b"a"),
    (b"a*b", b"abc"),
    (b"*a", b"b"),
    (b"A", b"a"),
]


@pytest.mark.parametrize(("pattern", "name"), YES)
def test_a_name_that_is_meant(pattern: bytes, name: bytes) -> None:
    assert redis.KeyPattern(pattern).matches(name)


@pytest.mark.parametrize(("pattern", "name"), NO)
def test_a_name_that_is_not_meant(pattern: bytes, name: bytes) -> None:
    assert not redis.KeyPattern(pattern).matches(name)


@given(st.lists(st.sampled_from([b"*", b"?", b"a", b"b", b"[ab]", b"[^a]"])), st.text("abc", max_size=12))
def test_stars_and_question_marks_mean_what_regular_expressions_say(parts: list[bytes], name: str) -> None:
    meaning = {b"*": b".*", b"?": b"."}
    expression = re.compile(b"".join(meaning.get(part, part) for part in parts), re.DOTALL)
    expected = expression.fullmatch(name.encode()) is not None
    assert redis.KeyPattern(b"".join(parts)).matches(name.encode()) is expected


@given(st.binary(max_size=30), st.binary(max_size=10))
def test_any_bytes_are_a_pattern(pattern: bytes, name: bytes) -> None:
    assert redis.KeyPattern(pattern).matches(name) in (True, False)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (b"a*" * 1000 + b"b", b"a" * 10_000),
        (b"*" + b"a" * 100_000 + b"b*", b"a" * 200_000),
        (b"*a" * 100_000 + b"b*", b"a" * 200_000),
        (b"*?" + b"a" * 200 + b"b*", b"a" * 200_000),
        (b"*" + b"[^b]" * 200 + b"b*", b"a" * 200_000),
        (b"*?" * 200 + b"b*", b"a" * 200_000),
    ],
)
def test_a_hostile_pattern_costs_little(pattern: bytes, name: bytes) -> None:
    started = time.process_time()
    assert not redis.KeyPattern(pattern).matches(name)
    assert time.process_time() - started < 5  # seconds; trying each place for each byte would take minutes


def test_a_hostile_pattern_takes_little_memory() -> None:
    pattern = b"".join(b"[^%c%c]*" % (a, b) for a in range(0x61, 0x7B) for b in range(0x61, 0x7B))[: 256 * 6]
    tracemalloc.start()
    try:
        kept = redis.KeyPattern(pattern)
        assert tracemalloc.get_traced_memory()[1] < 100 * len(pattern)  # at its peak
    finally:
        tracemalloc.stop()
    assert kept.matches(b"A" * 256)


@pytest.mark.parametrize("pattern", [b"?" * 257, b"*[ab]" + b"x" * 255 + b"?y*", b"?*" * 257])
def test_a_pattern_that_would_cost_much_is_refused(pattern: bytes) -> None:
    with pytest.raises(redis.CommandError, match="more than 256 bytes"):
        redis.KeyPattern(pattern)


def test_text_around_the_signs_may_be_of_any_length() -> None:
    around = b"x" * 10_000
    pattern = redis.KeyPattern(around + b"?" * 256 + around)
    assert pattern.matches(around + b"y" * 256 + around)
    assert not pattern.matches(around + b"y" * 255 + around)
    assert redis.KeyPattern(b"*" + around + b"*").matches(b"y" + around + b"y")


def test_a_pattern_shows_itself() -> None:
    assert repr(redis.KeyPattern(b"user:*")) == "KeyPattern(b'user:*')"
