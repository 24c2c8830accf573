"""What may be configured, and what is refused when it is."""

from __future__ import annotations

import sys
import zlib
from typing import Any

import pytest

from pipeline_net.codecs.websocket import (
    KEEP_ALIVE,
    LIMITS,
    DeflateParameters,
    FrameDecoder,
    KeepAlive,
    Limits,
    WebSocketDecodeError,
)

from .conftest import FrameMaker


def test_everything_is_bounded_by_default() -> None:
    assert LIMITS.max_message == 1024 * 1024
    assert LIMITS.max_frame < sys.maxsize
    assert LIMITS.max_fragments < sys.maxsize
    assert (KEEP_ALIVE.interval, KEEP_ALIVE.timeout) == (20.0, 20.0)


@pytest.mark.parametrize(
    "wrong",
    [{"max_message": -1}, {"max_message": 2**63}, {"max_frame": 1.5}, {"max_fragments": 0}, {"max_ratio": 0}],
)
def test_a_limit_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name} must be a whole number from"):
        Limits(**wrong)


@pytest.mark.parametrize("opcode", [1, 2])
def test_limits_may_be_as_large_as_numbers_are(opcode: int, frame: FrameMaker) -> None:
    """Nothing is added to them that would not fit: a peer may announce as much."""
    limits = Limits(max_message=sys.maxsize, max_frame=sys.maxsize, max_fragments=sys.maxsize, max_ratio=sys.maxsize)
    deflater = zlib.compressobj(wbits=-15)
    zeros = deflater.compress(bytes(100_000)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    decoder = FrameDecoder("server", limits=limits, deflate=DeflateParameters())
    (message,) = decoder.feed(frame(opcode, zeros[:-4], rsv=4))
    assert len(message) == 100_000
    with pytest.raises(WebSocketDecodeError, match=f"^a frame of {sys.maxsize} bytes is over the limit") as refused:
        decoder.feed(frame(opcode, length=b"\x7f" + sys.maxsize.to_bytes(8, "big")))
    assert refused.value.code == 1009
    most = frame(0, length=b"\x7f" + (2**62).to_bytes(8, "big"))
    decoder = FrameDecoder("server", limits=limits)
    with pytest.raises(WebSocketDecodeError, match=r"^a message of .* is over the limit"):
        decoder.feed(frame(opcode, b"a", fin=False) + most)


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["interval", "timeout"])
def test_a_time_that_is_none_is_refused(name: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be more than 0 seconds, not"):
        KeepAlive(**{name: seconds})
