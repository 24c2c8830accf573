"""Numbers, one after the other."""

from __future__ import annotations

import pytest

from pipeline_net.codecs.integers import BytesToIntegers, IntegersToBytes
from pipeline_net.errors import CorruptedFrameError, EncodeError
from pipeline_net.testing import EmbeddedChannel, check_codec, check_decoder


def test_numbers_come_out_however_their_bytes_are_cut() -> None:
    check_decoder(lambda: BytesToIntegers(2), [(b"\x00\x05\x01\x00", [5, 256]), (b"\xff\xff", [65535])])
    check_decoder(BytesToIntegers, [(b"\x00\x01\x00\x00", [65536])])
    check_decoder(lambda: BytesToIntegers(2, byte_order="little"), [(b"\x05\x00\x00\x01", [5, 256])])
    check_decoder(lambda: BytesToIntegers(1, signed=True), [(b"\xff\x7f\x80", [-1, 127, -128])])


def test_input_that_ends_in_the_middle_of_a_number_is_truncated() -> None:
    check_decoder(lambda: BytesToIntegers(2), [(b"\x00\x05\x01", [5, CorruptedFrameError])])


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("byte_order", ["big", "little"])
@pytest.mark.parametrize("width", [1, 2, 3, 8, 16])
def test_what_is_written_is_read(width: int, byte_order: str, signed: bool) -> None:
    lowest = -(2 ** (8 * width - 1)) if signed else 0
    check_codec(
        lambda: [
            BytesToIntegers(width, signed=signed, byte_order=byte_order),
            IntegersToBytes(width, signed=signed, byte_order=byte_order),
        ],
        [0, 1, 127, lowest, lowest + 2 ** (8 * width) - 1],
    )


def test_a_number_that_does_not_fit_fails_its_write() -> None:
    channel = EmbeddedChannel(IntegersToBytes(1))
    for number in (256, -1):
        promise = channel.write(number)
        channel.run_pending()
        error = promise.exception()
        assert isinstance(error, EncodeError)
        assert str(error) == f"{number} does not fit into 1 unsigned bytes"
        assert isinstance(error.__cause__, OverflowError)
    assert channel.read_outbound() is None


@pytest.mark.parametrize("stage", [BytesToIntegers, IntegersToBytes])
def test_an_impossible_configuration_is_refused_by_name(stage: type[BytesToIntegers | IntegersToBytes]) -> None:
    for width in (0, -1, 65):
        with pytest.raises(ValueError, match=f"width must be from 1 to 64, but is {width}"):
            stage(width)
    with pytest.raises(ValueError, match='byte_order must be "big" or "little", but is \'middle\''):
        stage(4, byte_order="middle")
