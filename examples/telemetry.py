"""Telemetry: a binary protocol of one's own, with a checksum, from the wire up.

    python examples/telemetry.py

A device sends readings; the station answers each with the number of readings and the mean that it has of that sensor::

     0      2      3        5                 5 + length           9 + length
     +------+------+--------+---------------------+--------------------+
     | A5 5A| kind | length | payload             | CRC-32             |
     +------+------+--------+---------------------+--------------------+
     |      |<----- what the CRC-32 covers ------>|

    kind 1  reading    sensor (u16), value (f64)
    kind 2  summary    sensor (u16), readings (u32), mean (f64)

All numbers are big-endian.  A wrong mark, an unknown kind, a payload of the wrong length or a wrong checksum means that
nothing which follows can be trusted, so the decoder raises ``CorruptedFrameError`` and the connection is closed.

Only ``decode`` and ``encode`` are written here.  What is easy to get wrong, frames that arrive in pieces or several at
once, input that ends within a frame, is the base class's; ``tests/examples/test_telemetry.py`` has the kit check that.
"""

from __future__ import annotations

import argparse
import struct
import zlib
from typing import Final, Never, TypeAlias

import attrs

from pipeline_net import (
    ByteToMessageDecoder,
    ChannelHandlerContext,
    ChannelInboundHandler,
    CorruptedFrameError,
    EventLoopGroup,
    MessageToByteEncoder,
    ReceiveBuffer,
    ServerBootstrap,
    wire,
)

_MARK: Final = b"\xa5\x5a"
_HEAD: Final = struct.Struct(">2sBH")  # mark, kind, length of the payload
_CRC: Final = struct.Struct(">I")
_READING: Final = struct.Struct(">Hd")
_SUMMARY: Final = struct.Struct(">HId")


@attrs.frozen
class Reading:
    """What a sensor measured."""

    sensor: int
    value: float


@attrs.frozen
class Summary:
    """What the station knows of a sensor."""

    sensor: int
    readings: int
    mean: float


Message: TypeAlias = Reading | Summary

_KINDS: Final[dict[int, tuple[type[Message], struct.Struct]]] = {1: (Reading, _READING), 2: (Summary, _SUMMARY)}


class TelemetryDecoder(ByteToMessageDecoder[Message]):
    """bytes → Reading or Summary, one a frame."""

    def decode(self, buffer: ReceiveBuffer) -> Message | None:
        if len(buffer) < _HEAD.size:
            return None
        mark, kind, length = _HEAD.unpack(buffer.peek(_HEAD.size))
        if mark != _MARK:
            raise CorruptedFrameError(f"a frame begins with {_MARK.hex(' ')}, not with {mark.hex(' ')}")
        if kind not in _KINDS:
            raise CorruptedFrameError(f"there is no kind {kind} of frame")
        make, payload = _KINDS[kind]
        if length != payload.size:  # known before anything is waited for, so a liar cannot make us buffer
            raise CorruptedFrameError(f"the payload of kind {kind} has {payload.size} bytes, not {length}")
        size = _HEAD.size + length + _CRC.size
        if len(buffer) < size:
            buffer.wait_for(size)
            return None
        frame = buffer.take(size)
        said = _CRC.unpack_from(frame, size - _CRC.size)[0]
        found = zlib.crc32(frame[2 : -_CRC.size])
        if said != found:
            raise CorruptedFrameError(f"the checksum says {said:08x}, the bytes say {found:08x}")
        return make(*payload.unpack_from(frame, _HEAD.size))


class TelemetryEncoder(MessageToByteEncoder[Message]):
    """Reading or Summary → bytes."""

    def encode(self, msg: Message) -> bytes:
        if isinstance(msg, Reading):
            kind, payload = 1, _READING.pack(msg.sensor, msg.value)
        else:
            kind, payload = 2, _SUMMARY.pack(msg.sensor, msg.readings, msg.mean)
        frame = _HEAD.pack(_MARK, kind, len(payload)) + payload
        return frame + _CRC.pack(zlib.crc32(frame[2:]))


class Station(ChannelInboundHandler[Message, Never, Message]):
    """Keeps the count and the sum of each sensor of one device."""

    def __init__(self) -> None:
        self._sums: dict[int, tuple[int, float]] = {}

    def channel_read(self, ctx: ChannelHandlerContext[Never, Message], msg: Message) -> None:
        if not isinstance(msg, Reading):
            raise CorruptedFrameError("a device sends readings, not summaries")
        readings, total = self._sums.get(msg.sensor, (0, 0.0))
        readings, total = readings + 1, total + msg.value
        self._sums[msg.sensor] = (readings, total)
        ctx.write(Summary(msg.sensor, readings, total / readings))


def main() -> None:
    parser = argparse.ArgumentParser(description="A station for telemetry.")
    parser.add_argument("--address", default="tcp://127.0.0.1:9000", help="where to listen (%(default)s)")
    parser.add_argument("--loops", type=int, default=1, help="threads that serve clients (%(default)s)")
    arguments = parser.parse_args()
    with EventLoopGroup(arguments.loops) as loops:
        bootstrap = ServerBootstrap(
            loops, initializer=lambda channel: wire() >> TelemetryDecoder() >> TelemetryEncoder() >> Station()
        )
        server = bootstrap.bind(arguments.address)
        try:
            print("listening on", *server.addresses, flush=True)
            server.wait()
        except KeyboardInterrupt:
            print("\nbye")


if __name__ == "__main__":
    main()
