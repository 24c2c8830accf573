"""What an encoder returns is looked at before any of it is written."""

from __future__ import annotations

import io
from typing import Any

import pytest

from pipeline_net import EncodeError, FileRegion, MessageToByteEncoder
from pipeline_net.pieces import check_pieces
from pipeline_net.testing import EmbeddedChannel


class Returns(MessageToByteEncoder[Any]):
    """What is written is what encode returns."""

    def encode(self, msg: Any) -> Any:
        return msg


@pytest.mark.parametrize(
    "pieces", [[], [b""], [b"a", bytearray(b"b"), memoryview(b"c")], [b"a", FileRegion(io.BytesIO(b"abc"), 0, 3)]]
)
def test_what_can_be_sent_passes(pieces: list[Any]) -> None:
    check_pieces(pieces, Returns())


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([b"a", "x", b"c"], "piece 1 of the list that Returns.encode returned is 'x', which is no bytes but str"),
        ([b"a", None], "piece 1 of the list that Returns.encode returned is None, which is no bytes but NoneType"),
        ([b"a", [b"b"]], r"piece 1 of the list that Returns.encode returned is \[b'b'\], which is no bytes but list"),
        ([5, b"a"], "piece 0 of the list that Returns.encode returned is 5, which is no bytes but int"),
    ],
)
def test_nothing_of_a_message_is_written_if_a_piece_of_it_is_wrong(pieces: list[Any], said: str) -> None:
    channel = EmbeddedChannel(Returns())
    bad = channel.write(pieces)
    good = channel.write([b"he", b"llo"])
    channel.run_pending()
    assert b"".join(channel.outbound) == b"hello"
    assert good.result() is None
    with pytest.raises(EncodeError, match=said + ": encode returns bytes, or a list of them"):
        bad.result()


@pytest.mark.parametrize("returned", [(b"a", b"b"), None, "text", 5])
def test_what_is_neither_bytes_nor_a_list_is_the_encoders_mistake(returned: Any) -> None:
    channel = EmbeddedChannel(Returns())
    promise = channel.write(returned)
    channel.run_pending()
    assert channel.outbound == []
    with pytest.raises(EncodeError, match=r"what Returns.encode returned is .*: encode returns bytes"):
        promise.result()


def test_an_encoder_that_makes_nothing_of_bytes_is_told_that_it_gets_them() -> None:
    channel = EmbeddedChannel(Returns())
    with pytest.raises(EncodeError, match="also for what it is given as bytes, which it returns as they are"):
        channel.write_outbound(None)
