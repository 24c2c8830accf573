"""Captures as tcpdump reads them, and as their format says."""

from __future__ import annotations

import logging
import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from struct import unpack
from typing import Any

import pytest

from pipeline_net import ChannelBrokenError, FileRegion
from pipeline_net.handlers.pcap import ACK, FIN, PSH, RST, SYN, PcapHandler, PcapWriter
from pipeline_net.testing import EmbeddedChannel

TCPDUMP = shutil.which("tcpdump")
CLIENT, SERVER = ("192.0.2.1", 50312), ("198.51.100.7", 6379)


class Packet:
    """A packet of a capture, taken apart independently of the writer."""

    def __init__(self, data: bytes, length: int) -> None:
        self.version = data[0] >> 4
        head = 20 if self.version == 4 else 40
        self.length = length
        if self.version == 4:
            assert unpack(">H", data[2:4])[0] == length
            self.source, self.target = data[12:16], data[16:20]
            assert ones_complement(data[:20]) == 0xFFFF
        else:
            assert unpack(">H", data[4:6])[0] == length - 40
            self.source, self.target = data[8:24], data[24:40]
        segment = data[head:]
        self.ports = unpack(">HH", segment[:4])
        self.sequence, self.acknowledged = unpack(">II", segment[4:12])
        self.flags = segment[13]
        self.payload = segment[20:]
        self.is_whole = len(data) == length
        if self.is_whole:
            pseudo = self.source + self.target + len(segment).to_bytes(4, "big") + b"\0\0\0\6"
            assert ones_complement(pseudo + segment) == 0xFFFF


