"""Where bodies go, and how much of them."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.http.client.sinks import Dropped, Sink, TooMuchError, WholeBody


def test_a_whole_body() -> None:
    whole = WholeBody(5)
    whole.announce(5)
    assert whole.take(b"abc")
    assert whole.take(b"de")
    assert whole.body() == b"abcde"
    with pytest.raises(TooMuchError, match="over the limit of 5 bytes"):
        whole.take(b"f")
    assert whole.body() == b"", "what is of no use is not kept"


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
