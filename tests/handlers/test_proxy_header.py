"""PROXY headers in both versions, against an implementation of somebody else's, and bytes that lie."""

from __future__ import annotations

from socket import SOCK_STREAM
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxyprotocol import ProxyProtocolChecksumError
from proxyprotocol.result import ProxyResult, ProxyResultIPv4, ProxyResultIPv6, ProxyResultLocal, ProxyResultUnknown
from proxyprotocol.tlv import ProxyProtocolTLV
from proxyprotocol.v1 import ProxyProtocolV1
from proxyprotocol.v2 import ProxyProtocolV2

from pipeline_net import CorruptedFrameError, DecodeError, EncodeError, FrameTooLongError
from pipeline_net.handlers import proxy_header
from pipeline_net.handlers.proxy_header import (
    SIGNATURE,
    ProxyHeader,
    crc32c,
    encode_proxy_header,
    read_proxy_header,
)

FOUR = ProxyHeader(("192.0.2.1", 50312), ("198.51.100.7", 443), "tcp4")
SIX = ProxyHeader(("2001:db8::1", 1), ("2001:db8::2", 65535), "tcp6")
UNIX = ProxyHeader("/run/a", "\0abstract", "unix-stream")
UDP = ProxyHeader(("192.0.2.1", 1), ("192.0.2.2", 2), "udp4")
LOCAL = ProxyHeader(is_local=True)
UNKNOWN = ProxyHeader()

V4 = b"\xc0\x00\x02\x01\xc6\x33\x64\x07\xc4\x88\x01\xbb"  # the addresses of FOUR


