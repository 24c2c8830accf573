"""What commands leave behind on their connection."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net.codecs.redis.client.footprints import LASTING, NOTHING, UNDONE, footprint


@pytest.mark.parametrize(
    ("command", "left"),
    [
        (("GET", "a"), NOTHING),
        ((b"set", b"a", 1), NOTHING),
        (("WATCH", "a"), UNDONE),
        ((b"multi",), UNDONE),
        (("CLIENT",), NOTHING),
        (("CLIENT", "ID"), NOTHING),
        ((b"client", b"list"), NOTHING),
        (("CLIENT", "KILL", "ID", 5), NOTHING),
        (("CLIENT", "SETNAME", "mine"), LASTING),
        ((b"client", b"tracking", b"on"), LASTING),
        (("CLIENT", "NO-EVICT", "ON"), LASTING),
        (("CLIENT", "OF-TOMORROW"), LASTING),
        (("CLIENT", 5), LASTING),
        (("READONLY",), LASTING),
        ((b"asking",), LASTING),
        (("SCRIPT", "LOAD", "return 1"), NOTHING),
        (("script", "debug", "YES"), LASTING),
        (("\udc80",), NOTHING),
    ],
)
def test_what_is_left_behind(command: tuple[Any, ...], left: int) -> None:
    assert footprint(command) == left
