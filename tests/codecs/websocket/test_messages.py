"""What an application reads and writes: how it looks, compares, and what it refuses to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net.codecs.websocket import Close, Closed, Fragment, Ping, Pong, PreparedMessage


@pytest.mark.parametrize(
    ("make", "looks"),
    [
        (lambda: Ping(), "Ping(b'')"),
        (lambda: Ping(b"1"), "Ping(b'1')"),
        (lambda: Pong(b"1"), "Pong(b'1')"),
        (lambda: Close(), "Close(1000)"),
        (lambda: Close(4000, "bye"), "Close(4000, 'bye')"),
        (lambda: Close(None), "Close(None)"),
        (lambda: Fragment("a", False), "Fragment('a', final=False)"),
        (lambda: Fragment(b"a", True), "Fragment(b'a', final=True)"),
        (lambda: Closed(1006, "", False, True), "Closed(1006, '', clean=False, by_peer=True)"),
    ],
)
def test_messages_are_equal_when_they_look_equal(make: Callable[[], Any], looks: str) -> None:
    assert repr(make()) == looks
    assert make() == make()
    assert hash(make()) == hash(make())
    assert make() != looks


def test_messages_differ_by_kind_and_content() -> None:
    different = [
        Ping(b"1"),
        Pong(b"1"),
        Close(1000),
        Close(1001),
        Close(1000, "x"),
        Fragment("a", True),
        Fragment(b"a", True),
        Fragment("a", False),
        Closed(1000, "", True, True),
        Closed(1000, "", True, False),
    ]
    assert all((one == other) is (one is other) for one in different for other in different)


def test_a_prepared_message_is_itself() -> None:
    assert repr(PreparedMessage("hello")) == "PreparedMessage('hello')"


@pytest.mark.parametrize("kind", [Ping, Pong])
def test_control_frames_are_small(kind: Callable[[bytes], Any]) -> None:
    kind(b"x" * 125)
    with pytest.raises(ValueError, match=f"a {kind.__name__} has at most 125 bytes, not 126"):
        kind(b"x" * 126)


@pytest.mark.parametrize("code", [0, 999, 1005, 1006, 1015, 2999, 5000])
def test_a_close_has_a_code_that_may_travel(code: int) -> None:
    with pytest.raises(ValueError, match=f"no Close frame may have the code {code}"):
        Close(code)


def test_a_reason_fits_into_the_frame_and_needs_a_code() -> None:
    Close(1000, "ü" * 61 + "x")
    with pytest.raises(ValueError, match="at most 123 bytes"):
        Close(1000, "ü" * 62)
    with pytest.raises(ValueError, match="no room for a reason"):
        Close(None, "why")
