"""PcapHandler: what passes, as a capture file that Wireshark and tcpdump read.

A capture on the network shows ciphertext, needs to be root, and has everybody else's packets in it too.  This one shows
the bytes of one stage of one pipeline: behind TLS, what was in it.  There are no packets there; so each message is put
into segments of a TCP connection that never was, with a handshake in front and a goodbye behind, and the addresses of
the real one.  Two ends without an IP address get 127.0.0.1 and ports of their own.

Source: draft-ietf-opsawg-pcap-04 (the file: a header of 24 bytes, then records of 16 and their packet); link type 101
is "raw IP".  RFC 9293 3.1 (TCP), RFC 791 3.1 and RFC 8200 3 (IP), RFC 1071 (the checksum).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from ipaddress import IPv6Address
from os import PathLike
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from ..file_region import FileRegion
from ..handler import TransparentHandler
from .held_writes import size_of
from .networks import address_of

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext
    from ..future import ChannelFuture

_logger: Final = logging.getLogger("pipeline_net.handlers")

_FILE_HEAD: Final = Struct("<IHHiIII")
_MAGIC: Final = 0xA1B2C3D4  # times are in microseconds
_SNAP_LENGTH: Final = 262144  # bytes; no packet of ours is longer
_RAW_IP: Final = 101
_RECORD_HEAD: Final = Struct("<IIII")
_IPV4: Final = Struct(">BBHHHBBH4s4s")
_IPV6: Final = Struct(">IHBB16s16s")
_TCP: Final = Struct(">HHIIBBHHH")
_TCP_NUMBER: Final = 6
_TTL: Final = 64
_WINDOW: Final = 65535
_SEGMENT: Final = 65000  # bytes of payload; an IP packet has at most 65535

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
PSH: Final = 0x08
ACK: Final = 0x10

_LOCALHOST: Final = b"\x7f\0\0\1"
_OUR_PORT: Final = 1  # of ends without an address
_FIRST_PORT: Final = 1024


class PcapWriter:
    """A capture file, shared by as many channels as are to be in it, on whatever loops.

    Writing is buffered and happens on the loops; a disk that fails ends the capture, not the connections.

    Args:
        file: a path, or a binary file that is open for writing and stays its owner's to close.
        limit: bytes after which the capture ends.
        clock: seconds since 1970, for the times of the packets.

    Raises:
        OSError: the file cannot be made.
        ValueError: the limit is below the 24 bytes that every file has.
    """

    def __init__(
        self,
        file: str | PathLike[str] | BinaryIO,
        *,
        limit: int = 100 * 1024 * 1024,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if limit < _FILE_HEAD.size:
            raise ValueError(f"limit must be at least {_FILE_HEAD.size} bytes, not {limit}")
        self._owns_file = isinstance(file, (str, PathLike))
        self._file: Any = file
        if isinstance(file, (str, PathLike)):
            self._file = Path(file).open("wb")  # noqa: SIM115 - close() closes it
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._size = _FILE_HEAD.size
        self._port = _FIRST_PORT
        self.is_recording = True
        self._file.write(_FILE_HEAD.pack(_MAGIC, 2, 4, 0, 0, _SNAP_LENGTH, _RAW_IP))

    def write_packet(self, captured: bytes, length: int) -> None:
        """Add a packet of ``length`` bytes, of which the first ones were captured."""
        now = self._clock()
        seconds = int(now)
        record = _RECORD_HEAD.pack(seconds & 0xFFFFFFFF, int((now - seconds) * 1e6), len(captured), length) + captured
        with self._lock:
            if not self.is_recording:
                return
            self._size += len(record)
            if self._size > self._limit:
                self.is_recording = False
                _logger.warning("the capture has reached its limit of %d bytes, and ends", self._limit)
                return
            try:
                self._file.write(record)
            except (OSError, ValueError) as exc:  # the disk is full, or somebody has closed the file
                self.is_recording = False
                _logger.error("the capture cannot be written, and ends: %s", exc)

    def free_port(self) -> int:
        """Give a connection that has no port one of its own."""
        with self._lock:
            port = self._port
            self._port = port + 1 if port < 65535 else _FIRST_PORT
        return port

    def flush(self) -> None:
        """Write to the file what is buffered."""
        with self._lock:
            if self.is_recording:
                self._file.flush()

    def close(self) -> None:
        """End the capture; again is allowed."""
        with self._lock:
            was_recording = self.is_recording
            self.is_recording = False
            if self._owns_file:
                self._file.close()
            elif was_recording:
                self._file.flush()

    def __enter__(self) -> PcapWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PcapHandler(TransparentHandler[Any]):
    """Whatever flows → the same, and its bytes into a capture file.

    ::

        with PcapWriter("redis.pcap") as capture:
            ServerBootstrap(loops, initializer=lambda channel: wire() >> PcapHandler(capture) >> …)

    Bytes are captured when they pass: those to the peer before they are sent.  Messages that are not made of bytes are
    not captured, and neither is what is in files, of which only the length is told.

    Args:
        writer: where to.
        connects: whether it was we who connected, for the direction of the handshake.
        snap_length: bytes of one message that are kept; the rest is only counted.

    Raises:
        ValueError: ``snap_length`` is negative.
    """

    def __init__(self, writer: PcapWriter, *, connects: bool = False, snap_length: int = 65536) -> None:
        if snap_length < 0:
            raise ValueError(f"snap_length must not be negative, but is {snap_length}")
        self._writer = writer
        self._connects = connects
        self._snap_length = snap_length
        self._peer: _End | None = None  # None: nothing is captured
        self._we: _End | None = None

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if ctx.channel.is_active:
            self._begin(ctx)

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._end(ctx)

    def channel_active(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._begin(ctx)
        ctx.fire_channel_active()

    def channel_inactive(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._end(ctx)
        ctx.fire_channel_inactive()

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if self._peer is not None and self._we is not None:
            self._capture(self._peer, self._we, msg)
        ctx.fire_channel_read(msg)

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._peer is not None and self._we is not None:
            self._say_goodbye(self._peer, self._we)
        ctx.fire_channel_eof()

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if self._peer is not None and self._we is not None:
            self._capture(self._we, self._peer, msg)
        ctx.write(msg, promise)

    def shutdown_output(self, ctx: ChannelHandlerContext[Any, Any], promise: ChannelFuture[Any] | None) -> None:
        if self._peer is not None and self._we is not None:
            self._say_goodbye(self._we, self._peer)
        ctx.shutdown_output(promise)

    # -- how it is done -----------------------------------------------------------------------------

    def _begin(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self._peer is not None:
            return
        self._peer, self._we = _ends(ctx.channel.remote_address, ctx.channel.local_address, self._writer)
        caller, called = (self._we, self._peer) if self._connects else (self._peer, self._we)
        self._send(caller, called, SYN, b"", 0)
        caller.sequence += 1
        self._send(called, caller, SYN | ACK, b"", 0)
        called.sequence += 1
        self._send(caller, called, ACK, b"", 0)

    def _end(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        peer, we = self._peer, self._we
        if peer is None or we is None:
            return
        if ctx.channel.is_open:
            return  # it was taken out, and the connection goes on
        if ctx.channel.is_aborted:
            self._send(we, peer, RST | ACK, b"", 0)
        elif ctx.channel.close_reason is not None:
            self._send(peer, we, RST | ACK, b"", 0)
        else:
            self._say_goodbye(we, peer)
            self._say_goodbye(peer, we)
        self._peer = self._we = None

    def _say_goodbye(self, source: _End, target: _End) -> None:
        if not source.is_done:
            self._send(source, target, FIN | ACK, b"", 0)
            source.is_done = True
            source.sequence += 1
            self._send(target, source, ACK, b"", 0)

    def _capture(self, source: _End, target: _End, msg: Any) -> None:
        size = size_of(msg)
        if size == 0 or source.is_done or not self._writer.is_recording:
            return
        kept = b"" if isinstance(msg, FileRegion) else bytes(memoryview(msg).cast("B")[: self._snap_length])
        for start in range(0, size, _SEGMENT):
            length = min(size - start, _SEGMENT)
            self._send(source, target, PSH | ACK, kept[start : start + length], length)
            source.sequence += length

    def _send(self, source: _End, target: _End, flags: int, payload: bytes, length: int) -> None:
        """Write a segment of ``length`` bytes, of which ``payload`` is what was kept."""
        acknowledged = target.sequence & 0xFFFFFFFF if flags & ACK else 0
        fields = (source.port, target.port, source.sequence & 0xFFFFFFFF, acknowledged, 5 << 4, flags, _WINDOW)
        segment_length = _TCP.size + length
        checksum = 0
        if len(payload) == length:  # else nobody could verify it
            pseudo = source.address + target.address + segment_length.to_bytes(4, "big") + bytes([0, 0, 0, _TCP_NUMBER])
            checksum = _checksum(pseudo + _TCP.pack(*fields, 0, 0) + payload)
        head = _ip_head(source.address, target.address, segment_length)
        captured = head + _TCP.pack(*fields, checksum, 0) + payload
        self._writer.write_packet(captured, len(head) + segment_length)


class _End:
    """One end of the connection that is drawn."""

    def __init__(self, address: bytes, port: int) -> None:
        self.address = address
        self.port = port
        self.sequence = 0
        self.is_done = False  # it has said goodbye


def _ends(remote: Any, local: Any, writer: PcapWriter) -> tuple[_End, _End]:
    """Find the addresses of both ends, which must be of one kind."""
    theirs, ours = address_of(remote), address_of(local)
    if theirs is None and ours is None:
        return _End(_LOCALHOST, writer.free_port()), _End(_LOCALHOST, _OUR_PORT)
    if theirs is None or ours is None:
        theirs = ours = theirs or ours
    assert theirs is not None and ours is not None, "one of them is known"  # noqa: PT018 - both, for the type checker
    packed = theirs.packed, ours.packed
    if len(packed[0]) != len(packed[1]):
        packed = tuple(  # type: ignore[assignment]  # of two
            address.packed if isinstance(address, IPv6Address) else IPv6Address(f"::ffff:{address}").packed
            for address in (theirs, ours)
        )
    return _End(packed[0], _port(remote, writer)), _End(packed[1], _port(local, writer))


def _port(address: Any, writer: PcapWriter) -> int:
    if isinstance(address, tuple) and len(address) > 1 and isinstance(address[1], int) and 0 <= address[1] <= 0xFFFF:
        return address[1]
    return writer.free_port()


def _ip_head(source: bytes, target: bytes, length: int) -> bytes:
    if len(source) == 16:
        return _IPV6.pack(6 << 28, length, _TCP_NUMBER, _TTL, source, target)
    fields = (0x45, 0, _IPV4.size + length, 0, 0, _TTL, _TCP_NUMBER)
    checksum = _checksum(_IPV4.pack(*fields, 0, source, target))
    return _IPV4.pack(*fields, checksum, source, target)


def _checksum(data: bytes) -> int:
    """Add up words of two bytes in ones' complement: that is their remainder by 65535."""
    if len(data) % 2:
        data += b"\0"
    rest = int.from_bytes(data, "big") % 0xFFFF
    return 0xFFFF - rest if rest else (0 if any(data) else 0xFFFF)
