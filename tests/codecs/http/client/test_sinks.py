"""Where bodies go, and how much of them."""

from __future__ import annotations

import tracemalloc

import pytest

from pipeline_net.codecs.http.client.sinks import Dropped, Sink, TooMuchError, WholeBody


def test_a_whole_body() -> None:
    whole = WholeBody(10**30)
    whole.announce(5)
    assert whole.take(b"abc")
    assert whole.take(b"de")
    assert whole.body() == b"abcde"


def test_what_is_of_no_use_is_not_kept() -> None:
    whole = WholeBody(5)
    assert whole.take(b"abcde")
    with pytest.raises(TooMuchError, match="over the limit of 5 bytes"):
        whole.take(b"f")
    assert whole.body() == b""


def test_a_body_that_comes_in_crumbs_takes_not_much_more_than_its_size() -> None:
    whole = WholeBody(1_000_000)
    tracemalloc.start()
    try:
        for number in range(50_000):
            whole.take(number.to_bytes(2, "big"))
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
    assert whole.body() == b"".join(number.to_bytes(2, "big") for number in range(50_000))


def test_dropping_has_its_limit_too() -> None:
    dropped = Dropped(3)
    assert dropped.take(b"abc")
    with pytest.raises(TooMuchError):
        dropped.take(b"d")


@pytest.mark.parametrize("sink", [WholeBody(5), Dropped(5)])
def test_an_announcement_is_enough(sink: Sink) -> None:
    sink.announce(-1)
    with pytest.raises(TooMuchError):
        sink.announce(6)