def v2(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + bytes([command, family]) + len(body).to_bytes(2, "big") + body


# Bytes on the wire, and what they say.
HEADERS: list[tuple[bytes, ProxyHeader]] = [
    (b"PROXY TCP4 192.0.2.1 198.51.100.7 50312 443\r\n", FOUR),
    (b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", SIX),
    (b"PROXY UNKNOWN\r\n", UNKNOWN),
    (b"PROXY UNKNOWN ffff::1 what ever\r\n", UNKNOWN),
    (b"PROXY TCP4 0.0.0.0 255.255.255.255 0 0\r\n", ProxyHeader(("0.0.0.0", 0), ("255.255.255.255", 0), "tcp4")),
    (v2(0x21, 0x11, V4), FOUR),
    (v2(0x21, 0x12, V4), ProxyHeader(FOUR.source, FOUR.destination, "udp4")),
    (v2(0x20, 0x00, b""), LOCAL),
    (v2(0x20, 0x11, V4), LOCAL),  # whatever it says is to be ignored
    (v2(0x20, 0xFF, b"x"), LOCAL),
    (v2(0x21, 0x00, b""), UNKNOWN),
    (v2(0x21, 0x00, b"anything"), UNKNOWN),
    (v2(0x21, 0x10, V4), UNKNOWN),
    (v2(0x21, 0x31, b"/run/a".ljust(108, b"\0") + b"\0abstract".ljust(108, b"\0")), UNIX),
    (
        v2(0x21, 0x11, V4 + b"\x02\0\x09a.example\x04\0\0\x05\0\2id"),
        ProxyHeader(FOUR.source, FOUR.destination, "tcp4", tlvs=((2, b"a.example"), (4, b""), (5, b"id"))),
    ),
]


@pytest.mark.parametrize(("data", "header"), HEADERS)
def test_what_a_header_says_at_every_cut(data: bytes, header: ProxyHeader) -> None:
    for end in range(len(data)):
        assert read_proxy_header(data[:end]) is None
    assert read_proxy_header(data) == (header, len(data))
    assert read_proxy_header(data + b"\r\nPROXY ") == (header, len(data))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"G", "no PROXY header begins with b'G'"),
        (b"PROXY\r\n", "no PROXY header begins"),
        (b"proxy TCP4", "no PROXY header begins"),
        (b"\r\n\r\nG", "no PROXY header begins"),
        (b"PROXY \r\n", "has TCP4 or TCP6"),
        (b"PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n", "has TCP4 or TCP6"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "has TCP4 or TCP6"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n", "has TCP4 or TCP6"),
        (b"PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n", "has TCP4 or TCP6"),
        (b"PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n", "'1.2.3' is no address of tcp4"),
        (b"PROXY TCP4 01.2.3.4 1.2.3.4 1 1\r\n", "'01.2.3.4' is no address of tcp4"),
        (b"PROXY TCP4 ::1 ::2 1 1\r\n", "'::1' is no address of tcp4"),
        (b"PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n", "'1.2.3.4' is no address of tcp6"),
        (b"PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n", "has a zone"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n", "'01' is no port"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 +1 1\r\n", r"'\+1' is no port"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1_0 1\r\n", "'1_0' is no port"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 \xb2 1\r\n", "is no port"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n", "'65536' is no port"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n" + b" " * 80, "ends within 107 bytes"),
        (b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n", "ends within 107 bytes"),
        (SIGNATURE + b"\x11", "has the commands 20 and 21, not 11"),
        (SIGNATURE + b"\x22", "has the commands 20 and 21, not 22"),
        (v2(0x21, 0x41, V4), "no family and protocol 41"),
        (v2(0x21, 0x13, V4), "no family and protocol 13"),
        (v2(0x21, 0x11, V4[:-1]), "two addresses of tcp4 have 12 bytes, and there are 11"),
        (v2(0x21, 0x21, V4), "two addresses of tcp6 have 36 bytes, and there are 12"),
        (v2(0x21, 0x31, V4), "two addresses of unix-stream have 216 bytes"),
        (v2(0x21, 0x11, V4 + b"\4"), "ends 2 bytes behind it"),
        (v2(0x21, 0x11, V4 + b"\4\0"), "ends 1 bytes behind it"),
        (v2(0x21, 0x11, V4 + b"\4\0\2x"), "ends 1 bytes behind it"),
        (v2(0x21, 0x11, V4 + b"\4\xff\xff"), "ends 65535 bytes behind it"),
        (v2(0x21, 0x11, V4 + b"\3\0\4abcd"), "the checksum of the PROXY header says 61626364, its bytes say"),
        (v2(0x21, 0x11, V4 + b"\3\0\3abc"), "one checksum of 4 bytes, or none"),
        (v2(0x21, 0x11, V4 + b"\x20\0\4\1\0\0\0"), "at least 5 bytes, not 4"),
        (v2(0x21, 0x11, V4 + b"\x20\0\x07\1\0\0\0\0\x21\0"), "ends 1 bytes behind it"),
    ],
)
def test_what_contradicts_itself_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(CorruptedFrameError, match=complaint):
        read_proxy_header(data)


def test_a_header_over_the_limit_is_refused_by_its_first_bytes() -> None:
    with pytest.raises(FrameTooLongError) as caught:
        read_proxy_header(SIGNATURE + b"\x21\x11\xff\xff")
    assert (caught.value.length, caught.value.limit) == (65551, 4096)


@pytest.mark.parametrize("size", [106, 107, 108])
def test_the_longest_line(size: int) -> None:
    line = b"PROXY UNKNOWN " + b"x" * (size - 16) + b"\r\n"
    if size <= 107:
        assert read_proxy_header(line) == (UNKNOWN, size)
    else:
        with pytest.raises(CorruptedFrameError):
            read_proxy_header(line)


class TestWriting:
    @pytest.mark.parametrize("header", [FOUR, SIX, UNKNOWN])
    def test_version_1(self, header: ProxyHeader) -> None:
        encoded = encode_proxy_header(header, 1)
        assert read_proxy_header(encoded) == (header, len(encoded))

    @pytest.mark.parametrize("header", [FOUR, SIX, UNIX, UDP, LOCAL, UNKNOWN])
    def test_version_2(self, header: ProxyHeader) -> None:
        encoded = encode_proxy_header(header)
        assert read_proxy_header(encoded) == (header, len(encoded))

    def test_with_tlvs_and_a_checksum(self) -> None:
        header = ProxyHeader(FOUR.source, FOUR.destination, "tcp4", tlvs=((2, b"a.example"), (0xEE, b"\0" * 300)))
        encoded = encode_proxy_header(header, checksum=True)
        read = read_proxy_header(encoded)
        assert read is not None
        assert read[0].tlvs[:2] == header.tlvs
        assert read[0].tlv(proxy_header.CRC32C) is not None
        assert encode_proxy_header(read[0], checksum=True) == encoded  # its old checksum is left out
        says_checksum = len(encoded) - 7  # with another type it would be none, and nothing to hold against the bytes
        for place in (*range(len(SIGNATURE) + 4, says_checksum), *range(says_checksum + 1, len(encoded))):
            damaged = bytearray(encoded)
            damaged[place] ^= 1
            with pytest.raises(DecodeError):
                read_proxy_header(bytes(damaged))

    @pytest.mark.parametrize(
        ("header", "version", "checksum", "complaint"),
        [
            (UNIX, 1, False, "knows tcp4 and tcp6, not unix-stream"),
            (UDP, 1, False, "knows tcp4 and tcp6, not udp4"),
            (ProxyHeader(FOUR.source, FOUR.destination, "tcp4", tlvs=((4, b""),)), 1, False, "has no TLVs"),
            (ProxyHeader(tlvs=((4, b""),)), 2, False, "TLVs follow addresses"),
            (LOCAL, 2, True, "TLVs follow addresses"),
            (ProxyHeader(("a.example", 1), ("192.0.2.1", 1), "tcp4"), 2, False, "'a.example', 1. is no address"),
            (ProxyHeader(("1.2.3.4\r\nX", 1), ("192.0.2.1", 1), "tcp4"), 1, False, "is no address of tcp4"),
            (ProxyHeader(("::1", 1), ("192.0.2.1", 1), "tcp4"), 2, False, "is no address of tcp4"),
            (ProxyHeader(("192.0.2.1", 65536), ("192.0.2.1", 1), "tcp4"), 2, False, "65536 is no port"),
            (ProxyHeader(("192.0.2.1", "1"), ("192.0.2.1", 1), "tcp4"), 1, False, "'1' is no port"),
            (ProxyHeader(("192.0.2.1", True), ("192.0.2.1", 1), "tcp4"), 1, False, "True is no port"),
            (ProxyHeader(None, None, "tcp4"), 2, False, "None is no address"),
            (ProxyHeader(None, None, "sctp"), 2, False, "not 'sctp'"),
            (ProxyHeader("x" * 109, "/b", "unix-stream"), 2, False, "no path of a Unix socket"),
            (ProxyHeader("/a\0b", "/b", "unix-stream"), 2, False, "no path of a Unix socket"),
            (ProxyHeader(b"/a", "/b", "unix-stream"), 2, False, "no path of a Unix socket"),
            (ProxyHeader(FOUR.source, FOUR.destination, "tcp4", tlvs=((256, b""),)), 2, False, "a type below 256"),
            (ProxyHeader(FOUR.source, FOUR.destination, "tcp4", tlvs=((4, bytes(65530)),)), 2, False, "at most 65535"),
        ],
    )
    def test_what_cannot_be_said_is_refused(
        self, header: ProxyHeader, version: int, checksum: bool, complaint: str
    ) -> None:
        with pytest.raises(EncodeError, match=complaint):
            encode_proxy_header(header, version, checksum)

    def test_there_is_no_version_3(self) -> None:
        with pytest.raises(ValueError, match="versions 1 and 2, not 3"):
            encode_proxy_header(FOUR, 3)


class TestAHeader:
    @pytest.mark.parametrize(
        ("source", "destination", "header"),
        [
            (("192.0.2.1", 50312), ("198.51.100.7", 443), FOUR),
            (("2001:db8::1", 1, 0, 0), ("2001:db8::2", 65535, 0, 0), SIX),
            (("fe80::1%eth0", 1, 0, 3), ("::1", 2, 0, 0), ProxyHeader(("fe80::1", 1), ("::1", 2), "tcp6")),
            ("/run/a", "\0abstract", UNIX),
        ],
    )
    def test_is_made_of_what_channels_say(self, source: Any, destination: Any, header: ProxyHeader) -> None:
        assert ProxyHeader.of(source, destination) == header

    @pytest.mark.parametrize("ends", [(("::1", 1), ("192.0.2.1", 1)), ("/a", ("192.0.2.1", 1)), (None, None)])
    def test_has_two_ends_of_one_kind(self, ends: Any) -> None:
        with pytest.raises(EncodeError, match="two addresses of one kind"):
            ProxyHeader.of(*ends)

    def test_tells_of_tls(self) -> None:
        inside = b"\x21\0\x07TLSv1.3\x22\0\3ada"
        value = b"\x07\0\0\0\0" + inside
        header = ProxyHeader(
            FOUR.source, FOUR.destination, "tcp4", tlvs=((2, b"a.example"), (0x20, value), (2, b"second"))
        )
        read = read_proxy_header(encode_proxy_header(header))
        assert read is not None
        assert read[0].authority == "a.example"
        ssl = read[0].ssl
        assert ssl is not None
        assert (ssl.version, ssl.common_name, ssl.is_verified) == ("TLSv1.3", "ada", True)
        assert FOUR.ssl is None
        assert FOUR.authority is None


def plain(address: Any) -> tuple[str, int]:
    """An address of the other implementation's, as we write it."""
    return str(address[0]), address[1]


class TestAgainstSomebodyElse:
    """https://github.com/icgood/proxy-protocol"""

    @pytest.mark.parametrize("header", [FOUR, SIX])
    def test_our_version_1_is_read(self, header: ProxyHeader) -> None:
        result = ProxyProtocolV1().unpack(encode_proxy_header(header, 1))
        assert plain(result.source) == header.source

    @pytest.mark.parametrize("header", [FOUR, SIX, UDP])
    @pytest.mark.parametrize("checksum", [False, True])
    def test_our_version_2_is_read(self, header: ProxyHeader, checksum: bool) -> None:
        result = ProxyProtocolV2().unpack(encode_proxy_header(header, 2, checksum))
        assert plain(result.source) == header.source
        assert plain(result.dest) == header.destination

    @given(st.ip_addresses(v=4), st.ip_addresses(v=4), st.integers(0, 65535), st.integers(0, 65535))
    def test_its_headers_are_read(self, source: Any, destination: Any, one: int, two: int) -> None:
        tlv = ProxyProtocolTLV(authority="a.example", unique_id=b"id")
        result = ProxyResultIPv4((source, one), (destination, two), protocol=SOCK_STREAM, tlv=tlv)
        header = ProxyHeader((str(source), one), (str(destination), two), "tcp4")
        v1 = ProxyProtocolV1().pack(result)
        assert read_proxy_header(v1) == (header, len(v1))
        packed = ProxyProtocolV2().pack(result)
        read = read_proxy_header(packed)
        assert read is not None
        assert (read[0].source, read[0].destination, read[1]) == (header.source, header.destination, len(packed))
        assert (read[0].authority, read[0].tlv(proxy_header.UNIQUE_ID)) == ("a.example", b"id")

    @given(st.ip_addresses(v=6), st.ip_addresses(v=6))
    def test_its_ipv6_headers_are_read(self, source: Any, destination: Any) -> None:
        for protocol in (ProxyProtocolV1(), ProxyProtocolV2()):
            packed = protocol.pack(ProxyResultIPv6((source, 1), (destination, 2), protocol=SOCK_STREAM))
            read = read_proxy_header(packed)
            assert read is not None
            assert read[0].source == (str(source), 1)

    @pytest.mark.parametrize("result", [ProxyResultLocal(), ProxyResultUnknown()])
    def test_its_headers_that_say_nothing_are_read(self, result: ProxyResult) -> None:
        read = read_proxy_header(ProxyProtocolV2().pack(result))
        assert read is not None
        assert read[0].source is None

    @given(st.data())
    def test_mutated_headers_are_refused_or_read_alike(self, data: st.DataObject) -> None:
        header = ProxyHeader(FOUR.source, FOUR.destination, "tcp4", tlvs=((2, b"a.example"),))
        mutated = bytearray(encode_proxy_header(header, checksum=data.draw(st.booleans())))
        for _ in range(data.draw(st.integers(1, 3))):
            mutated[data.draw(st.integers(12, len(mutated) - 1))] = data.draw(st.integers(0, 255))
        try:
            ours = read_proxy_header(bytes(mutated))
        except DecodeError:
            return
        if ours is None or ours[0].protocol not in ("tcp4", "udp4"):
            return
        size = ours[1]
        try:
            theirs = ProxyProtocolV2().unpack(bytes(mutated[:size]))
        except ProxyProtocolChecksumError as exc:
            # The second opinion takes a checksum of another length, or several, for one.
            raise AssertionError(mutated.hex()) from exc
        assert plain(theirs.source) == ours[0].source


@pytest.mark.parametrize(
    ("data", "checksum"),
    [(b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (b"", 0)],  # RFC 3720 B.4
)
def test_the_checksum(data: bytes, checksum: int) -> None:
    assert crc32c(data) == checksum


@given(st.binary(max_size=80))
def test_noise_is_refused_or_waited_for(noise: bytes) -> None:
    for data in (noise, b"PROXY " + noise, b"PROXY TCP4 " + noise + b"\r\n", SIGNATURE + noise, v2(0x21, 0x11, noise)):
        try:
            read = read_proxy_header(data)
        except DecodeError:
            continue
        assert read is None or read[1] <= len(data)
