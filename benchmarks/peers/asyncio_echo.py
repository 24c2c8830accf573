"""Echo on asyncio's interfaces, each hand-written in its best reasonable form, on uvloop or on asyncio's own loop.

uvloop's transports are no subclasses of asyncio's, only like them: hence the casts.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import struct
from typing import Final, cast

import uvloop

_LENGTH: Final = struct.Struct(">I")
_PREFIX: Final = 4  # bytes of the length field
_MAX_FRAME: Final = 16 * 1024 * 1024  # bytes, as for the framed server of ours
_MAX_LINE: Final = 1024 * 1024  # bytes, as for the line server of ours
_CERTIFICATE: Final = "bin/tls.pem"  # the harness has made it


class RawEcho(asyncio.Protocol):
    _transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


class FusedFramedEcho(asyncio.Protocol):
    """Framing and handling fused into one loop over a bytes object and an offset, with no call for a frame: what is
    left when speed is all that counts.  All replies to one read leave in one write.

    What arrives of an unfinished frame is kept in a list and joined once, when the frame is known to be complete.
    """

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._held = 0
        self._needed = _PREFIX

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._parts:
            self._parts.append(data)
            self._held += len(data)
            if self._held < self._needed:
                return
            data = b"".join(self._parts)
            self._parts.clear()
        size = len(data)
        position = 0
        replies: list[bytes] = []
        needed = _PREFIX
        while size - position >= _PREFIX:
            (length,) = _LENGTH.unpack_from(data, position)
            if length > _MAX_FRAME:
                self._transport.abort()
                return
            end = position + _PREFIX + length
            if end > size:
                needed = _PREFIX + length
                break
            message = data[position + _PREFIX : end]
            replies.append(_LENGTH.pack(len(message)))
            replies.append(message)
            position = end
        if position < size:
            self._parts.append(data[position:] if position else data)
            self._held = size - position
            self._needed = needed
        if replies:
            self._transport.write(b"".join(replies))


class HandWrittenFramedEcho(asyncio.Protocol):
    """Frames as a protocol is written by hand with care: a bytearray that shrinks, a method for a frame that does not
    know of framing, and one write for all the replies to one read.
    """

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._replies: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _PREFIX:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > _MAX_FRAME:
                self._transport.abort()
                return
            if len(self._buffer) < _PREFIX + length:
                break
            frame = bytes(self._buffer[_PREFIX : _PREFIX + length])
            del self._buffer[: _PREFIX + length]
            self.frame_received(frame)
        if self._replies:
            self._transport.write(b"".join(self._replies))
            self._replies.clear()

    def frame_received(self, frame: bytes) -> None:
        self.send_frame(frame)

    def send_frame(self, frame: bytes) -> None:
        self._replies.append(_LENGTH.pack(len(frame)) + frame)


class PlainFramedEcho(asyncio.Protocol):
    """Frames as most protocols are written: a bytearray that shrinks, a method for a frame, a write for a reply."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _PREFIX:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > _MAX_FRAME:
                self._transport.abort()
                return
            if len(self._buffer) < _PREFIX + length:
                return
            frame = bytes(self._buffer[_PREFIX : _PREFIX + length])
            del self._buffer[: _PREFIX + length]
            self.frame_received(frame)

    def frame_received(self, frame: bytes) -> None:
        self._transport.write(_LENGTH.pack(len(frame)) + frame)


class BufferedFramedEcho(asyncio.BufferedProtocol):
    """Frames received straight into the memory that is then sent: nothing is copied in Python."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._prefix = bytearray(_PREFIX)
        self._frame: bytearray | None = None  # prefix and body; None while the prefix arrives
        self._view = memoryview(self._prefix)
        self._filled = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        if self._filled < len(self._view):
            return
        if self._frame is None:
            (length,) = _LENGTH.unpack(self._prefix)
            if length > _MAX_FRAME:
                self._transport.abort()
                return
            self._frame = bytearray(_PREFIX + length)
            self._frame[:_PREFIX] = self._prefix
            self._view = memoryview(self._frame)
            self._filled = _PREFIX
            if length:
                return
        self._transport.write(self._view)
        self._frame = None
        self._view = memoryview(self._prefix)
        self._filled = 0


async def echo_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As the documentation of Streams has it.

    uvloop (0.23) and asyncio send at every ``write``, with ``drain`` or without: lines that came in one read leave one
    by one.  That is what this interface costs, and most of what the row measures.
    """
    try:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
    except ConnectionError:
        pass  # the load generator hung up in the middle of a line: nothing is left to answer
    finally:
        writer.close()


async def serve(work: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    server: asyncio.Server
    if work == "line":
        server = await asyncio.start_server(echo_lines, "127.0.0.1", port, backlog=1024, limit=_MAX_LINE)
    else:
        factory: dict[str, type[asyncio.Protocol | asyncio.BufferedProtocol]] = {
            "raw": RawEcho,
            "tls": RawEcho,
            "fused": FusedFramedEcho,
            "framed": HandWrittenFramedEcho,
            "plain": PlainFramedEcho,
            "buffered": BufferedFramedEcho,
        }
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if work == "tls" else None
        if context is not None:
            context.load_cert_chain(_CERTIFICATE)
        server = await loop.create_server(factory[work], "127.0.0.1", port, backlog=1024, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--work", choices=("raw", "tls", "framed", "fused", "plain", "buffered", "line"), required=True
    )
    options.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    options.add_argument("--port", type=int, default=0)
    chosen = options.parse_args()
    factory = uvloop.new_event_loop if chosen.loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(chosen.work, chosen.port))


if __name__ == "__main__":
    main()