def ones_complement(data: bytes) -> int:
    total: int = sum(unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    return total


def packets(capture: bytes) -> list[Packet]:
    assert unpack("<IHHiIII", capture[:24]) == (0xA1B2C3D4, 2, 4, 0, 0, 262144, 101)
    found = []
    at = 24
    while at < len(capture):
        _, _, captured, length = unpack("<IIII", capture[at : at + 16])
        found.append(Packet(capture[at + 16 : at + 16 + captured], length))
        at += 16 + captured
    assert at == len(capture)
    return found


def captured(remote: Any = CLIENT, local: Any = SERVER, **more: Any) -> tuple[EmbeddedChannel, BytesIO]:
    file = BytesIO()
    handler = PcapHandler(PcapWriter(file, clock=lambda: 1_700_000_000.25), **more)
    return EmbeddedChannel(handler, remote_address=remote, local_address=local), file


def test_a_conversation() -> None:
    channel, file = captured()
    channel.write_inbound(b"PING\r\n")
    channel.write_outbound(b"+PONG\r\n")
    channel.finish()
    found = packets(file.getvalue())
    assert [(packet.ports, packet.flags, packet.payload) for packet in found] == [
        ((50312, 6379), SYN, b""),
        ((6379, 50312), SYN | ACK, b""),
        ((50312, 6379), ACK, b""),
        ((50312, 6379), PSH | ACK, b"PING\r\n"),
        ((6379, 50312), PSH | ACK, b"+PONG\r\n"),
        ((50312, 6379), FIN | ACK, b""),
        ((6379, 50312), ACK, b""),
        ((6379, 50312), FIN | ACK, b""),
        ((50312, 6379), ACK, b""),
    ]
    numbers = [(packet.sequence, packet.acknowledged) for packet in found]
    assert numbers == [(0, 0), (0, 1), (1, 1), (1, 1), (1, 7), (7, 8), (8, 8), (8, 8), (8, 9)]
    assert found[0].source == bytes([192, 0, 2, 1])
    assert all(packet.is_whole for packet in found)


@pytest.mark.skipif(TCPDUMP is None, reason="needs the tcpdump command")
@pytest.mark.parametrize(
    ("remote", "local", "line"),
    [
        (CLIENT, SERVER, "IP 192.0.2.1.50312 > 198.51.100.7.6379: Flags [P.], seq 1:7, ack 1, win 65535, length 6"),
        (
            ("2001:db8::1", 1, 0, 0),
            ("2001:db8::2", 6379, 0, 0),
            "IP6 2001:db8::1.1 > 2001:db8::2.6379: Flags [P.], seq 1:7, ack 1, win 65535, length 6",
        ),
    ],
)
def test_tcpdump_reads_it(tmp_path: Path, remote: Any, local: Any, line: str) -> None:
    path = tmp_path / "capture.pcap"
    with PcapWriter(path) as writer:
        channel = EmbeddedChannel(PcapHandler(writer), remote_address=remote, local_address=local)
        channel.write_inbound(b"PING\r\n")
        channel.write_outbound(b"x" * 200_000)
        channel.finish()
    assert TCPDUMP is not None
    command = [TCPDUMP, "-r", str(path), "-n", "-t"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    lines = said.splitlines()
    assert any(text.startswith(line) for text in lines), said
    assert len(lines) == 3 + 1 + 4 + 4
    assert "Flags [S]" in lines[0]
    assert "Flags [F.]" in said
    verified = subprocess.run([*command, "-vv"], capture_output=True, text=True, timeout=20, check=True).stdout
    assert "cksum" in verified
    assert "incorrect" not in verified
    assert "bad cksum" not in verified


def test_who_connects_says_so() -> None:
    _, file = captured(connects=True)
    assert [packet.ports[0] for packet in packets(file.getvalue())] == [6379, 50312, 6379]


def test_a_large_message_is_several_segments() -> None:
    channel, file = captured(snap_length=1_000_000)
    data = bytes(range(250)) * 1000
    channel.write_inbound(data)
    segments = [packet for packet in packets(file.getvalue()) if packet.flags & PSH]
    assert b"".join(packet.payload for packet in segments) == data
    assert [packet.sequence for packet in segments] == [1, 65001, 130001, 195001]


def test_a_large_message_of_which_little_is_kept_is_as_many_segments() -> None:
    channel, file = captured(snap_length=65_010)
    channel.write_inbound(bytes(150_000))
    segments = [packet for packet in packets(file.getvalue()) if packet.flags & PSH]
    assert [(len(packet.payload), packet.length - 40) for packet in segments] == [
        (65_000, 65_000),
        (10, 65_000),
        (0, 20_000),
    ]
    assert [packet.sequence for packet in segments] == [1, 65_001, 130_001]


def test_what_is_not_kept_is_counted() -> None:
    channel, file = captured(snap_length=3)
    channel.write_inbound(b"12345")
    channel.write(FileRegion(BytesIO(b"abcdefgh")))
    channel.write(b"12")
    channel.write("no bytes")
    channel.write(b"")
    channel.run_pending()
    segments = [packet for packet in packets(file.getvalue()) if packet.flags & PSH]
    assert [(packet.payload, packet.length - 40) for packet in segments] == [(b"123", 5), (b"", 8), (b"12", 2)]
    assert segments[-1].acknowledged == 6
    assert segments[-1].sequence == 9


@pytest.mark.parametrize("how", ["aborted", "broken"])
def test_a_sudden_end_is_a_reset_by_who_ended_it(how: str) -> None:
    channel, file = captured()
    if how == "aborted":
        channel.abort()
        channel.run_pending()
    else:
        channel.fail(OSError("reset"))
        with pytest.raises(ChannelBrokenError):
            channel.run_pending()
    last = packets(file.getvalue())[-1]
    assert (last.flags, last.ports[0]) == (RST | ACK, 6379 if how == "aborted" else 50312)


def test_half_close_is_shown_as_such() -> None:
    channel, file = captured()
    channel.pipeline.shutdown_output()
    channel.write(b"too late")
    channel.write_inbound(b"still here")
    flags = [(packet.ports[0], packet.flags) for packet in packets(file.getvalue())[3:]]
    assert flags == [(6379, FIN | ACK), (50312, ACK), (50312, PSH | ACK)]


@pytest.mark.parametrize(
    ("remote", "local", "version"),
    [
        ("", "/run/socket", 4),
        ("embedded", None, 4),
        (("::ffff:192.0.2.1", 1, 0, 0), ("192.0.2.2", 2), 4),
        (("192.0.2.1", 1), ("2001:db8::1", 2, 0, 0), 6),
        (("192.0.2.1", 1), None, 4),
    ],
)
def test_ends_of_every_kind_have_an_address(remote: Any, local: Any, version: int) -> None:
    channel, file = captured(remote, local)
    channel.write_inbound(b"x")
    found = packets(file.getvalue())
    assert {packet.version for packet in found} == {version}
    assert len({packet.ports for packet in found}) == 2


def test_connections_without_addresses_are_told_apart() -> None:
    file = BytesIO()
    writer = PcapWriter(file)
    for _ in range(3):
        EmbeddedChannel(PcapHandler(writer))
    assert len({frozenset(packet.ports) for packet in packets(file.getvalue())}) == 3


def test_the_capture_ends_at_its_limit_and_the_connection_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    file = BytesIO()
    channel = EmbeddedChannel(PcapHandler(PcapWriter(file, limit=1000)))
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            channel.write_inbound(b"x" * 100)
    assert len(file.getvalue()) <= 1000
    assert packets(file.getvalue())
    assert len(channel.inbound) == 100
    assert caplog.text.count("has reached its limit of 1000 bytes") == 1


def test_a_disk_that_fails_ends_the_capture_and_not_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    file = BytesIO()
    writer = PcapWriter(file)
    channel = EmbeddedChannel(PcapHandler(writer))
    file.close()
    channel.write_inbound(b"x", b"y")
    assert channel.inbound == [b"x", b"y"]
    assert caplog.text.count("the capture cannot be written, and ends") == 1
    writer.flush()


def test_added_late_it_begins_there_and_taken_out_it_stops_there() -> None:
    file = BytesIO()
    channel = EmbeddedChannel(remote_address=CLIENT, local_address=SERVER)
    channel.pipeline.add_last(PcapHandler(PcapWriter(file)))
    channel.write_inbound(b"x")
    channel.pipeline.remove(PcapHandler)
    channel.write_inbound(b"y")
    channel.finish()
    assert [packet.payload for packet in packets(file.getvalue())] == [b"", b"", b"", b"x"]


def test_a_path_is_opened_and_closed_and_a_file_is_left_to_its_owner(tmp_path: Path) -> None:
    writer = PcapWriter(tmp_path / "capture.pcap")
    writer.flush()
    assert (tmp_path / "capture.pcap").stat().st_size == 24
    writer.close()
    writer.close()
    file = BytesIO()
    PcapWriter(file).close()
    assert not file.closed


@pytest.mark.parametrize("make", [lambda: PcapWriter(BytesIO(), limit=23), lambda: captured(snap_length=-1)])
def test_what_makes_no_sense_is_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"at least 24 bytes, not 23|must not be negative, but is -1"):
        make()
