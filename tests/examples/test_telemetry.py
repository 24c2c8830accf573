"""examples/telemetry.py: its decoder under the kit's checks, and the station as a process."""

from __future__ import annotations

import runpy
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import CorruptedFrameError
from pipeline_net.testing import check_decoder

_EXAMPLE = runpy.run_path(str(Path(__file__).parent.parent.parent / "examples" / "telemetry.py"))
Reading, Summary = _EXAMPLE["Reading"], _EXAMPLE["Summary"]
TelemetryDecoder, TelemetryEncoder = _EXAMPLE["TelemetryDecoder"], _EXAMPLE["TelemetryEncoder"]


def frame(kind: int, payload: bytes, *, mark: bytes = b"\xa5\x5a", crc: int | None = None) -> bytes:
    """A frame, put together independently of the example."""
    body = bytes([kind]) + len(payload).to_bytes(2, "big") + payload
    return mark + body + (zlib.crc32(body) if crc is None else crc).to_bytes(4, "big")


READING = frame(1, struct.pack(">Hd", 7, 20.5))
SUMMARY = frame(2, struct.pack(">HId", 7, 3, 21.25))


def test_however_it_is_cut_the_messages_are_the_same() -> None:
    check_decoder(
        TelemetryDecoder,
        [(READING, [Reading(7, 20.5)]), (SUMMARY, [Summary(7, 3, 21.25)]), (READING * 2, [Reading(7, 20.5)] * 2)],
    )


@pytest.mark.parametrize(("message", "data"), [(Reading(7, 20.5), READING), (Summary(7, 3, 21.25), SUMMARY)])
def test_what_is_encoded(message: Any, data: bytes) -> None:
    assert TelemetryEncoder().encode(message) == data


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (frame(1, bytes(10), mark=b"\xa5\x5b"), "a frame begins with a5 5a, not with a5 5b"),
        (frame(3, b""), "there is no kind 3 of frame"),
        (frame(1, bytes(9)), "the payload of kind 1 has 10 bytes, not 9"),
        (b"\xa5\x5a\x01\xff\xff", "the payload of kind 1 has 10 bytes, not 65535"),
        (frame(1, bytes(10), crc=0), "the checksum says 00000000, the bytes say "),
    ],
)
def test_what_cannot_be_trusted_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(CorruptedFrameError, match=complaint):
        TelemetryDecoder().feed(READING + data)


def test_every_flipped_bit_is_noticed() -> None:
    for bit in range(len(READING) * 8):
        damaged = bytearray(READING)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptedFrameError):
            TelemetryDecoder().feed(bytes(damaged))


def test_the_station_answers_each_reading(
    start_example: Callable[..., str], dial: Callable[[str], socket.socket]
) -> None:
    client = dial(start_example("telemetry.py"))
    for value in (10.0, 20.0):
        client.sendall(frame(1, struct.pack(">Hd", 7, value)))
    client.sendall(frame(1, struct.pack(">Hd", 8, 5.0)))
    client.shutdown(socket.SHUT_WR)
    answers = b""
    while part := client.recv(65536):
        answers += part
    assert TelemetryDecoder().feed(answers) == [Summary(7, 1, 10.0), Summary(7, 2, 15.0), Summary(8, 1, 5.0)]
