"""Where bytes are cut: everywhere in small data, at telling places in large data, and never outside of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline_net.testing.cuts import byte_by_byte, pairs_of_cuts, pieces_of, single_cuts, smallest


@given(st.binary(max_size=30), st.sets(st.integers(0, 30)))
def test_pieces_are_the_data_when_joined_and_never_empty(data: bytes, points: set[int]) -> None:
    pieces = pieces_of(data, tuple(sorted(points)))
    assert b"".join(pieces) == data
    assert b"" not in pieces


def test_small_data_is_cut_at_every_point() -> None:
    assert list(single_cuts(b"abcd", [])) == [(1,), (2,), (3,)]
    assert list(single_cuts(b"a", [])) == list(single_cuts(b"", [])) == []


def test_tiny_data_is_cut_at_every_pair_of_points() -> None:
    assert list(pairs_of_cuts(b"abcd")) == [(1, 2), (1, 3), (2, 3)]
    assert list(pairs_of_cuts(b"x" * 1000)) == []


def test_large_data_is_cut_at_its_ends_and_around_messages_and_always_at_the_same_points() -> None:
    data = bytes(100_000)
    cuts = list(single_cuts(data, [50_000]))
    assert cuts == list(single_cuts(data, [50_000]))
    assert {(1,), (31,), (99_999,), (49_998,), (50_000,), (50_002,)} <= set(cuts)
    assert 100 < len(cuts) < 300
    assert all(0 < cut < len(data) for (cut,) in cuts)


def test_many_messages_do_not_make_many_cuts() -> None:
    data = bytes(100_000)
    assert len(list(single_cuts(data, list(range(10, 100_000, 10))))) < 300


def test_byte_by_byte_means_it_until_that_would_take_long() -> None:
    assert byte_by_byte(b"abc") == (1, 2)
    assert byte_by_byte(b"") == ()
    pieces = pieces_of(bytes(1 << 20), byte_by_byte(bytes(1 << 20)))
    assert 10_000 < len(pieces) < 20_000


def test_the_smallest_failing_cut_is_found_among_many() -> None:
    assert smallest(tuple(range(1, 1000)), lambda cuts: 437 in cuts) == (437,)
    assert smallest(tuple(range(1, 100)), lambda cuts: {20, 80} <= set(cuts)) == (20, 80)
    assert smallest((1, 2, 3), lambda cuts: True) == ()


def test_looking_for_it_gives_up_at_some_point() -> None:
    attempts = 0

    def fails(cuts: tuple[int, ...]) -> bool:
        nonlocal attempts
        attempts += 1
        return len(cuts) >= 5000

    assert len(smallest(tuple(range(1, 10_000)), fails)) >= 5000
    assert attempts <= 500
